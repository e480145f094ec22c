/** A keyring for whoever uses its keys, and changes nothing of it: all that an application in the same process needs. */
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import type { KeyringErrorCode } from '../core/errors.ts'
import type { UsedAuthority } from '../core/operations.ts'
import type { Cipher, Hash, NonceRules } from '../core/ports.ts'
import { STEP_MS, ageOf } from '../core/time.ts'
import type { Ek1Key, Ek1Value } from '../crypto/ek1.ts'
import { decryptEk1, parseEk1 } from '../crypto/ek1.ts'
import type { Ends } from '../crypto/encryptor.ts'
import { Encryptor } from '../crypto/encryptor.ts'
import type { SealerSet, WrappingKey } from '../crypto/seal.ts'
import { sealers } from '../crypto/seal.ts'
import { noActiveKey } from './no-active-key.ts'
import type { KeyringRecord } from './record.ts'
import type { SnapshotParts } from './snapshot.ts'
import { Snapshot } from './snapshot.ts'
import type { Decrypted, Encrypted, AtOnceParts } from './sync-keyring.ts'
import type { View } from './view.ts'

export interface UsableParts extends SnapshotParts {
  readonly authority: UsedAuthority
  readonly cipher: Cipher
  readonly hash: Hash
  /** Absent = none is drawn ahead. */
  readonly nonces?: NonceRules
  readonly wrappingKeys: readonly WrappingKey[]
  /** Nobody encrypts when the last sync that succeeded is longer ago, in milliseconds. `null`, or absent = however long. */
  readonly maxStalenessMs?: number | null
}

/** The values of a batch have one look at the active key for so long at most, in milliseconds. */
const AGAIN_MS = 1000

export class UsableKeyring {
  readonly name: string
  readonly #parts: UsableParts
  readonly #sealers: SealerSet
  readonly #snapshot: Snapshot
  readonly #encryptor: Encryptor
  /** Those of the callers that cannot wait. */
  readonly #others: Encryptor[] = []
  /** The last sync that succeeded, as far as this instance has heard. */
  #syncedAt = Number.NEGATIVE_INFINITY
  #syncAskedAt = Number.NEGATIVE_INFINITY

  /** @param snapshot of whoever changes the keyring too, because both must hold the same. */
  constructor(name: string, parts: UsableParts, set: SealerSet, snapshot = new Snapshot(parts, set, name)) {
    this.name = name
    this.#parts = parts
    this.#sealers = set
    this.#snapshot = snapshot
    this.#encryptor = new Encryptor(parts.cipher, parts.clock, parts.nonces)
  }

  static async open<Parts extends UsableParts, Opened>(
    this: new (name: string, parts: Parts, set: SealerSet) => Opened,
    name: string,
    parts: Parts,
  ): Promise<Opened> {
    return new this(name, parts, await sealers(parts.cipher, parts.hash, parts.wrappingKeys, name))
  }

  /** Why an older snapshot serves, or that the record is too old; `null` = all is well. */
  get warning(): KeyringErrorCode | null {
    return this.#snapshot.warning
  }

  /** The authority's word, or what is here when it cannot be asked. `null` = never synced. */
  record(): Awaitable<KeyringRecord | null> {
    return andThen(this.#snapshot.current(), (view) => view?.record ?? null)
  }

