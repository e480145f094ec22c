/** The small record beside the keyring: what happened at the last attempts to sync, and what the replica holds. */
import { parseJson } from '../core/body.ts'
import { settle } from '../core/errors.ts'
import type { Result } from '../core/errors.ts'
import { MOST_TIME } from '../core/limits.ts'
import type {
  Clock,
  LoginItemsUnder,
  RecordStore,
  RotationReport,
  RotationStatus,
  StoredRecord,
  SyncNote,
  SyncReport,
  SyncStatus,
} from '../core/ports.ts'
import type { Doubt } from '../core/time.ts'
import { ageOf, isAhead } from '../core/time.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { parseSigned } from '../crypto/seal.ts'
import { replicaAgeMs } from './freshness.ts'

const FORMAT = 'eks1'

/** Its name in a store. */
export const statusName = (keyring: string): string => `status/${keyring}`
const NEVER: StoredStatus = {
  lastAttempt: null,
  lastSuccess: null,
  failures: 0,
  remaining: 0,
  stalled: null,
  failing: null,
  rotation: null,
  pushed: false,
  replicated: 0,
  items: null,
}
/** The first wait between two tries while syncs fail, in milliseconds; it doubles each time, up to the period. */
const RETRY_MS = 60_000

export interface StoredStatus extends SyncStatus {
  /** The revision that was read back of the replica last; 0 = none. */
  readonly replicated: number
  /** What is stored of the Vault login, as it was last looked at. `null` = never. */
  readonly items: LoginItemsUnder | null
}

/** `periodMs` null = nothing is scheduled. */
export function nextTry(status: SyncStatus, periodMs: number | null, now: number): number | null {
  const { lastAttempt, failures, remaining } = status
  if (periodMs === null) return null
  if (lastAttempt === null || (failures === 0 && remaining > 0)) return now
  return lastAttempt + (failures === 0 ? periodMs : Math.min(periodMs, RETRY_MS * 2 ** (failures - 1)))
}

/** Whoever pushes has missed two times. Before the first one something else is needed. */
export const isSilent = ({ lastSuccess }: SyncStatus, periodMs: number | null, now: number): boolean =>
  periodMs !== null && lastSuccess !== null && ageOf(lastSuccess, now) > replicaAgeMs(periodMs)

type Outcome = Result<Pick<SyncReport, 'remaining' | 'notes'>>

interface LogParts {
  readonly store: RecordStore
  readonly clock: Clock
  readonly doubt: Doubt
}

export class StatusLog {
  readonly #parts: LogParts
  readonly #sealers: SealerSet
  readonly #name: string

  constructor(parts: LogParts, sealers: SealerSet, keyring: string) {
    this.#parts = parts
    this.#sealers = sealers
    this.#name = statusName(keyring)
  }

  /** A status that cannot be read, for whatever reason, counts as never written: it decides over nothing that a wait would not heal. */
  async read(): Promise<StoredStatus> {
    const { store, clock, doubt } = this.#parts
    const stored = await store.get(this.#name)
    if (stored === null) return NEVER
    const status = await this.#verified(stored)
    if (status === NEVER) doubt('unread')
    const believed = withTrueTimes(status, clock.now())
    if (believed !== status) doubt('status')
    return believed
  }

  async #verified({ bytes }: StoredRecord): Promise<StoredStatus> {
    const parsed = await settle(() => parseSigned(bytes))
    if (!parsed.ok || parsed.value.format !== FORMAT) return NEVER
    const signed = parsed.value
    const text = await settle(() => this.#sealers.byId(signed.wrappingKeyId).verify(signed))
    return (text.ok && text.value !== null && parseStatus(text.value)) || NEVER
  }

  /** @param nextRotation when one is due by itself. Absent = the source was not seen. */
  note(outcome: Outcome, nextRotation?: number | null, pushed = false): Promise<void> {
    return this.#write((status) => ({
      ...advance(status, outcome, this.#parts.clock.now()),
      rotation: scheduled(status.rotation, nextRotation),
      pushed,
    }))
  }

  noteReplicated(revision: number): Promise<void> {
    return this.#write((status) => ({ ...status, replicated: revision }))
  }

  noteRotation(outcome: RotationOutcome): Promise<void> {
    return this.#write((status) => ({
      ...status,
      rotation: rotatedStatus(status.rotation, outcome, this.#parts.clock.now()),
    }))
  }

  async noteItems({ tokens, logins }: LoginItemsUnder): Promise<void> {
    const items = { tokens, logins }
    if (JSON.stringify((await this.read()).items) !== JSON.stringify(items))
      await this.#write((status) => ({ ...status, items }))
  }

  /** A conflict is left alone, because another writer's status is as good as this one. */
  async #write(next: (status: StoredStatus) => StoredStatus): Promise<void> {
    const { store } = this.#parts
    const stored = await store.get(this.#name)
    const text = JSON.stringify(next(await this.read()))
    await store.put(this.#name, await this.#sealers.first.sign(FORMAT, text), stored?.version ?? 0)
  }
}

