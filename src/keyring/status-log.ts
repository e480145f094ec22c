/** Writes what happened at the last attempts to sync and to rotate, and says what is due by it. */
import { bandOf, isNeeded } from '../core/ends.ts'
import type { End } from '../core/ends.ts'
import type { Result } from '../core/errors.ts'
import type { RotationReport, RotationStatus, SyncNote, SyncReport, SyncStatus } from '../core/operations.ts'
import type { LoginItemsUnder, RecordStore } from '../core/ports.ts'
import { ageOf } from '../core/time.ts'
import type { SealerSet } from '../crypto/seal.ts'
import type { KeyEntry } from './record.ts'
import type { RotationAsk } from './rotation.ts'
import type { StatusParts, StoredStatus } from './status.ts'
import { STATUS_FORMAT, isTime } from './last-sync.ts'
import { StatusReader } from './status.ts'

type Outcome = Result<Pick<SyncReport, 'remaining' | 'notes'>>

/** What a sync has seen. */
export interface Seen {
  /** When one is due by itself. */
  readonly nextRotation: number | null
  readonly keys: readonly Pick<KeyEntry, 'id' | 'created'>[]
  /** The key whose rotation is over with this sync. */
  readonly rotated: string | undefined
}

/** Pushes at the same time; one of them writes. */
const MOST_OFFERED = 8

export class StatusLog extends StatusReader {
  readonly #store: RecordStore

  constructor(parts: StatusParts & { readonly store: RecordStore }, sealers: SealerSet, keyring: string) {
    super(parts, sealers, keyring)
    this.#store = parts.store
  }

  /** @param seen `null` = the source was not. */
  note(outcome: Outcome, seen: Seen | null, pushed: boolean): Promise<void> {
    return this.#write((status) => ({
      ...advance(status, outcome, this.parts.clock.now()),
      ...delivered(status, seen),
      pushed,
    }))
  }

  /** @param offer `id` is of a key that somebody else is to write. */
  noteOffer(offer: Result<{ readonly id: string | null; readonly left: number | null }>): Promise<void> {
    const { id = null, left = null } = offer.ok ? offer.value : {}
    const outcome = offer.ok ? { ok: true as const, value: { left } } : offer
    return this.#write((status) => ({
      ...status,
      rotation: rotatedStatus(status.rotation, outcome, this.parts.clock.now()),
      offered: id === null ? status.offered : [...status.offered, id].slice(-MOST_OFFERED),
    }))
  }

  noteReplicated(revision: number): Promise<void> {
    return this.#write((status) => ({ ...status, replicated: revision }))
  }

  /** The schedule has looked, whatever came of it. @param outcome `null` = nothing was decided. */
  noteRotation(ask: RotationAsk, outcome: RotationOutcome | null): Promise<void> {
    const now = this.parts.clock.now()
    return this.#write((status) => ({
      ...status,
      rotation: outcome ? rotatedStatus(status.rotation, outcome, now, ask.dryRun) : status.rotation,
      looked: ask.by === 'schedule' ? now : status.looked,
    }))
  }

  /** @param isSaid the log has it now. */
  noteEnds(ends: readonly End[], isSaid: boolean): Promise<void> {
    const time = this.parts.clock.now()
    return this.#write((status) => ({
      ...status,
      ahead: { time, said: isSaid ? time : (status.ahead?.said ?? 0), ends },
    }))
  }

  noteRefused(refused: readonly string[]): Promise<void> {
    return this.#write((status) => ({ ...status, refused }))
  }

  async noteItems({ tokens, logins }: LoginItemsUnder): Promise<void> {
    const items = { tokens, logins }
    if (JSON.stringify((await this.read()).items) !== JSON.stringify(items))
      await this.#write((status) => ({ ...status, items }))
  }

  /** Everything that is written is sealed under the first wrapping key. @param items `null` = nobody has looked at them. */
  reseal(items: LoginItemsUnder | null): Promise<void> {
    return this.#write((status) => ({
      ...status,
      items: items && { tokens: items.tokens, logins: items.logins },
    }))
  }

  /** A conflict is left alone, because another writer's status is as good as this one. */
  async #write(next: (status: StoredStatus) => StoredStatus): Promise<void> {
    const stored = await this.#store.get(this.name)
    const text = JSON.stringify(next(await this.read()))
    await this.#store.put(this.name, await this.sealers.first.sign(STATUS_FORMAT, text), stored?.version ?? 0)
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

/** A key that was begun, or offered, and is there is a rotation, whoever finds or delivers it, and when. */
function delivered({ rotation, offered }: StoredStatus, seen: Seen | null): Pick<StoredStatus, 'rotation' | 'offered'> {
  const written = seen?.keys.find(({ id }) => id === seen.rotated || offered.includes(id))
  const rotated = written ? { ...(rotation ?? NEVER_ROTATED), last: written.created, failing: null } : rotation
  return { rotation: scheduled(rotated, seen?.nextRotation), offered: written ? [] : offered }
}

type RotationOutcome = Result<Pick<RotationReport, 'left'>>

const NEVER_ROTATED: RotationStatus = { last: null, next: null, left: null, failing: null }

/** At a time that there is not it is never due. */
const scheduled = (before: RotationStatus | null, at: number | null | undefined): RotationStatus | null => {
  const next = at === undefined || isTime(at) ? at : null
  return next === undefined || (next === null && before === null) ? before : { ...(before ?? NEVER_ROTATED), next }
}

/** @param isDry what has failed before may fail again. */
function rotatedStatus(
  before: RotationStatus | null,
  outcome: RotationOutcome,
  now: number,
  isDry = false,
): RotationStatus | null {
  const { last, next, left, failing } = before ?? NEVER_ROTATED
  if (!outcome.ok) return { last, next, left, failing: { since: failing?.since ?? now, ...outcome.error } }
  if (before === null && outcome.value.left === null) return null
  return { last, next, left: outcome.value.left ?? left, failing: isDry ? failing : null }
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** A look a day, and one an hour while something is needed, so that it is seen when that was done. */
export function isLookDue({ ahead }: SyncStatus, now: number): boolean {
  const isUrgent = (ahead?.ends ?? []).some((end) => isNeeded(bandOf(end, now)))
  return ahead === null || ageOf(ahead.time, now) >= (isUrgent ? HOUR_MS : DAY_MS)
}

/** The schedule decides once when the time has come, and then once a period: syncs that others ask for decide over no rotation. */
export function isRotationDue({ rotation, looked }: StoredStatus, periodMs: number | null, now: number): boolean {
  const next = rotation?.next ?? null
  if (next === null || next > now) return false
  return looked === null || looked < next || ageOf(looked, now) >= (periodMs ?? 0)
}

function stalledBy(notes: readonly SyncNote[], before: SyncStatus['stalled'], now: number): SyncStatus['stalled'] {
  const found = notes.findLast(({ code }) => code === 'active-unusable' || code === 'source-behind')
  if (found === undefined) return null
  const code = found.code === 'source-behind' ? found.code : 'active-unusable'
  return { since: before?.code === code ? before.since : now, code, version: found.version }
}
