/** The one place that reads the stored record of a keyring. */
import type { Bytes } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import type { ReadableStore, StoredRecord } from '../core/ports.ts'
import type { SealerSet } from '../crypto/seal.ts'
import type { KeyringRecord, VerifiedRecord } from './record.ts'
import { recordName, verifyRecord } from './record.ts'

export interface Loaded {
  readonly bytes: Bytes
  readonly record: KeyringRecord
  readonly wrappingKeyId: string
  /** The store's version. */
  readonly version: number
}

export class Ledger {
  protected readonly sealers: SealerSet
  protected readonly keyring: string
  readonly #store: ReadableStore
  #verified: { stored: StoredRecord; content: VerifiedRecord } | null = null
  /** The highest revision that this process has seen. */
  protected seen = 0

  constructor(store: ReadableStore, sealers: SealerSet, keyring: string) {
    this.#store = store
    this.sealers = sealers
    this.keyring = keyring
  }

  /** `null` = never synced. @throws `ERR_RECORD_INVALID`, `ERR_RECORD_ROLLED_BACK`, `ERR_WRAPPING_KEY_MISSING`, `ERR_WRAPPING_KEY_WRONG`, `ERR_STORE_UNAVAILABLE`. */
  async load(): Promise<Loaded | null> {
    const stored = await this.#store.get(recordName(this.keyring))
    if (stored === null) return this.#refuseRollback(0, null)
    if (this.#verified?.stored !== stored)
      this.#verified = { stored, content: await verifyRecord(this.sealers, this.keyring, stored.bytes) }
    const { record, wrappingKeyId } = this.#verified.content
    return this.#refuseRollback(record.revision, {
      bytes: stored.bytes,
      record,
      wrappingKeyId,
      version: stored.version,
    })
  }

  /** What is stored, unless its revision is `known`. Throws as `load` does. */
  async beyond(known: number): Promise<Bytes | 'unchanged' | null> {
    const loaded = await this.load()
    return loaded === null ? null : loaded.record.revision === known ? 'unchanged' : loaded.bytes
  }

  #refuseRollback<T>(revision: number, loaded: T): T {
    if (revision < this.seen) {
      const facts = { keyring: this.keyring, revision, seen: this.seen }
      throw new KeyringError(
        'ERR_RECORD_ROLLED_BACK',
        `The stored record of keyring "${this.keyring}" is older than what this process has seen.`,
        { facts },
      )
    }
    this.seen = revision
    return loaded
  }
}
