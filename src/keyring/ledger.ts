/** The one place that reads and writes the stored record of a keyring. */
import type { Bytes } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import type { Clock, RecordStore, StoredRecord } from '../core/ports.ts'
import type { SealerSet } from '../crypto/seal.ts'
import type { KeyringRecord, VerifiedRecord } from './record.ts'
import { recordName, reseal, signRecord, verifyRecord, withChecks } from './record.ts'

export interface Loaded {
  readonly bytes: Bytes
  readonly record: KeyringRecord
  readonly wrappingKeyId: string
  /** The store's version. */
  readonly version: number
}

/** What the store has taken. */
export interface Saved {
  readonly revision: number
  readonly bytes: Bytes
}

export class Ledger {
  readonly #store: RecordStore
  readonly #sealers: SealerSet
  readonly #clock: Clock
  readonly #keyring: string
  #verified: { stored: StoredRecord; content: VerifiedRecord } | null = null
  /** The highest revision that this process has seen. */
  #seen = 0

  constructor(store: RecordStore, sealers: SealerSet, clock: Clock, keyring: string) {
    this.#store = store
    this.#sealers = sealers
    this.#clock = clock
    this.#keyring = keyring
  }

  /** `null` = never synced. @throws `ERR_RECORD_INVALID`, `ERR_RECORD_ROLLED_BACK`, `ERR_WRAPPING_KEY_MISSING`, `ERR_WRAPPING_KEY_WRONG`, `ERR_STORE_UNAVAILABLE`. */
  async load(): Promise<Loaded | null> {
    const stored = await this.#store.get(recordName(this.#keyring))
    if (stored === null) return this.#refuseRollback(0, null)
    if (this.#verified?.stored !== stored)
      this.#verified = { stored, content: await verifyRecord(this.#sealers, this.#keyring, stored.bytes) }
    const { record, wrappingKeyId } = this.#verified.content
    return this.#refuseRollback(record.revision, {
      bytes: stored.bytes,
      record,
      wrappingKeyId,
      version: stored.version,
    })
  }

  /** What a writer starts from: the keys sealed under the first wrapping key. @throws `ERR_WRAPPING_KEY_WRONG`. */
  async draft(loaded: Loaded | null): Promise<KeyringRecord | null> {
    return loaded && reseal(this.#sealers, loaded)
  }

  /** Puts `next`, made from the draft of `loaded`. 'conflict' = somebody else wrote first. */
  async put(loaded: Loaded | null, next: KeyringRecord): Promise<Saved | 'conflict'> {
    const now = this.#clock.now()
    const revision = Math.max((loaded?.record.revision ?? 0) + 1, now)
    const checked = withChecks(this.#sealers, loaded?.wrappingKeyId ?? null, next)
    const bytes = await signRecord(this.#sealers, { ...checked, revision, sealed: now })
    const put = await this.#store.put(recordName(this.#keyring), bytes, loaded?.version ?? 0)
    if (put === 'conflict') return put
    this.#seen = Math.max(this.#seen, revision)
    return { revision, bytes }
  }

  #refuseRollback<T>(revision: number, loaded: T): T {
    if (revision < this.#seen) {
      const facts = { keyring: this.#keyring, revision, seen: this.#seen }
      throw new KeyringError(
        'ERR_RECORD_ROLLED_BACK',
        `The stored record of keyring "${this.#keyring}" is older than what this process has seen.`,
        { facts },
      )
    }
    this.#seen = revision
    return loaded
  }
}
