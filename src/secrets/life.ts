/** What is known of one secret, and what follows from it at a given time: pure decisions, all times in milliseconds since 1970. */
import type { ErrorData } from '../core/errors.ts'
import type { SecretName } from '../core/vault-operations.ts'
import type { SecretRules } from '../core/secrets.ts'
import { CLOCK_SLACK_MS } from '../core/time.ts'

type Found = { readonly kind: 'secret'; readonly text: string } | { readonly kind: 'absent' | 'forbidden' }

/** Why there is no answer, and since when. */
export interface Failing {
  readonly since: number
  readonly error: ErrorData
}

export interface SecretState extends SecretName {
  /** What the vault said last; `null` = it has not answered yet. */
  readonly found: Found | null
  /** When it was asked for that. */
  readonly at: number
  /** Why it has not answered since. */
  readonly failing: (Failing & { readonly tries: number }) | null
  /** Nobody else asks the vault until then. */
  readonly lease: number
  /** When it is asked again, by the schedule; after a failure by nobody before. Infinity = never. */
  readonly due: number
  /** When somebody wanted it, to the day. */
  readonly asked: number
}

/** 'fresh' = it holds. 'stale' = it would not, and serves while the vault cannot be asked. 'over' = it does not serve. */
type Standing = 'fresh' | 'stale' | 'over'

const FIRST_RETRY_MS = 1000
const LAST_RETRY_MS = 60_000
/** A secret that nobody wanted for so long is forgotten. */
export const FORGOTTEN_MS = 7 * 24 * 60 * 60 * 1000
/** So often it is noted that somebody wants it. */
export const NOTED_MS = 24 * 60 * 60 * 1000

export const nothingKnown = (name: SecretName, now: number): SecretState => ({
  resource: name.resource,
  version: name.version,
  found: null,
  at: 0,
  failing: null,
  lease: 0,
  due: 0,
  asked: now,
})

/** A time of a clock that was ahead by more than clocks may differ makes nothing last longer. */
export function standing(state: SecretState, rules: SecretRules, now: number): Standing {
  if (state.found === null || state.at > now + CLOCK_SLACK_MS) return 'over'
  if (now < endOf(state, rules, 'fresh')) return 'fresh'
  return state.found.kind === 'secret' && now < endOf(state, rules, 'stale') ? 'stale' : 'over'
}

/** When it stops standing as it does. */
export function endOf({ found, at }: Pick<SecretState, 'found' | 'at'>, rules: SecretRules, stands: Standing): number {
  if (found?.kind !== 'secret') return at + rules.negTtlMs
  if (rules.ttlMs === 0) return Number.POSITIVE_INFINITY
  return at + rules.ttlMs + (stands === 'stale' ? rules.resurrectMs : 0)
}

/** After a failure the vault has a pause; everybody hears what failed until then. */
export const isPaused = ({ failing, due }: SecretState, now: number): boolean =>
  failing !== null && now < due && due <= now + LAST_RETRY_MS

export const isBeingAsked = ({ lease }: SecretState, now: number, most: number): boolean =>
  now < lease && lease <= now + most

/** @param random in [0, 1): the schedule asks after 80 to 100 % of the time that a secret holds, so that no two go together. */
export function withAnswer(
  state: SecretState,
  found: Found,
  rules: SecretRules,
  now: number,
  random: number,
): SecretState {
  const isKept = found.kind === 'secret' && rules.ttlMs > 0
  const due = isKept ? now + rules.ttlMs * (0.8 + 0.2 * random) : Number.POSITIVE_INFINITY
  return { ...state, found, at: now, failing: null, lease: 0, due }
}

export function withFailure(state: SecretState, error: ErrorData, now: number): SecretState {
  const { since = now, tries = 0 } = state.failing ?? {}
  const pause = Math.min(FIRST_RETRY_MS * 2 ** tries, LAST_RETRY_MS)
  return { ...state, failing: { since, tries: tries + 1, error }, lease: 0, due: now + pause }
}

/** When the store may forget it: nobody wants it, or it is of no use to anybody. @param isPushed what was older must not come back. */
export function expiryOf({ found, asked }: SecretState, rules: SecretRules, now: number, isPushed = false): number {
  const unwanted = asked + FORGOTTEN_MS
  if (found?.kind === 'secret' || isPushed) return unwanted
  return Math.min(unwanted, now + Math.max(rules.negTtlMs, LAST_RETRY_MS))
}
