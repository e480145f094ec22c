/** What a record needs beside syncs: to reach the replica, and to be sealed anew once a day, Vault up or down. */
import type { Bytes } from '../core/bytes.ts'
import { settle } from '../core/errors.ts'
import type { Clock, Replica, Replicated } from '../core/ports.ts'
import { isDueForReseal } from './freshness.ts'
import type { Ledger, Loaded } from './ledger.ts'
import { recordName } from './record.ts'
import type { StatusLog } from './status.ts'

export interface UpkeepParts {
  readonly clock: Clock
  readonly replica: Replica | null
  readonly maxRecordAgeMs: number
}

export class Upkeep {
  readonly #parts: UpkeepParts
  readonly #keyring: string
  readonly #log: StatusLog

  constructor(parts: UpkeepParts, keyring: string, log: StatusLog) {
    this.#parts = parts
    this.#keyring = keyring
    this.#log = log
  }

  /** Best effort: what the replica refuses it is given again by the schedule. */
  async push(revision: number, bytes: Bytes): Promise<void> {
    if (await this.#parts.replica?.set(recordName(this.#keyring), bytes))
      await settle(() => this.#log.noteReplicated(revision))
  }

  /** @param replicated the revision that the replica took last. */
  replicated(replicated: number, loaded: Loaded | null): Replicated['replica'] {
    if (this.#parts.replica === null) return null
    return { revision: replicated, lags: loaded !== null && loaded.record.revision !== replicated }
  }

  /** A record that went without for too long stays so, for people to see: only a sync seals it anew. */
  async isNeeded(ledger: Ledger): Promise<boolean> {
    const loaded = await ledger.load()
    return loaded !== null && (this.#isReseal(loaded) || (await this.#lags(loaded)))
  }

  /** Another writer's record is as good: a conflict is none. */
  async run(ledger: Ledger): Promise<void> {
    const loaded = await ledger.load()
    if (loaded === null) return
    const draft = this.#isReseal(loaded) ? await ledger.draft(loaded) : null
    if (draft !== null) await ledger.save(loaded, draft)
    else if (await this.#lags(loaded)) await this.push(loaded.record.revision, loaded.bytes)
  }

  #isReseal({ record: { sealed } }: Loaded): boolean {
    const now = this.#parts.clock.now()
    return isDueForReseal(sealed, now) && now - sealed <= this.#parts.maxRecordAgeMs
  }

  async #lags(loaded: Loaded): Promise<boolean> {
    return this.#parts.replica !== null && (await this.#log.read()).replicated !== loaded.record.revision
  }
}
