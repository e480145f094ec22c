/** One revision of a record, and the keys opened of it so far. */
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import { KeyringError } from '../core/errors.ts'
import type { Cipher } from '../core/ports.ts'
import type { Ek1Key } from '../crypto/ek1.ts'
import { ek1Key } from '../crypto/ek1.ts'
import type { SealerSet } from '../crypto/seal.ts'
import type { KeyEntry, KeyringRecord, VerifiedRecord } from './record.ts'

export class View {
  readonly record: KeyringRecord
  readonly #entries: ReadonlyMap<string, KeyEntry>
  /** Keys are ready for the cipher of the set that opened them. */
  readonly #ready = new Map<SealerSet, Map<string, Ek1Key>>()
  readonly #wrappingKeyId: string
  /** The one that was used last. */
  #last: { readonly set: SealerSet; readonly key: Ek1Key } | null = null

  constructor({ record, wrappingKeyId }: VerifiedRecord) {
    this.record = record
    this.#wrappingKeyId = wrappingKeyId
    this.#entries = new Map(record.keys.map((entry) => [entry.id, entry]))
  }

  /** Opens a key at its first use. `null` = not in this revision. */
  key(cipher: Cipher, set: SealerSet, id: string): Awaitable<Ek1Key> | null {
    if (this.#last?.set === set && this.#last.key.id === id) return this.#last.key
    const key = this.#ready.get(set)?.get(id)
    if (key !== undefined) return (this.#last = { set, key }).key
    const entry = this.#entries.get(id)
    return entry === undefined ? null : this.#open(cipher, set, entry)
  }

  /** Takes over the keys that an earlier revision had opened, so that they are not opened again. */
  inherit(earlier: View | null): this {
    if (earlier === null) return this
    for (const [set, keys] of earlier.#ready)
      for (const [id, key] of keys) {
        if (this.#entries.get(id)?.commit === earlier.#entries.get(id)?.commit) this.#keep(set, key)
      }
    return this
  }

  #open(cipher: Cipher, set: SealerSet, entry: KeyEntry): Awaitable<Ek1Key> {
    const opened = set.byId(this.#wrappingKeyId).openMaterial(entry.id, entry.key, entry.weak === true)
    return andThen(opened, (material) => {
      if (material.commitment !== entry.commit)
        throw new KeyringError('ERR_RECORD_INVALID', `The stored key "${entry.id}" is another one.`)
      return andThen(ek1Key(cipher, entry.id, material), (key) => this.#keep(set, key))
    })
  }

  /** The first one stays: what an encryptor and a decryptor have derived hangs on it. */
  #keep(set: SealerSet, key: Ek1Key): Ek1Key {
    const keys = this.#ready.get(set) ?? new Map<string, Ek1Key>()
    this.#ready.set(set, keys)
    return keys.get(key.id) ?? (keys.set(key.id, key), key)
  }
}
