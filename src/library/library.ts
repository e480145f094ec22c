/** A keyring in the process of whoever uses it: values in, values out, with an error of a stable code for what cannot be. */
import type { Awaitable } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import { decodeUtf8, utf8Again } from '../core/bytes.ts'
import type { Result } from '../core/errors.ts'
import { KeyringError } from '../core/errors.ts'
import type { AuditEvent, Clock } from '../core/ports.ts'
import { parseEk1 } from '../crypto/ek1.ts'
import type { Sealed, Used, ValueKeyring } from '../keyring/batch.ts'
import { outcomesOf, rewrapped, settleEach } from '../keyring/batch.ts'
import type { UsableKeyring } from '../keyring/usable.ts'
import type { Decrypted, Encrypted, SyncKeyring } from '../keyring/sync-keyring.ts'

/** Text stands for its UTF-8. */
export type Data = string | Uint8Array

/** What is absent of a context is the empty one. */
export interface PlainItem {
  readonly plaintext: Data
  readonly context?: Data
}

export interface SealedItem {
  readonly ciphertext: string
  readonly context?: Data
}

/** What was decrypted. */
export class Opened implements Decrypted {
  readonly plaintext: Bytes
  readonly keyId: string

  constructor({ plaintext, keyId }: Decrypted) {
    this.plaintext = plaintext
    this.keyId = keyId
  }

  /** @throws `ERR_TEXT_INVALID` for bytes that are no UTF-8. */
  get text(): string {
    const text = decodeUtf8(this.plaintext)
    if (text === null) throw new KeyringError('ERR_TEXT_INVALID', 'The plaintext is not UTF-8.')
    return text
  }
}

/** What a value says of itself; nothing of it is believed. */
export interface Inspected {
  readonly form: 'ek1'
  readonly keyId: string
  /** Of the plaintext. */
  readonly bytes: number
}

/** One use, or as many as a batch has of one outcome. There is no value in it. */
export type UseEvent = Pick<AuditEvent, 'time' | 'action' | 'keyring' | 'keyId' | 'count' | 'outcome' | 'code'>
export type AuditSink = (event: UseEvent) => void

/** For codecs that cannot wait. What it lacks it looks for behind, so that a later call may find it. */
export interface SyncFace {
  /** @throws `ERR_SNAPSHOT_STALE`, `ERR_NO_ACTIVE_KEY`, `ERR_TEXT_INVALID`. */
  encrypt(plaintext: Data, context?: Data): Encrypted
  /** @throws `ERR_SNAPSHOT_STALE`, `ERR_KEY_UNVERIFIED`, `ERR_CIPHERTEXT_INVALID`, `ERR_KEY_MISMATCH`, `ERR_DECRYPT_FAILED`. */
  decrypt(ciphertext: string, context?: Data): Opened
}

export interface LibraryParts {
  readonly keyring: UsableKeyring
  readonly index: (keyId: string, message: Bytes) => Promise<Bytes>
  readonly clock: Pick<Clock, 'now'>
  readonly audit: AuditSink | null
  /** `null` = this platform needs a cipher that answers at once, and was given none. */
  readonly synchronous: SyncKeyring | null
  /** Gives back what was opened for it. */
  readonly close: () => Awaitable<void>
}

export class LibraryKeyring implements AsyncDisposable {
  readonly #parts: LibraryParts
  readonly #sync: SyncFace | null
  #isClosed = false

  constructor(parts: LibraryParts) {
    this.#parts = parts
    this.#sync = parts.synchronous && this.#syncFace(parts.synchronous)
  }

  get name(): string {
    return this.#parts.keyring.name
  }

  /** What is open. @throws `ERR_STORE_UNAVAILABLE`. */
  get #open(): LibraryParts {
    if (!this.#isClosed) return this.#parts
    throw new KeyringError('ERR_STORE_UNAVAILABLE', 'The keyring was closed.', {
      remedy: 'Open it anew, or close it later.',
    })
  }

  /** Encrypts with the active key. Rejects with `ERR_NO_ACTIVE_KEY`, `ERR_SNAPSHOT_STALE`, `ERR_TEXT_INVALID`. */
  encrypt(plaintext: Data, context: Data = NO_CONTEXT): Promise<Encrypted> {
    return this.#noted('encrypt', () => this.#open.keyring.encrypt(dataOf(plaintext), bytesOf(context)))
  }

