/**
 * The token that a deployment shares: it is read from the store, and renewed or replaced by one instance at a time.
 *
 * A token's generation and its two leases, as a story. All instances with one identity share one sealed item, the state
 * (`state.ts`). Each login raises its generation; a renewal does not, because the token stays the same. So an instance that
 * meets a 403 can name the token that met it: when the item has a later generation, somebody else has logged in already, and
 * there is nothing to do but use that token.
 *
 * The first lease is Vault's: how long the token lives. From two thirds of it on the token is due, and stays in use while it is
 * renewed or replaced; an outage of Vault or of the store ends it no earlier.
 * The second lease is ours, a field of the same item: for 30 s one instance alone may work at Vault (`work.ts`), for 20 s at
 * most. It is taken by compare-and-set, and what came of the work is written against the version that this gave. So whoever has
 * lost the lease meanwhile cannot write: it revokes what it fetched and looks again. That is why this lease is no item of its
 * own, as `core/lease.ts` has them for syncs, which may well run twice: a login that is made twice leaves a token behind.
 *
 * The others use the token as long as it lives or, without one, look again after a pause (`life.ts`). A failure is written into
 * the item too: it gives the lease back, and nobody tries again before its time (`backoff.ts`). A holder that dies is waited for
 * until its lease is over.
 */
import { withDeadline } from '../../core/deadline.ts'
import type { ErrorData, KeyringError, KeyringErrorCode } from '../../core/errors.ts'
import { errorFrom, settle, unwrap } from '../../core/errors.ts'
import { LEASED_WORK_MS } from '../../core/lease.ts'
import type { Insistence } from '../../core/ports.ts'
import type { Secret } from '../../core/secret.ts'
import type { Doubt } from '../../core/time.ts'
import type { TokenItems } from './sealed-items.ts'
import { afterFailure, denied, locksOut } from './backoff.ts'
import { decodeState, encodeState } from './record.ts'
import type { Refusal, SharedToken, TokenState, Work } from './state.ts'
import { NO_TOKEN, isLeased, leased, nextStep, released } from './state.ts'
import { withTrueTimes } from './times.ts'
import type { Done, WorkParts } from './work.ts'
import { workAtVault } from './work.ts'

export interface TokenParts extends WorkParts {
  /** All that shapes the request of a login now, as a text for a fingerprint. */
  readonly shape: () => Promise<string>
  readonly items: TokenItems
  readonly address: string
  /** The namespace of logins; '' = none. */
  readonly namespace: string
  readonly doubt: Doubt
}

/** A token as one instance holds it. */
export interface HeldToken {
  readonly secret: Secret
  readonly generation: number
  /** It is used without a look at the store until then. */
  readonly until: number
  readonly expires: number
  /** How often this instance may use it. */
  readonly uses: number
}

/** 'wait' = somebody else is at it; 'again' = the state has changed; 'denied' = a new login does not help. */
export type StepOutcome = HeldToken | 'wait' | 'again' | 'denied'

interface Loaded {
  readonly name: string
  readonly state: TokenState
  readonly version: number
  /** The fingerprint of the request that a login would send. */
  readonly request: string
}

/** Takes one look, and does the work if there is some and nobody is at it. @throws the failure of the last try, until the next one. */
export function stepOn(parts: TokenParts, refusal: Refusal | null, insist: Insistence): Promise<StepOutcome> {
  return withDeadline(LEASED_WORK_MS, async (signal) => {
    const loaded = await load(parts, signal)
    const { state, request } = loaded
    const now = parts.clock.now()
    const step = nextStep(state, now, refusal, { insist, request, locksOut: locksOut(parts.method.method) })
    if (step.kind === 'use') return held(state.generation, step.token, step.until, Infinity)
    if (step.kind === 'failed') throw untilNextTry(step.error, step.nextTry - now)
    if (step.kind === 'wait' || step.kind === 'denied') return step.kind
    return workUnderLease(parts, loaded, step, refusal, signal)
  })
}

/** Notes that the token of that generation was new, and was refused as well: best effort, and never while somebody has the lease. */
export async function giveUp(parts: TokenParts, refusal: Refusal): Promise<void> {
  await settle(() =>
    withDeadline(LEASED_WORK_MS, async (signal) => {
      const { name, state, version } = await load(parts, signal)
      const now = parts.clock.now()
      const next = denied(state, refusal, now)
      if (next !== state && !isLeased(state.lease, now)) await write(parts, name, next, version)
    }),
  )
}

