/** Writes a record, into the store and then to the replica in one step, and looks whether it must be written again. */
import type { Bytes } from '../core/bytes.ts'
import { settle } from '../core/errors.ts'
import type { Replicated } from '../core/operations.ts'
import type { Clock, Replica } from '../core/ports.ts'
import { ageOf } from '../core/time.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { isDueForReseal } from './freshness.ts'
import type { Loaded } from './ledger.ts'
import type { WrittenLedger } from './written-ledger.ts'
import type { KeyringRecord } from './record.ts'
import { recordName, verifyRecord } from './record.ts'
import type { StatusLog } from './status-log.ts'

export interface WriterParts {
  readonly clock: Clock
  readonly replica: Replica | null
  readonly maxRecordAgeMs: number
}

export class Writer {
  readonly #parts: WriterParts
  readonly #keyring: string
  readonly #ledger: WrittenLedger
  readonly #log: StatusLog
  readonly #sealers: SealerSet

  constructor(
    parts: WriterParts,
    keyring: string,
    { ledger, log }: { ledger: WrittenLedger; log: StatusLog },
    sealers: SealerSet,
  ) {
    this.#sealers = sealers
    this.#parts = parts
    this.#keyring = keyring
    this.#ledger = ledger
    this.#log = log
  }

  /** Writes `next`, made from the draft of `loaded`. 'conflict' = somebody else wrote first. */
  async save(loaded: Loaded | null, next: KeyringRecord): Promise<Bytes | 'conflict'> {
    const saved = await this.#ledger.put(loaded, next)
    if (saved === 'conflict') return saved
    await this.#push(saved.bytes)
    return saved.bytes
  }

  /** @param replicated the revision that was read back of the replica last. */
  replicated(replicated: number, loaded: Loaded | null): Replicated['replica'] {
    if (this.#parts.replica === null) return null
    return { revision: replicated, lags: loaded !== null && loaded.record.revision !== replicated }
  }

  /** Whether a record is due to be sealed anew or pushed again. One that is too old stays so, for people to see, until a sync. */
  async isUpkeepNeeded(): Promise<boolean> {
    const loaded = await this.#ledger.load()
    if (loaded === null) return false
    if (this.#isReseal(loaded)) return true
    const { held, noted } = await this.#look(loaded)
    return held !== noted || held !== loaded.record.revision
  }

  /** A conflict is no failure here, because another writer's record is as good. */
  async upkeep(): Promise<void> {
    const loaded = await this.#ledger.load()
    if (loaded === null) return
    const draft = this.#isReseal(loaded) ? await this.#ledger.draft(loaded) : null
    if (draft !== null) await this.save(loaded, draft)
    const { held, noted } = await this.#look(loaded)
    if (held !== noted) await this.#log.noteReplicated(held)
    if (draft === null && held !== loaded.record.revision) await this.#push(loaded.bytes)
  }

  /**
   * What the replica holds is known by reading it back: a write that was given up may land late, over a newer one. A stale
   * answer only delays. What cannot be believed, or is ahead of the record, counts as nothing (0).
   */
  async #look({ record }: Loaded): Promise<{ held: number; noted: number }> {
    const { replica } = this.#parts
    if (replica === null) return { held: record.revision, noted: record.revision }
    const bytes = await replica.get(recordName(this.#keyring))
    const copy = bytes && (await settle(() => verifyRecord(this.#sealers, this.#keyring, bytes)))
    const revision = copy?.ok ? copy.value.record.revision : 0
    return { held: revision <= record.revision ? revision : 0, noted: (await this.#log.read()).replicated }
  }

  /** A refusal fails nobody, because the schedule gives the replica the record again. */
  async #push(bytes: Bytes): Promise<void> {
    await this.#parts.replica?.set(recordName(this.#keyring), bytes)
  }

  #isReseal({ record: { sealed } }: Loaded): boolean {
    const now = this.#parts.clock.now()
    return isDueForReseal(sealed, now) && ageOf(sealed, now) <= this.#parts.maxRecordAgeMs
  }
}
