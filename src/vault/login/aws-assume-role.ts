/** Keys of another role, for the login alone: `sts:AssumeRole`. */
import { KeyringError } from '../../core/errors.ts'
import type { AwsIamSettings } from '../../core/login-settings.ts'
import type { AwsKeys } from './aws-credentials.ts'
import { FORM, signedHeaders } from './aws-signature.ts'
import type { LoginParts } from './method.ts'
import { ask } from './outside.ts'

/** Seconds; the least that STS grants, and the signature lasts as long. */
const LIFE = 900

export async function assumeRole(
  own: AwsKeys,
  { region, stsEndpoint: url }: AwsIamSettings,
  { arn, session }: NonNullable<AwsIamSettings['assume']>,
  parts: LoginParts,
  signal: AbortSignal,
): Promise<AwsKeys> {
  const body = new URLSearchParams({
    Action: 'AssumeRole',
    Version: '2011-06-15',
    RoleArn: arn,
    RoleSessionName: session,
    DurationSeconds: String(LIFE),
  }).toString()
  const headers = await signedHeaders(own, {
    region,
    url,
    body,
    headers: { 'content-type': FORM },
    now: parts.clock.now(),
  })
  const answer = await ask(parts, { url, method: 'POST', headers, body }, signal)
  const facts = { host: new URL(url).host }
  if (answer === null || answer.status === 429 || answer.status >= 500)
    throw new KeyringError('ERR_AWS_UNAVAILABLE', `AWS STS at ${facts.host} does not answer.`, { facts })
  const keys = answer.status === 200 ? keysIn(answer.text) : null
  if (keys !== null) return keys
  throw new KeyringError('ERR_AWS_ROLE_REFUSED', `AWS STS at ${facts.host} does not let us take the role.`, {
    facts: { ...facts, status: answer.status },
  })
}

/** Of the XML only three fields are looked at, of the letters that they can have: no entities, nothing nested. */
function keysIn(xml: string): AwsKeys | null {
  const field = (name: string) => new RegExp(`<${name}>([\\w+/=.-]{1,8192})</${name}>`).exec(xml)?.[1]
  const [accessKeyId, secretAccessKey, sessionToken] = [
    field('AccessKeyId'),
    field('SecretAccessKey'),
    field('SessionToken'),
  ]
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined) return null
  return { accessKeyId, secretAccessKey, sessionToken }
}
