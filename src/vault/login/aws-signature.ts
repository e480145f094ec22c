/** Requests to AWS, signed by Signature Version 4. */
import { AwsV4Signer } from 'aws4fetch'

export const FORM = 'application/x-www-form-urlencoded; charset=utf-8'

export interface AwsKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string | null
}

export interface AwsRequest {
  readonly service: 'sts' | 'secretsmanager'
  readonly region: string
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  /** Milliseconds since 1970. */
  readonly now: number
}

/** @returns the headers to send with the POST. */
export async function signedHeaders(
  keys: AwsKeys,
  { now, headers, ...rest }: AwsRequest,
): Promise<Record<string, string>> {
  const datetime = new Date(now).toISOString().replaceAll(/[:-]|\.\d{3}/g, '')
  const { sessionToken, ...pair } = keys
  const session = sessionToken === null ? {} : { sessionToken }
  const signer = new AwsV4Signer({ ...rest, ...pair, ...session, method: 'POST', headers, datetime })
  return Object.fromEntries((await signer.sign()).headers)
}
