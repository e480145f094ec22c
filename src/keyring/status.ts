/** The small record beside the keyring: what happened at the last attempts to sync, and what the replica took. */
import type { Result } from '../core/errors.ts'
import type { Clock, LoginItemsUnder, RecordStore, SyncNote, SyncReport, SyncStatus } from '../core/ports.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { parseSigned } from '../crypto/seal.ts'

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
  replicated: 0,
  items: null,
}
/** Between two tries while syncs fail, doubled each time up to the period, in milliseconds. */
const RETRY_MS = 60_000

export interface StoredStatus extends SyncStatus {
  /** The revision that the replica took last; 0 = none. */
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

type Outcome = Result<Pick<SyncReport, 'remaining' | 'notes'>>

export class StatusLog {
  readonly #store: RecordStore
  readonly #sealers: SealerSet
  readonly #clock: Clock
  readonly #name: string

  constructor(store: RecordStore, sealers: SealerSet, clock: Clock, keyring: string) {
    this.#store = store
    this.#sealers = sealers
    this.#clock = clock
    this.#name = statusName(keyring)
  }

  /** A status that was altered counts as never written: it decides over nothing that a wait would not heal. */
  async read(): Promise<StoredStatus> {
    const stored = await this.#store.get(this.#name)
    if (stored === null) return NEVER
    const signed = parseSigned(stored.bytes)
    const text = signed.format === FORMAT ? await this.#sealers.byId(signed.wrappingKeyId).verify(signed) : null
    return text === null ? NEVER : { ...NEVER, ...(JSON.parse(text) as StoredStatus) }
  }

  note(outcome: Outcome): Promise<void> {
    return this.#write((status) => advance(status, outcome, this.#clock.now()))
  }

  noteReplicated(revision: number): Promise<void> {
    return this.#write((status) => ({ ...status, replicated: revision }))
  }

  async noteItems({ tokens, logins }: LoginItemsUnder): Promise<void> {
    const items = { tokens, logins }
    if (JSON.stringify((await this.read()).items) !== JSON.stringify(items))
      await this.#write((status) => ({ ...status, items }))
  }

  /** Best effort: another writer's status is as good as this one. */
  async #write(next: (status: StoredStatus) => StoredStatus): Promise<void> {
    const stored = await this.#store.get(this.#name)
    const text = JSON.stringify(next(await this.read()))
    await this.#store.put(this.#name, await this.#sealers.first.sign(FORMAT, text), stored?.version ?? 0)
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

function stalledBy(notes: readonly SyncNote[], before: SyncStatus['stalled'], now: number): SyncStatus['stalled'] {
  const found = notes.findLast(({ code }) => code === 'active-unusable' || code === 'source-behind')
  if (found === undefined) return null
  const code = found.code === 'source-behind' ? found.code : 'active-unusable'
  return { since: before?.code === code ? before.since : now, code, version: found.version }
}
