/** One revision of a record, and the keys opened of it so far. */
import type { Awaitable } from '../core/awaitable.ts'
import { KeyringError } from '../core/errors.ts'
import type { Cipher } from '../core/ports.ts'
import type { Ek1Key } from '../crypto/ek1.ts'
import { ek1Key } from '../crypto/ek1.ts'
import type { SealerSet } from '../crypto/seal.ts'
import type { KeyEntry, KeyringRecord, VerifiedRecord } from './record.ts'

export class View {
  readonly record: KeyringRecord
  readonly #entries: ReadonlyMap<string, KeyEntry>
  readonly #ready = new Map<string, Ek1Key>()
  readonly #wrappingKeyId: string

  constructor({ record, wrappingKeyId }: VerifiedRecord) {
    this.record = record
    this.#wrappingKeyId = wrappingKeyId
    this.#entries = new Map(record.keys.map((entry) => [entry.id, entry]))
  }

  /** Opens a key at its first use. `null` = not in this revision. */
  key(cipher: Cipher, set: SealerSet, id: string): Awaitable<Ek1Key | null> {
    const entry = this.#entries.get(id)
    return this.#ready.get(id) ?? (entry === undefined ? null : this.#open(cipher, set, entry))
  }

  /** Takes over the keys that an earlier revision had opened, so that they are not opened again. */
  inherit(earlier: View | null): this {
    if (earlier === null) return this
    for (const [id, key] of earlier.#ready) {
      if (this.#entries.get(id)?.commit === earlier.#entries.get(id)?.commit) this.#ready.set(id, key)
    }
    return this
  }

  async #open(cipher: Cipher, set: SealerSet, entry: KeyEntry): Promise<Ek1Key> {
    const material = await set.byId(this.#wrappingKeyId).openMaterial(entry.id, entry.key, entry.weak === true)
    if (material.commitment !== entry.commit)
      throw new KeyringError('ERR_RECORD_INVALID', `The stored key "${entry.id}" is another one.`)
    const key = await ek1Key(cipher, entry.id, material)
    this.#ready.set(entry.id, key)
    return key
  }
}