/** `null` = a field has what no release writes there. A field that is missing was never written, and what is not known is kept. */
function parseStatus(text: string): StoredStatus | null {
  const fields = parseJson(text)
  if (!isObject(fields)) return null
  const status = { ...NEVER, ...fields }
  const { lastAttempt, lastSuccess, failures, remaining, replicated, failing, stalled, rotation, pushed } = status
  const isRight =
    [lastAttempt, lastSuccess].every((time) => time === null || isTime(time)) &&
    [failures, remaining, replicated].every(isTime) &&
    typeof pushed === 'boolean' &&
    (failing === null || isFailing(failing)) &&
    (stalled === null || isStalled(stalled)) &&
    (rotation === null || isRotation(rotation))
  return isRight ? status : null
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isTime = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MOST_TIME

const isFailing = (value: unknown): boolean =>
  isObject(value) &&
  isTime(value['since']) &&
  ['code', 'message', 'remedy'].every((field) => typeof value[field] === 'string') &&
  isObject(value['facts'])

const isStalled = (value: unknown): boolean =>
  isObject(value) &&
  isTime(value['since']) &&
  isTime(value['version']) &&
  (value['code'] === 'active-unusable' || value['code'] === 'source-behind')

const isRotation = (value: unknown): boolean =>
  isObject(value) &&
  ['last', 'next', 'left'].every((field) => value[field] === null || isTime(value[field])) &&
  (value['failing'] === null || isFailing(value['failing']))

/** A sync that was tried in the future is due now, and what began then began now. */
function withTrueTimes(status: StoredStatus, now: number): StoredStatus {
  const { lastAttempt, lastSuccess, failing, stalled } = status
  const isFalse = (time: number | null | undefined) => isAhead(time ?? now, now)
  if (![lastAttempt, lastSuccess, failing?.since, stalled?.since].some(isFalse)) return status
  return {
    ...status,
    lastAttempt: isFalse(lastAttempt) ? null : lastAttempt,
    lastSuccess: isFalse(lastSuccess) ? null : lastSuccess,
    failing: failing && { ...failing, since: Math.min(failing.since, now) },
    stalled: stalled && { ...stalled, since: Math.min(stalled.since, now) },
  }
}

function advance(status: StoredStatus, outcome: Outcome, now: number): StoredStatus {
  if (outcome.ok)
    return {
      ...status,
      lastAttempt: now,
      lastSuccess: now,
      failures: 0,
      remaining: outcome.value.remaining,
      stalled: stalledBy(outcome.value.notes, status.stalled, now),
      failing: null,
    }
  const since = status.failing?.since ?? now
  return { ...status, lastAttempt: now, failures: status.failures + 1, failing: { since, ...outcome.error } }
}

type RotationOutcome = Result<Pick<RotationReport, 'rotated' | 'left'>>

const NEVER_ROTATED: RotationStatus = { last: null, next: null, left: null, failing: null }

const scheduled = (before: RotationStatus | null, next: number | null | undefined): RotationStatus | null =>
  next === undefined || (next === null && before === null) ? before : { ...(before ?? NEVER_ROTATED), next }

function rotatedStatus(before: RotationStatus | null, outcome: RotationOutcome, now: number): RotationStatus | null {
  const { last, next, left, failing } = before ?? NEVER_ROTATED
  if (!outcome.ok) return { last, next, left, failing: { since: failing?.since ?? now, ...outcome.error } }
  if (before === null && outcome.value.left === null) return null
  return { last: outcome.value.rotated ? now : last, next, left: outcome.value.left ?? left, failing: null }
}

/** The schedule looks for a sync, which decides: once when the time has come, and then when one is due anyway. */
export const isRotationDue = ({ rotation, lastAttempt }: StoredStatus, now: number): boolean => {
  const next = rotation?.next ?? null
  return next !== null && next <= now && (lastAttempt ?? 0) < next
}

function stalledBy(notes: readonly SyncNote[], before: SyncStatus['stalled'], now: number): SyncStatus['stalled'] {
  const found = notes.findLast(({ code }) => code === 'active-unusable' || code === 'source-behind')
  if (found === undefined) return null
  const code = found.code === 'source-behind' ? found.code : 'active-unusable'
  return { since: before?.code === code ? before.since : now, code, version: found.version }
}
