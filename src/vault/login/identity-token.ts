/** The JWT that a platform gives to what runs on it. Fetched anew for each login. */
import { parseJson } from '../../core/body.ts'
import { KeyringError } from '../../core/errors.ts'
import type { IdentityEndpoint } from '../../core/login-settings.ts'
import { hasJwtForm } from './credential.ts'
import type { LoginParts } from './method.ts'
import { ask } from './outside.ts'

export async function identityToken(
  { url, header, field }: IdentityEndpoint,
  parts: LoginParts,
  signal: AbortSignal,
): Promise<string> {
  const answer = await ask(parts, { url, headers: { [header.name]: header.value.reveal() } }, signal)
  if (answer === null) throw unavailable('does not answer')
  const jwt = (field === null ? answer.text : textIn(answer.text, field)).trim()
  if (answer.status !== 200 || !hasJwtForm(jwt)) throw unavailable('gives no JWT', { status: answer.status })
  return jwt
}

function textIn(json: string, field: string): string {
  const parsed = parseJson(json)
  const value: unknown = typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, field) : null
  return typeof value === 'string' ? value : ''
}

const unavailable = (what: string, facts = {}): KeyringError =>
  new KeyringError('ERR_IDENTITY_TOKEN_UNAVAILABLE', `The identity service of the platform ${what}.`, { facts })