  /** Whether there is an active key; nobody is asked as long as the snapshot may be used. */
  async isUsable(): Promise<boolean> {
    if (this.#isOld()) await this.#refuseOld()
    return Boolean((await this.#snapshot.view())?.record.active)
  }

  /** What a first use would wait for. Whoever decrypts need not know how old the last sync is. */
  async look(): Promise<void> {
    if (this.#isOld()) await this.#askAge()
    await this.#snapshot.view()
  }

  /** Of the active key. Rejects with `ERR_NO_ACTIVE_KEY`. */
  async activeId(): Promise<string> {
    const view = await this.#snapshot.view()
    if (!view?.record.active) throw noActiveKey(this.name, view !== null)
    return view.record.active
  }

  /** Encrypts with the active key. Rejects with `ERR_NO_ACTIVE_KEY`, `ERR_SNAPSHOT_STALE`, `ERR_TEXT_INVALID`. */
  encrypt(plaintext: Bytes | string, context: Bytes): Awaitable<Encrypted> {
    // Written out, here and in what it calls: a function for each step of each value would cost Node a tenth of it.
    try {
      const key = this.#toEncrypt()
      return key instanceof Promise
        ? key.then((key) => this.#sealed(key, plaintext, context))
        : this.#sealed(key, plaintext, context)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** For so many values that follow at once: for a second at most, and no longer than one alone would use it, the active key is found out once. What it gives throws what `encrypt` rejects with. */
  encrypting(values: number): UsableKeyring['encrypt'] {
    let [at, forMs] = [Number.NEGATIVE_INFINITY, 0]
    let seal: UsableKeyring['encrypt']
    return (plaintext, context) => {
      const now = this.#parts.clock.now()
      if (ageOf(at, now, STEP_MS) < forMs) return seal(plaintext, context)
      return andThen(this.#toEncrypt(), (key) => {
        const ends = this.#encryptor.endsFor(values)
        at = now
        forMs = Math.min(AGAIN_MS, this.#snapshot.boundedMs)
        seal = (plaintext, context) => this.#sealed(key, plaintext, context, ends)
        return seal(plaintext, context)
      })
    }
  }

  #toEncrypt(): Awaitable<Ek1Key> {
    const view = this.#isOld() ? this.#young() : this.#snapshot.toEncrypt()
    return view instanceof Promise ? view.then((view) => this.#active(view)) : this.#active(view)
  }

  async #young(): Promise<View | null> {
    await this.#refuseOld()
    return this.#snapshot.toEncrypt()
  }

  #active(view: View | null): Awaitable<Ek1Key> {
    const key = this.#keyOf(view, view?.record.active ?? null)
    if (key === null) throw noActiveKey(this.name, view !== null)
    return key
  }

  #sealed(key: Ek1Key, plaintext: Bytes | string, context: Bytes, ends?: Ends): Awaitable<Encrypted> {
    const ciphertext = this.#encryptor.encrypt(key, plaintext, context, ends)
    return ciphertext instanceof Promise
      ? ciphertext.then((ciphertext) => ({ ciphertext, keyId: key.id }))
      : { ciphertext, keyId: key.id }
  }

  /**
   * Decrypts with the key that the value names. Rejects with `ERR_CIPHERTEXT_INVALID`, `ERR_KEY_NOT_FOUND`, `ERR_KEY_UNVERIFIED`,
   * `ERR_KEY_MISMATCH`, `ERR_DECRYPT_FAILED`.
   */
  decrypt(ciphertext: string, context: Bytes): Awaitable<Decrypted> {
    try {
      const value = parseEk1(ciphertext)
      const view = this.#snapshot.view()
      const key =
        view instanceof Promise ? view.then((view) => this.#named(view, value.id)) : this.#named(view, value.id)
      return key instanceof Promise
        ? key.then((key) => this.#opened(key, value, context))
        : this.#opened(key, value, context)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #named(view: View | null, id: string): Awaitable<Ek1Key> {
    return this.#keyOf(view, id) ?? this.#askedKey(id)
  }

  #opened(key: Ek1Key, value: Ek1Value, context: Bytes): Awaitable<Decrypted> {
    const plaintext = decryptEk1(this.#parts.cipher, key, value, context)
    return plaintext instanceof Promise
      ? plaintext.then((plaintext) => ({ plaintext, keyId: key.id }))
      : { plaintext, keyId: key.id }
  }

  /** For whoever has restored an image of this process: nonces that were drawn before are forgotten. */
  reset(): void {
    for (const each of [this.#encryptor, ...this.#others]) each.reset()
  }

  /** What callers that cannot wait use of it (`synchronous.ts`). @param cipher one that answers at once; absent = the keyring's own does. */
  async atOnce(cipher = this.#parts.cipher): Promise<AtOnceParts> {
    const { hash, clock, nonces, wrappingKeys } = this.#parts
    const isOwn = cipher === this.#parts.cipher
    const encryptor = isOwn ? this.#encryptor : new Encryptor(cipher, clock, nonces)
    if (!isOwn) this.#others.push(encryptor)
    return {
      cipher,
      encryptor,
      sealers: isOwn ? this.#sealers : await sealers(cipher, hash, wrappingKeys, this.name),
      snapshot: this.#snapshot,
      noActiveKey: (isSynced) => noActiveKey(this.name, isSynced),
      unverified: (id) => this.#unverified(id),
      refuseOld: () => {
        if (!this.#isOld()) return
        this.#snapshot.behind(() => this.#askAge())
        throw this.#tooOld()
      },
    }
  }

  /** The key of that id, active or not. @throws `ERR_KEY_NOT_FOUND`, `ERR_KEY_UNVERIFIED`. */
  async key(id: string): Promise<Ek1Key> {
    return (await this.#keyOf(await this.#snapshot.view(), id)) ?? this.#askedKey(id)
  }

  /** Nothing is asked while the sync that is known is young enough. */
  #isOld(): boolean {
    const { maxStalenessMs: most, clock } = this.#parts
    return typeof most === 'number' && ageOf(this.#syncedAt, clock.now()) > most
  }

  async #refuseOld(): Promise<void> {
    await this.#askAge()
    if (this.#isOld()) throw this.#tooOld()
  }

  /** At most once in the pause. */
  async #askAge(): Promise<void> {
    const { freshness, clock } = this.#parts
    if (ageOf(this.#syncAskedAt, clock.now(), STEP_MS) < freshness.pauseMs) return
    this.#syncAskedAt = clock.now()
    const status = await this.#parts.authority.call({ call: 'status', keyring: this.name })
    if (status.ok) this.#syncedAt = status.value.lastSuccess ?? Number.NEGATIVE_INFINITY
  }

  #tooOld(): KeyringError {
    const message = `The last sync of keyring "${this.name}" is older than KEYRING_MAX_STALENESS.`
    const remedy = 'Find out why syncs fail; decryption goes on.'
    return new KeyringError('ERR_SNAPSHOT_STALE', message, { remedy, facts: this.#snapshot.again })
  }

  /** "Unknown" is the authority's word, given now; without it the caller may try again. */
  async #askedKey(id: string): Promise<Ek1Key> {
    const key = (await this.#keyOf(await this.#askAuthority(id), id)) ?? (await this.#soughtKey(id))
    if (key === null)
      throw new KeyringError('ERR_KEY_NOT_FOUND', `The key "${id}" is not in keyring "${this.name}".`, {
        facts: { keyring: this.name, id },
      })
    return key
  }

  /** Vault may have it since the last sync. An authority that cannot be asked has said already that it has no such key. */
  async #soughtKey(id: string): Promise<Ek1Key | null> {
    const known = this.#snapshot.revision
    const sought = await this.#parts.authority.call({ call: 'seek', keyring: this.name, id })
    if (!sought.ok || sought.value === null) return null
    await this.#snapshot.adopt(sought.value, known)
    return this.#keyOf(await this.#snapshot.view(), id)
  }

  #keyOf(view: View | null, id: string | null): Awaitable<Ek1Key> | null {
    return view === null || id === null ? null : view.key(this.#parts.cipher, this.#sealers, id)
  }

  #unverified(id: string): KeyringError {
    const message = `Whether keyring "${this.name}" has the key "${id}" cannot be said now.`
    return new KeyringError('ERR_KEY_UNVERIFIED', message, { facts: { ...this.#snapshot.again, id } })
  }

  async #askAuthority(id: string) {
    const view = await this.#snapshot.ask().catch((error: unknown) => {
      throw error instanceof KeyringError && error.code !== 'ERR_INTERNAL' ? this.#unverified(id) : error
    })
    if (view === 'paused') throw this.#unverified(id)
    return view
  }
}