  /** Rejects with `ERR_CIPHERTEXT_INVALID`, `ERR_KEY_NOT_FOUND`, `ERR_KEY_UNVERIFIED`, `ERR_KEY_MISMATCH`, `ERR_DECRYPT_FAILED`. */
  async decrypt(ciphertext: string, context: Data = NO_CONTEXT): Promise<Opened> {
    // As `#noted` does it, written out: a decrypt is what is called most, and costs the least beside its cipher.
    let made: Decrypted
    try {
      const begun = this.#open.keyring.decrypt(textOf(ciphertext), bytesOf(context))
      made = begun instanceof Promise ? await begun : begun
    } catch (error) {
      this.#noteFailure('decrypt', error, 1)
      throw error
    }
    if (this.#parts.audit !== null) this.#note('decrypt', { keyId: made.keyId, code: null, count: 1 })
    return new Opened(made)
  }

  /** Encrypts anew what another key has encrypted; the plaintext is in memory alone. */
  rewrap(ciphertext: string, context: Data = NO_CONTEXT): Promise<Encrypted> {
    return this.#noted('rewrap', () =>
      rewrapped(this.#open.keyring, { ciphertext: textOf(ciphertext), context: bytesOf(context) }),
    )
  }

  /** In the order of the items, each with a result of its own. Rejects with what concerns all: `ERR_NO_ACTIVE_KEY`, `ERR_SNAPSHOT_STALE`. */
  encryptBatch(items: readonly PlainItem[]): Promise<readonly Result<Encrypted>[]> {
    return this.#batch('encrypt', items, (keyring, item) => {
      const { plaintext, context = NO_CONTEXT } = fieldsOf(item)
      return keyring.encrypt(dataOf(plaintext), bytesOf(context))
    })
  }

  decryptBatch(items: readonly SealedItem[]): Promise<readonly Result<Opened>[]> {
    return this.#batch('decrypt', items, (keyring, item) => {
      const { ciphertext, context } = sealedOf(item)
      const decrypted = keyring.decrypt(ciphertext, context)
      return decrypted instanceof Promise ? decrypted.then(opened) : opened(decrypted)
    })
  }

  rewrapBatch(items: readonly SealedItem[]): Promise<readonly Result<Encrypted>[]> {
    return this.#batch('rewrap', items, (keyring, item) => rewrapped(keyring, sealedOf(item)))
  }

  /** Whether another key than the active one has encrypted it. Rejects with `ERR_CIPHERTEXT_INVALID`, `ERR_NO_ACTIVE_KEY`. */
  async needsRewrap(ciphertext: string): Promise<boolean> {
    const { keyId } = inspect(ciphertext)
    const active = await this.#open.keyring.activeId()
    return keyId !== active
  }

  /** HMAC under the key of that id, for `lookups`. */
  async index(keyId: string, message: Bytes): Promise<Bytes> {
    return this.#open.index(keyId, message)
  }

  /** @throws `ERR_CONFIG_INVALID` where this platform was not given what it needs. */
  get sync(): SyncFace {
    if (this.#sync !== null) return this.#sync
    throw new KeyringError('ERR_CONFIG_INVALID', 'There is no cipher here that answers at once.', {
      remedy:
        'Open the keyring with {synchronous: nodeCipher}, from edge-keyring/node-crypto, which needs nodejs_compat.',
    })
  }

  /** For whoever has restored an image of this process: nonces that were drawn before are forgotten. */
  reset(): void {
    this.#parts.keyring.reset()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#parts.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #syncFace(keyring: SyncKeyring): SyncFace {
    const open = () => this.#open && keyring
    return {
      encrypt: (plaintext, context = NO_CONTEXT) =>
        this.#notedAtOnce('encrypt', () => open().encrypt(dataOf(plaintext), bytesOf(context))),
      decrypt: (ciphertext, context = NO_CONTEXT) =>
        new Opened(this.#notedAtOnce('decrypt', () => open().decrypt(textOf(ciphertext), bytesOf(context)))),
    }
  }

  async #batch<Item, Made extends { readonly keyId: string }>(
    action: Action,
    items: readonly Item[],
    work: (keyring: ValueKeyring, item: Item) => Awaitable<Made>,
  ): Promise<readonly Result<Made>[]> {
    const all = listOf(items)
    let results: readonly Result<Made>[]
    try {
      results = await settleEach(this.#open.keyring, all, work)
    } catch (error) {
      this.#noteFailure(action, error, all.length)
      throw error
    }
    if (this.#parts.audit !== null) for (const used of outcomesOf(results)) this.#note(action, used)
    return results
  }

  /** One promise for each value, since that is most of what a call costs beside its cipher. */
  async #noted<Made extends { readonly keyId: string }>(action: Action, work: () => Awaitable<Made>): Promise<Made> {
    let made: Made
    try {
      const begun = work()
      made = begun instanceof Promise ? await begun : begun
    } catch (error) {
      this.#noteFailure(action, error, 1)
      throw error
    }
    if (this.#parts.audit !== null) this.#note(action, { keyId: made.keyId, code: null, count: 1 })
    return made
  }

  #notedAtOnce<Made extends { readonly keyId: string }>(action: Action, work: () => Made): Made {
    let made: Made
    try {
      made = work()
    } catch (error) {
      this.#noteFailure(action, error, 1)
      throw error
    }
    if (this.#parts.audit !== null) this.#note(action, { keyId: made.keyId, code: null, count: 1 })
    return made
  }

  #noteFailure(action: Action, error: unknown, count: number): void {
    if (this.#parts.audit !== null && error instanceof KeyringError)
      this.#note(action, { keyId: null, code: error.code, count })
  }

  #note(action: Action, { keyId, code, count }: Used): void {
    const outcome = code === null ? 'ok' : 'failed'
    this.#parts.audit?.({ time: this.#parts.clock.now(), action, keyring: this.name, keyId, count, outcome, code })
  }
}

const opened = (decrypted: Decrypted): Opened => new Opened(decrypted)

type Action = 'encrypt' | 'decrypt' | 'rewrap'

/** Key id, form and length of a value. Nobody is asked. @throws `ERR_CIPHERTEXT_INVALID`. */
export function inspect(ciphertext: string): Inspected {
  const { id, payload } = parseEk1(textOf(ciphertext))
  return { form: 'ek1', keyId: id, bytes: payload.length - ADDED_BYTES }
}

/** Commitment, nonce and tag. */
const ADDED_BYTES = 56
const NO_CONTEXT: Bytes = new Uint8Array()

/** A program in JavaScript may give what has no length, or change its list meanwhile. @throws `ERR_REQUEST_INVALID`. */
function listOf<Item>(items: Iterable<Item> | null | undefined): readonly Item[] {
  if (Symbol.iterator in Object(items)) return [...(items as Iterable<Item>)]
  throw new KeyringError('ERR_REQUEST_INVALID', 'A batch is no list.')
}

/** A program in JavaScript may give what is no item: it has no value. */
const fieldsOf = <Item>(item: Item | null | undefined): Partial<Item> => item ?? {}

const sealedOf = (item: SealedItem): Sealed => {
  const { ciphertext, context = NO_CONTEXT } = fieldsOf(item)
  return { ciphertext: textOf(ciphertext), context: bytesOf(context) }
}

function dataOf(value: unknown, what = 'value'): Bytes | string {
  if (typeof value === 'string' || value instanceof Uint8Array) return value as Bytes | string
  throw new KeyringError('ERR_REQUEST_INVALID', `A ${what} is neither text nor bytes.`)
}

function bytesOf(context: unknown): Bytes {
  const data = dataOf(context, 'context')
  if (typeof data !== 'string') return data
  if (data.isWellFormed()) return utf8Again(data)
  throw new KeyringError('ERR_TEXT_INVALID', 'A context has a lone surrogate.')
}

function textOf(ciphertext: unknown): string {
  if (typeof ciphertext === 'string') return ciphertext
  throw new KeyringError('ERR_CIPHERTEXT_INVALID', 'The value is no text.')
}
