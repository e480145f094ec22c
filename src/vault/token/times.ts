/** What of a stored state was written by a clock that was ahead: it counts as past and over, so that it keeps nobody from a login. */
import { LEASE_MS } from '../../core/lease.ts'
import { isBeyond } from '../../core/time.ts'
import { MOST_DENIED_MS, MOST_WAIT_MS } from './backoff.ts'
import type { SharedToken, TokenState } from './state.ts'

/** The same object when nothing is wrong with it. */
export function withTrueTimes(state: TokenState, now: number): TokenState {
  let { token, lease, failing, denied } = state
  if (isBeyond(lease, LEASE_MS, now)) lease = 0
  if (failing !== null && isBeyond(failing.nextTry, MOST_WAIT_MS, now)) failing = { ...failing, nextTry: 0 }
  if (denied !== null && isBeyond(denied.until, MOST_DENIED_MS, now)) denied = { ...denied, until: 0 }
  if (token !== null && isTooLong(token, now)) token = { ...token, expires: 0, due: 0 }
  const isTrue = lease === state.lease && failing === state.failing && denied === state.denied && token === state.token
  return isTrue ? state : { ...state, token, lease, failing, denied }
}

const isTooLong = ({ expires, due, ttlMs }: SharedToken, now: number): boolean =>
  isBeyond(Math.max(expires ?? 0, due ?? 0), ttlMs, now)
