/** The keys of a role, from STS: it is taken with keys that we have, or with a token of the cluster. */
import type { Facts } from '../../core/errors.ts'
import { KeyringError } from '../../core/errors.ts'
import type { AwsCredentialSource, AwsIamSettings } from '../../core/login-settings.ts'
import type { AwsKeys } from './aws-signature.ts'
import { FORM, signedHeaders } from './aws-signature.ts'
import { readCredential } from './credential.ts'
import type { LoginParts } from './method.ts'
import { askOutside } from './outside.ts'

/** The keys live for so many seconds: the least that STS grants, and the signature lasts as long. */
const LIFE = '900'

type Sts = Pick<AwsIamSettings, 'region' | 'stsEndpoint'>
const HEADERS = { 'content-type': FORM }

/** The role is taken with our own keys, for the login alone. */
export async function assumeRole(
  own: AwsKeys,
  { region, stsEndpoint: url }: Sts,
  { arn, session }: NonNullable<AwsIamSettings['assume']>,
  parts: LoginParts,
  signal: AbortSignal,
): Promise<AwsKeys> {
  const body = form({ Action: 'AssumeRole', RoleArn: arn, RoleSessionName: session })
  const headers = await signedHeaders(own, { region, url, body, headers: HEADERS, now: parts.clock.now() })
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
  parts: LoginParts,
  signal: AbortSignal,
): Promise<AwsKeys> {
  const answer = await askOutside(parts, { url, method: 'POST', headers, body }, signal)
  const facts = { host: new URL(url).host }
  const unavailable = (what: string, more: { facts: Facts; remedy?: string }) =>
    new KeyringError('ERR_AWS_UNAVAILABLE', `AWS STS at ${facts.host} ${what}.`, more)
  if (answer.status === null) {
    const { what, remedy, facts: why } = answer
    throw unavailable(what, { facts: { ...facts, ...why }, ...(remedy !== undefined && { remedy }) })
  }
  if (answer.status === 429 || answer.status >= 500) throw unavailable('cannot answer now', { facts })
  const keys = answer.status === 200 ? keysIn(answer.text) : null
  if (keys !== null) return keys
  throw new KeyringError('ERR_AWS_ROLE_REFUSED', `AWS STS at ${facts.host} does not let us take the role.`, {
    facts: { ...facts, providerStatus: answer.status },
  })
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
