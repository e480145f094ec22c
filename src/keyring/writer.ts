/** Writes a record, into the store and then to the replica in one step, and looks whether it must be written again. */
import type { Bytes } from '../core/bytes.ts'
import { settle } from '../core/errors.ts'
import type { Clock, Replica, Replicated } from '../core/ports.ts'
import { ageOf } from '../core/time.ts'
import { isDueForReseal } from './freshness.ts'
import type { Ledger, Loaded, Saved } from './ledger.ts'
import type { KeyringRecord } from './record.ts'
import { recordName } from './record.ts'
import type { StatusLog } from './status.ts'

export interface WriterParts {
  readonly clock: Clock
  readonly replica: Replica | null
  readonly maxRecordAgeMs: number
}

export class Writer {
  readonly #parts: WriterParts
  readonly #keyring: string
  readonly #ledger: Ledger
  readonly #log: StatusLog

  constructor(parts: WriterParts, keyring: string, { ledger, log }: { ledger: Ledger; log: StatusLog }) {
    this.#parts = parts
    this.#keyring = keyring
    this.#ledger = ledger
    this.#log = log
  }

  /** Writes `next`, made from the draft of `loaded`. 'conflict' = somebody else wrote first. */
  async save(loaded: Loaded | null, next: KeyringRecord): Promise<Bytes | 'conflict'> {
    const saved = await this.#ledger.put(loaded, next)
    if (saved === 'conflict') return saved
    await this.#push(saved)
    return saved.bytes
  }

  /** @param replicated the revision that the replica took last. */
  replicated(replicated: number, loaded: Loaded | null): Replicated['replica'] {
    if (this.#parts.replica === null) return null
    return { revision: replicated, lags: loaded !== null && loaded.record.revision !== replicated }
  }

  /** A record that went without for too long stays so, for people to see: only a sync seals it anew. */
  async isUpkeepNeeded(): Promise<boolean> {
    const loaded = await this.#ledger.load()
    return loaded !== null && (this.#isReseal(loaded) || (await this.#lags(loaded)))
  }

  /** Another writer's record is as good: a conflict is none. */
  async upkeep(): Promise<void> {
    const loaded = await this.#ledger.load()
    if (loaded === null) return
    const draft = this.#isReseal(loaded) ? await this.#ledger.draft(loaded) : null
    if (draft !== null) await this.save(loaded, draft)
    else if (await this.#lags(loaded)) await this.#push({ revision: loaded.record.revision, bytes: loaded.bytes })
  }

  /** Best effort: what the replica refuses it is given again by the schedule. */
  async #push({ revision, bytes }: Saved): Promise<void> {
    if (await this.#parts.replica?.set(recordName(this.#keyring), bytes))
      await settle(() => this.#log.noteReplicated(revision))
  }

  #isReseal({ record: { sealed } }: Loaded): boolean {
    const now = this.#parts.clock.now()
    return isDueForReseal(sealed, now) && ageOf(sealed, now) <= this.#parts.maxRecordAgeMs
  }

  async #lags(loaded: Loaded): Promise<boolean> {
    return this.#parts.replica !== null && (await this.#log.read()).replicated !== loaded.record.revision
  }
}
