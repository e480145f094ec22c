/** The one place that writes the stored record of a keyring. */
import type { Bytes } from '../core/bytes.ts'
import type { Clock, RecordStore } from '../core/ports.ts'
import type { SealerSet } from '../crypto/seal.ts'
import type { Loaded } from './ledger.ts'
import { Ledger } from './ledger.ts'
import type { KeyringRecord } from './record.ts'
import { recordName, reseal, signRecord, withChecks } from './record.ts'

/** What the store has taken. */
interface Saved {
  readonly revision: number
  readonly bytes: Bytes
}

export class WrittenLedger extends Ledger {
  readonly #store: RecordStore
  readonly #clock: Clock

  constructor(store: RecordStore, sealers: SealerSet, clock: Clock, keyring: string) {
    super(store, sealers, keyring)
    this.#store = store
    this.#clock = clock
  }

  /** What a writer starts from: the keys sealed under the first wrapping key. @throws `ERR_WRAPPING_KEY_WRONG`. */
  async draft(loaded: Loaded | null): Promise<KeyringRecord | null> {
    return loaded && reseal(this.sealers, loaded)
  }

  /** Puts `next`, made from the draft of `loaded`. 'conflict' = somebody else wrote first. */
  async put(loaded: Loaded | null, next: KeyringRecord): Promise<Saved | 'conflict'> {
    const now = this.#clock.now()
    const revision = Math.max((loaded?.record.revision ?? 0) + 1, now)
    const checked = withChecks(this.sealers, loaded?.wrappingKeyId ?? null, next)
    const bytes = await signRecord(this.sealers, { ...checked, revision, sealed: now })
    const put = await this.#store.put(recordName(this.keyring), bytes, loaded?.version ?? 0)
    if (put === 'conflict') return put
    this.seen = Math.max(this.seen, revision)
    return { revision, bytes }
  }
}