/** An item that was altered, or sealed under a wrapping key that is gone, counts as nothing, because a token can be had again. */
const UNREADABLE: ReadonlySet<KeyringErrorCode> = new Set([
  'ERR_RECORD_INVALID',
  'ERR_WRAPPING_KEY_MISSING',
  'ERR_WRAPPING_KEY_WRONG',
])

/**
 * The item has a name under each wrapping key. The later generation counts, and is carried over to the name under the first: another
 * order of the keys ends no login, also while instances of both orders run.
 */
async function load(parts: TokenParts, signal: AbortSignal): Promise<Loaded> {
  const { method, shape, items, address, namespace } = parts
  const credential = await method.credential(signal)
  const identity = [address, namespace, method.method, method.mount, method.role, credential]
  const fingerprints = await items.fingerprints(JSON.stringify(identity))
  const [request = ''] = await items.fingerprints(`request ${await shape()}`)
  const [own, ...others] = await Promise.all(
    fingerprints.map(async (fingerprint) => ({ request, ...(await loadNamed(parts, `token/${fingerprint}`)) })),
  )
  if (own === undefined) throw new TypeError('There is a fingerprint under each wrapping key.')
  const latest = others.reduce((held, other) => (ageOf(other) > ageOf(held) ? other : held), own)
  if (latest === own) return own
  const written = await write(parts, own.name, latest.state, own.version)
  return { ...own, state: latest.state, version: written === 'conflict' ? own.version : written }
}

const ageOf = ({ version, state }: Loaded): number => (version === 0 ? -1 : state.generation)

async function loadNamed(parts: TokenParts, name: string): Promise<Omit<Loaded, 'request'>> {
  const { items } = parts
  const stored = await settle(() => items.read(name))
  if (stored.ok) return { name, state: believed(stored.value?.value, parts), version: stored.value?.version ?? 0 }
  if (!UNREADABLE.has(stored.error.code)) unwrap(stored)
  return { name, state: NO_TOKEN, version: await items.version(name) }
}

function believed(value: unknown, { clock, doubt }: TokenParts): TokenState {
  const state = decodeState(value)
  const believed = withTrueTimes(state, clock.now())
  if (believed !== state) doubt('token')
  return believed
}

async function workUnderLease(
  parts: TokenParts,
  { name, state, version, request }: Loaded,
  work: Work,
  refusal: Refusal | null,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const { clock, random } = parts
  const taken = await write(parts, name, leased(state, clock.now()), version)
  if (taken === 'conflict') return 'again'
  const result = await settle(() => workAtVault(parts, state, work, refusal?.generation ?? 0, signal)).catch(
    async (defect: unknown) => {
      await write(parts, name, released(state), taken)
      throw defect
    },
  )
  if (result.ok) return publish(parts, name, taken, result.value, replacedBy(result.value, state, refusal), signal)
  const tried = { error: result.error, request, locksOut: locksOut(parts.method.method) }
  await write(parts, name, afterFailure(state, tried, clock.now(), random()), taken)
  return 'again'
}

/** Whoever comes too late undoes what it did. */
async function publish(
  parts: TokenParts,
  name: string,
  version: number,
  { state, token, uses, isNew }: Done,
  replaced: Secret | null,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const written = await settle(() => write(parts, name, state, version))
  const isWritten = written.ok && written.value !== 'conflict'
  const left = isWritten ? replaced : isNew ? token.secret : null
  if (left !== null) await parts.vault.revoke(left, signal)
  const until = Math.max(token.due ?? Infinity, parts.clock.now() + LEAST_HOLD_MS)
  if (isWritten) return held(state.generation, token, until, uses)
  unwrap(written)
  return 'again'
}

/** However short a token's life is, whoever got it uses it once. */
const LEAST_HOLD_MS = 1000

/** A batch token cannot be revoked, and a dead one need not be. */
function replacedBy({ isNew }: Done, { generation, token }: TokenState, refusal: Refusal | null): Secret | null {
  const isDead = refusal?.by === 'token' && refusal.generation >= generation
  return isNew && !isDead && token?.type === 'service' ? token.secret : null
}

const write = ({ items }: TokenParts, name: string, state: TokenState, version: number): Promise<number | 'conflict'> =>
  items.write(name, encodeState(state), version)

const held = (generation: number, { secret, expires }: SharedToken, until: number, uses: number): HeldToken => ({
  secret,
  generation,
  until,
  expires: expires ?? Infinity,
  uses,
})

const untilNextTry = (error: ErrorData, ms: number): KeyringError =>
  errorFrom({ ...error, facts: { ...error.facts, retryAfterSeconds: Math.ceil(ms / 1000) } })
