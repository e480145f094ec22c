/** The JWT that a platform gives to what runs on it, from the endpoint where it does. Workers and Lambda have none: `identity-token.serverless.ts`. */
import { parseJson } from '../../core/body.ts'
import type { Facts } from '../../core/errors.ts'
import { KeyringError } from '../../core/errors.ts'
import type { IdentityEndpoint } from '../../core/login-settings.ts'
import { hasJwtForm } from './credential.ts'
import { STEP_MS, ageOf } from '../../core/time.ts'
import type { LoginParts } from './method.ts'
import { askOutside } from './outside.ts'

/** A JWT is held for so many milliseconds; the shortest one, GitHub's, lives for 5 minutes. */
const HELD_MS = 60_000

/** Every look at the shared token asks who we are, and a login that follows does not ask again. */
export function identityTokens(
  endpoint: IdentityEndpoint,
  parts: LoginParts,
): (signal: AbortSignal) => Promise<string> {
  let held = { jwt: '', since: Number.NEGATIVE_INFINITY }
  return async (signal) => {
    const now = parts.clock.now()
    if (ageOf(held.since, now, STEP_MS) >= HELD_MS) held = { jwt: await fetched(endpoint, parts, signal), since: now }
    return held.jwt
  }
}

async function fetched(
  { url, header, field }: IdentityEndpoint,
  parts: LoginParts,
  signal: AbortSignal,
): Promise<string> {
  const answer = await askOutside(parts, { url, headers: { [header.name]: header.value.reveal() } }, signal)
  if (answer.status === null) throw unavailable(answer.what, answer.facts)
  const jwt = (field === null ? answer.text : textIn(answer.text, field)).trim()
  if (answer.status !== 200 || !hasJwtForm(jwt)) throw unavailable('gives no JWT', { providerStatus: answer.status })
  return jwt
}

function textIn(json: string, field: string): string {
  const parsed = parseJson(json)
  const value: unknown = typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, field) : null
  return typeof value === 'string' ? value : ''
}

const unavailable = (what: string, facts: Facts = {}): KeyringError =>
  new KeyringError('ERR_IDENTITY_TOKEN_UNAVAILABLE', `The identity service of the platform ${what}.`, { facts })
