/** The keys of a role, from STS: it is taken with keys that we have, or with a token of the cluster. */
import { KeyringError } from '../../core/errors.ts'
import type { AwsCredentialSource, AwsIamSettings } from '../../core/login-settings.ts'
import type { AwsKeys } from './aws-signature.ts'
import { FORM, signedHeaders } from './aws-signature.ts'
import { readCredential } from './credential.ts'
import type { LoginParts } from './method.ts'
import { rowOf } from '../wire/outages.ts'
import type { OutsideAnswer, Unanswered } from './outside.ts'
import { askOutside } from './outside.ts'

/** The keys live for so many seconds: the least that STS grants, and the signature lasts as long. */
const LIFE = '900'

/** What STS is asked with. */
type Asking = Pick<LoginParts, 'fetch' | 'clock'>
type Sts = Pick<AwsIamSettings, 'region' | 'stsEndpoint'>
const HEADERS = { 'content-type': FORM }

/** The role is taken with our own keys, for a login or for reads. */
export async function assumeRole(
  own: AwsKeys,
  { region, stsEndpoint: url }: Sts,
  { arn, session }: NonNullable<AwsIamSettings['assume']>,
  parts: Asking,
  signal: AbortSignal,
): Promise<AwsKeys> {
  const body = form({ Action: 'AssumeRole', RoleArn: arn, RoleSessionName: session })
  const headers = await signedHeaders(own, {
    service: 'sts',
    region,
    url,
    body,
    headers: HEADERS,
    now: parts.clock.now(),
  })
  return keysFrom(url, headers, body, parts, signal)
}

/** Nobody signs this request, because the token is the proof. */
export async function assumeRoleWithWebIdentity(
  { arn, session, token }: AwsCredentialSource & { from: 'web-identity' },
  { stsEndpoint: url }: Sts,
  parts: LoginParts,
  signal: AbortSignal,
): Promise<AwsKeys> {
  const WebIdentityToken = await readCredential(token, 'AWS_WEB_IDENTITY_TOKEN_FILE', parts)
  const fields = { Action: 'AssumeRoleWithWebIdentity', RoleArn: arn, RoleSessionName: session, WebIdentityToken }
  return keysFrom(url, HEADERS, form(fields), parts, signal)
}

const form = (fields: Record<string, string>): string =>
  new URLSearchParams({ Version: '2011-06-15', DurationSeconds: LIFE, ...fields }).toString()

async function keysFrom(
  url: string,
  headers: Record<string, string>,
  body: string,
  parts: Asking,
  signal: AbortSignal,
): Promise<AwsKeys> {
  const answer = await askOutside(parts, { url, method: 'POST', headers, body }, signal)
  const keys = answer.status === 200 ? keysIn(answer.text) : null
  if (keys !== null) return keys
  throw refusedBySts(new URL(url).host, answer)
}

function refusedBySts(host: string, answer: OutsideAnswer | Unanswered): KeyringError {
  if (answer.status === null) {
    const { what, remedy, facts } = answer
    return new KeyringError('ERR_AWS_UNAVAILABLE', `AWS STS at ${host} ${what}.`, {
      facts: { host, ...facts },
      ...(remedy !== undefined && { remedy }),
    })
  }
  const { status, text, retryAfter } = answer
  const { outage } = rowOf({ step: 'STS', status, texts: /<\w*Response\b/.test(text) ? [text] : null })
  const facts = { host, providerStatus: status, ...(retryAfter !== null && { retryAfterSeconds: retryAfter }) }
  if (outage !== null) return new KeyringError(outage.code, `AWS STS at ${host} ${outage.what}.`, { facts })
  return new KeyringError('ERR_AWS_ROLE_REFUSED', `AWS STS at ${host} does not let us take the role.`, { facts })
}

/** Only three fields of the XML are looked at, with the letters that they can have: no entities, nothing nested. */
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
