/** Decides how long a failure keeps everybody from the next login; all of it is pure, on the stored state. Times are milliseconds. */
import type { ErrorData, KeyringErrorCode } from '../../core/errors.ts'
import type { Refusal, TokenState } from './state.ts'

/** These pass by themselves and are tried again soon. Anything else waits for an operator, because Vault locks out after five failures. */
const OUTAGES: ReadonlySet<KeyringErrorCode> = new Set([
  'ERR_VAULT_UNREACHABLE',
  'ERR_VAULT_TIMEOUT',
  'ERR_VAULT_TLS_UNTRUSTED',
  'ERR_VAULT_TLS_HOST_MISMATCH',
  'ERR_VAULT_TLS_EXPIRED',
  'ERR_VAULT_TLS_CLIENT_CERT',
  'ERR_VAULT_TLS_TO_PLAINTEXT',
  'ERR_VAULT_TLS_FAILED',
  'ERR_VAULT_REDIRECTED',
  'ERR_VAULT_SEALED',
  'ERR_VAULT_NOT_INITIALIZED',
  'ERR_VAULT_STANDBY',
  'ERR_VAULT_UNAVAILABLE',
  'ERR_VAULT_RATE_LIMITED',
  'ERR_VAULT_LOGIN_FAILED',
  'ERR_STORE_UNAVAILABLE',
  'ERR_LEASE_HELD',
  'ERR_OAUTH2_UNAVAILABLE',
  'ERR_IDENTITY_TOKEN_UNAVAILABLE',
  'ERR_AWS_UNAVAILABLE',
  'ERR_AWS_CREDENTIALS_UNAVAILABLE',
])
const isOutage = (code: KeyringErrorCode): boolean => OUTAGES.has(code)

const SECOND = 1000
const MINUTE = 60_000
const OUTAGE_WAIT = { first: SECOND, most: 5 * MINUTE }
const CIRCUIT_WAIT = { first: 5 * MINUTE, most: 60 * MINUTE }
const DENIED_WAIT = { first: MINUTE, most: 10 * MINUTE }

/** No failure, and no refusal, waits for longer. */
export const MOST_WAIT_MS = CIRCUIT_WAIT.most * 1.25
export const MOST_DENIED_MS = DENIED_WAIT.most

const doubled = ({ first, most }: { first: number; most: number }, count: number): number =>
  Math.min(most, first * 2 ** (count - 1))

/**
 * A failure waits for so long at least: 1 s doubling to 5 min in an outage; after a refusal 5 min doubling to 1 h, that is
 * four logins in the first hour and one in each that follows.
 */
export const leastWait = (code: KeyringErrorCode, count: number): number =>
  doubled(isOutage(code) ? OUTAGE_WAIT : CIRCUIT_WAIT, count)

/** The next try is up to a quarter later than it must be, so that not all come at once, and never before what Retry-After says. */
export function afterFailure(state: TokenState, error: ErrorData, now: number, random: number): TokenState {
  const last = state.failing
  const count = last !== null && isOutage(last.error.code) === isOutage(error.code) ? last.count + 1 : 1
  const asked = Math.min(Number(error.facts['retryAfterSeconds'] ?? 0) * SECOND, CIRCUIT_WAIT.most)
  const wait = Math.max(asked, leastWait(error.code, count) * (1 + random / 4))
  return { ...state, lease: 0, failing: { error, count, nextTry: now + wait } }
}

/** A refusal counts once for each generation. It waits 1 min, doubling to 10 min, and begins anew when the last wait is over for as long. */
export function denied(state: TokenState, { generation, by }: Refusal, now: number): TokenState {
  const last = state.denied
  const isOld = state.token !== null && state.generation > generation
  if (isOld || last?.generation === generation) return state
  const count = last !== null && now < last.until + DENIED_WAIT.most ? last.count + 1 : 1
  return { ...state, denied: { generation, by, count, until: now + doubled(DENIED_WAIT, count) } }
}
