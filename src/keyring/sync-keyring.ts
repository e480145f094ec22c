/** A keyring for callers that cannot wait, such as the codecs of database libraries. Its cipher answers at once. */
import { atOnce } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import type { KeyringError } from '../core/errors.ts'
import type { Cipher } from '../core/ports.ts'
import { decryptEk1, parseEk1 } from '../crypto/ek1.ts'
import type { Encryptor } from '../crypto/encryptor.ts'
import type { SealerSet } from '../crypto/seal.ts'
import type { Snapshot } from './snapshot.ts'

export interface Encrypted {
  readonly ciphertext: string
  readonly keyId: string
}

export interface Decrypted {
  readonly plaintext: Bytes
  readonly keyId: string
}

export interface AtOnceParts {
  readonly cipher: Cipher
  readonly sealers: SealerSet
  readonly encryptor: Encryptor
  readonly snapshot: Snapshot
  readonly noActiveKey: (isSynced: boolean) => KeyringError
  readonly unverified: (id: string) => KeyringError
  /** @throws `ERR_SNAPSHOT_STALE` when the last sync is too old, and asks again behind. */
  readonly refuseOld: () => void
}

export class SyncKeyring {
  readonly #parts: AtOnceParts

  constructor(parts: AtOnceParts) {
    this.#parts = parts
  }

  /** Begins a refresh where one is due, so that the next call need not. */
  keepFresh(): void {
    this.#parts.snapshot.freshen()
  }

  /** Encrypts with the active key. @throws `ERR_NO_ACTIVE_KEY`, `ERR_SNAPSHOT_STALE`, `ERR_TEXT_INVALID`. */
  encrypt(plaintext: Bytes | string, context: Bytes): Encrypted {
    const { cipher, sealers, encryptor, snapshot, refuseOld, noActiveKey } = this.#parts
    refuseOld()
    const view = snapshot.held(false)
    const id = view?.record.active ?? null
    const key = id === null ? null : atOnce(view?.key(cipher, sealers, id) ?? null)
    if (key === null) throw noActiveKey(view !== null)
    return { ciphertext: atOnce(encryptor.encrypt(key, plaintext, context)), keyId: key.id }
  }

  /**
   * Decrypts with the key that the value names. An id that is not held is looked for behind.
   * @throws `ERR_CIPHERTEXT_INVALID`, `ERR_SNAPSHOT_STALE`, `ERR_KEY_UNVERIFIED`, `ERR_KEY_MISMATCH`, `ERR_DECRYPT_FAILED`.
   */
  decrypt(ciphertext: string, context: Bytes): Decrypted {
    const { cipher, sealers, snapshot, unverified } = this.#parts
    const value = parseEk1(ciphertext)
    const key = atOnce(snapshot.held(true)?.key(cipher, sealers, value.id) ?? null)
    if (key === null) {
      snapshot.behind(() => snapshot.ask())
      throw unverified(value.id)
    }
    return { plaintext: atOnce(decryptEk1(cipher, key, value, context)), keyId: key.id }
  }
}
