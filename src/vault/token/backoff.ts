/** Decides how long a failure keeps everybody from the next login; all of it is pure, on the stored state. Times are milliseconds. */
import type { ErrorData, KeyringErrorCode } from '../../core/errors.ts'
import { isOutage } from '../wire/outages.ts'
import type { Asking, Refusal, TokenState } from './state.ts'

const SECOND = 1000
const MINUTE = 60_000
const OUTAGE_WAIT = { first: SECOND, most: 5 * MINUTE }
const CIRCUIT_WAIT = { first: 5 * MINUTE, most: 60 * MINUTE }
/** Where Vault locks nobody out, a cause that was mended there is found sooner. */
const FREE_CIRCUIT_WAIT = { first: 5 * MINUTE, most: 5 * MINUTE }
const DENIED_WAIT = { first: MINUTE, most: 10 * MINUTE }

/** No failure, and no refusal, waits for longer. */
export const MOST_WAIT_MS = CIRCUIT_WAIT.most * 1.25
export const MOST_DENIED_MS = DENIED_WAIT.most

const doubled = ({ first, most }: { first: number; most: number }, count: number): number =>
  Math.min(most, first * 2 ** (count - 1))

/** Vault locks these out after five failures. */
const LOCKING: ReadonlySet<string> = new Set(['approle', 'userpass', 'ldap'])
export const locksOut = (method: string): boolean => LOCKING.has(method)

/**
 * A failure waits for so long at least: 1 s doubling to 5 min in an outage; after a refusal 5 min, and where Vault locks out doubling to
 * 1 h, that is four logins in the first hour and one in each that follows.
 */
export const leastWait = (code: KeyringErrorCode, count: number, locksOut: boolean): number =>
  doubled(isOutage(code) ? OUTAGE_WAIT : locksOut ? CIRCUIT_WAIT : FREE_CIRCUIT_WAIT, count)

/** A login or renewal that failed. */
export interface Tried extends Omit<Asking, 'insist'> {
  readonly error: ErrorData
}

/** The next try is up to a quarter later than it must be, so that not all come at once, and never before what Retry-After says. */
export function afterFailure(
  state: TokenState,
  { error, request, locksOut }: Tried,
  now: number,
  random: number,
): TokenState {
  const last = state.failing
  const same = last !== null && isOutage(last.error.code) === isOutage(error.code) ? last : null
  const count = (same?.count ?? 0) + 1
  const asked = Math.min(Number(error.facts['retryAfterSeconds'] ?? 0) * SECOND, CIRCUIT_WAIT.most)
  const wait = Math.max(asked, leastWait(error.code, count, locksOut) * (1 + random / 4))
  const earlier = same !== null && same.nextTry > now ? same.requests.filter((each) => each !== request) : []
  const requests = [...earlier, request].slice(-MOST_REMEMBERED)
  const soonest = now + Math.max(asked, OUTAGE_WAIT.first)
  return { ...state, lease: 0, failing: { error, count, nextTry: now + wait, soonest, requests } }
}

/** However many were tried, because somebody insisted. */
const MOST_REMEMBERED = 16

/** A refusal counts once for each generation. It waits 1 min, doubling to 10 min, and begins anew when the last wait is over for as long. */
export function denied(state: TokenState, { generation, by }: Refusal, now: number): TokenState {
  const last = state.denied
  const isOld = state.token !== null && state.generation > generation
  if (isOld || last?.generation === generation) return state
  const count = last !== null && now < last.until + DENIED_WAIT.most ? last.count + 1 : 1
  return { ...state, denied: { generation, by, count, until: now + doubled(DENIED_WAIT, count) } }
}
