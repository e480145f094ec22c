/** The stored state of a token that the whole deployment shares, and the pure decisions that follow from it. Times are milliseconds since 1970. */
import type { ErrorData } from '../../core/errors.ts'
import { LEASE_MS } from '../../core/lease.ts'
import type { Insistence } from '../../core/ports.ts'
import type { Secret } from '../../core/secret.ts'
import type { IssuedToken } from '../login/method.ts'
import { isOutage } from '../wire/outages.ts'

export interface SharedToken {
  readonly secret: Secret
  /** The longest life granted since the login; a shorter one at a renewal says that the token nears its maximum. 0 = it does not end. */
  readonly ttlMs: number
  /** `null` = never. */
  readonly expires: number | null
  /** When it is renewed or replaced; `null` = never. */
  readonly due: number | null
  readonly renewable: boolean
  readonly type: 'service' | 'batch'
}

export interface TokenState {
  /** Every login raises it. 0 = there was none. */
  readonly generation: number
  readonly token: SharedToken | null
  /** Until then somebody is logging in or renewing. 0 = nobody. */
  readonly lease: number
  /** The failure of the last login or renewal, if that was one. */
  readonly failing: {
    readonly error: ErrorData
    readonly count: number
    readonly nextTry: number
    /** Whoever insists does not try before. */
    readonly soonest: number
    /** Fingerprints of the requests that were refused until the next try. */
    readonly requests: readonly string[]
  } | null
  /** A new login, of that generation, did not help against a 403: until then there is none for that reason. */
  readonly denied: {
    readonly generation: number
    readonly by: DeniedBy
    readonly count: number
    readonly until: number
  } | null
}

type Failing = NonNullable<TokenState['failing']>
type DeniedBy = 'token' | 'policy'
/** A 403, and the generation of the token that met it. */
export interface Refusal {
  readonly generation: number
  readonly by: DeniedBy
}

/** Who looks at the state, and what they would do. */
export interface Asking {
  readonly insist: Insistence
  /** The fingerprint of all that shapes the request of a login now. */
  readonly request: string
  /** Vault locks out whoever fails too often. */
  readonly locksOut: boolean
}

/** The work that is done under the lease. */
export type Work = { readonly kind: 'renew'; readonly token: SharedToken } | { readonly kind: 'login' }

export type Step =
  /** `until` = when to look again. */
  | { readonly kind: 'use'; readonly token: SharedToken; readonly until: number }
  | Work
  | { readonly kind: 'wait' }
  | { readonly kind: 'denied' }
  | { readonly kind: 'failed'; readonly error: ErrorData; readonly nextTry: number }

export const NO_TOKEN: TokenState = { generation: 0, token: null, lease: 0, failing: null, denied: null }

/** A token in use is given up only when it, or one of a later generation, was refused: an outage ends none. */
export function nextStep(state: TokenState, now: number, refusal: Refusal | null, asking: Asking): Step {
  const token = state.generation > (refusal?.generation ?? 0) ? liveToken(state, now) : null
  if (token !== null) return stepWith(token, state, now)
  if (refusal !== null && asking.insist !== 'refusal' && isDenied(state, refusal, now)) return { kind: 'denied' }
  if (isLeased(state.lease, now)) return { kind: 'wait' }
  const { failing } = state
  return failing !== null && keepsOff(failing, now, asking)
    ? { kind: 'failed', error: failing.error, nextTry: failing.nextTry }
    : { kind: 'login' }
}

/** A token that is due stays in use while somebody is at it, and until the next try after a failure. */
function stepWith(token: SharedToken, state: TokenState, now: number): Step {
  const ends = token.expires ?? Infinity
  const due = token.due ?? ends
  if (due > now) return { kind: 'use', token, until: due }
  const pause = isLeased(state.lease, now) ? state.lease : (state.failing?.nextTry ?? 0)
  if (pause > now) return { kind: 'use', token, until: Math.min(ends, pause) }
  return token.renewable ? { kind: 'renew', token } : { kind: 'login' }
}

/** So many other requests are tried at once after a refusal: an operator corrects a setting, or each instance has a JWT of its own. */
const mostRequests = ({ locksOut }: Asking): number => (locksOut ? 2 : 8)

/** A refusal keeps off what was refused, and an outage everybody; both only until the next try, or until somebody insists. */
function keepsOff({ error, nextTry, soonest, requests }: Failing, now: number, asking: Asking): boolean {
  const isPassing = isOutage(error.code)
  const isAnother = !isPassing && !requests.includes(asking.request) && requests.length < mostRequests(asking)
  const insists = asking.insist === 'refusal' || (asking.insist === 'outage' && isPassing)
  return nextTry > now && !isAnother && !(insists && soonest <= now)
}

/** A lease that lasts longer than two was written by a wrong clock. */
export const isLeased = (lease: number, now: number): boolean => lease > now && lease <= now + 2 * LEASE_MS

const liveToken = ({ token }: TokenState, now: number): SharedToken | null =>
  token !== null && (token.expires === null || token.expires > now) ? token : null

/** A policy's refusal keeps logins off, but not for a token that has died; a new token that looked dead keeps them off for both. */
const isDenied = ({ denied }: TokenState, { by }: Refusal, now: number): boolean =>
  denied !== null && denied.until > now && (denied.by === 'token' || by === 'policy')

export const leased = (state: TokenState, now: number): TokenState => ({ ...state, lease: now + LEASE_MS })
export const released = (state: TokenState): TokenState => ({ ...state, lease: 0 })

/** The state after a success: the lease is given back, and no failure is left. */
export const holding = (state: TokenState, generation: number, token: SharedToken | null): TokenState => ({
  ...state,
  generation,
  token,
  lease: 0,
  failing: null,
})

/**
 * A token is renewed or replaced when two thirds of its life are over, or up to a tenth later, so that not all come at once.
 * @param at a time before the request was sent.
 */
export function sharedToken({ token: secret, ...issued }: IssuedToken, at: number, random: number): SharedToken {
  const { type, ttlSeconds } = issued
  const ttlMs = ttlSeconds * 1000
  const renewable = issued.renewable && type === 'service' && issued.uses === 0
  const ends = ttlMs > 0
  return {
    secret,
    ttlMs,
    expires: ends ? at + ttlMs : null,
    due: ends ? at + ttlMs * (2 / 3 + random / 10) : null,
    renewable,
    type,
  }
}

/** A renewal that grants clearly less than the login did is the last one. */
const SHRUNK = 0.95

export function renewed(held: SharedToken, issued: IssuedToken, at: number, random: number): SharedToken {
  const next = sharedToken({ ...issued, token: held.secret, type: held.type }, at, random)
  const shrunk = next.ttlMs > 0 && next.ttlMs < held.ttlMs * SHRUNK
  return { ...next, ttlMs: Math.max(held.ttlMs, next.ttlMs), renewable: next.renewable && !shrunk }
}
