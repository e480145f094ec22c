/**
 * Draws the nonces of `ek1` and seals with them. Values that one process writes within a short time share the first 12 bytes of
 * their nonces, and so the key that XAES derives from these; the other 12 are drawn for each. docs/formats.md has the bound.
 */
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import { copyBytes } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import type { Cipher, Clock, MessageKey, NonceRules } from '../core/ports.ts'
import { STEP_MS, ageOf } from '../core/time.ts'
import type { Ek1Key } from './ek1.ts'
import { sealEk1 } from './ek1.ts'
import { NONCE_BYTES, PREFIX_BYTES } from './xaes.ts'

/** So many values share a beginning at most, */
const MOST_VALUES = 65_536
/** for so long, in milliseconds, */
const LIFE_MS = 600_000
/** and not after such a pause, in milliseconds: what rests may have been frozen, copied and woken twice. */
const IDLE_MS = 1000
const REST_BYTES = NONCE_BYTES - PREFIX_BYTES
/** So many ends are drawn together at most: the platform gives no more than 65,536 bytes at a time. */
const MOST_AT_ONCE = 4096

/** Safe on every platform, also where a process may be frozen and copied. */
export const NOTHING_AHEAD: NonceRules = {
  ahead: 0,
  unlinkable: false,
  invocation: () => 0,
  fresh: (length) => crypto.getRandomValues(new Uint8Array(length)),
}

/** The ends of nonces that are drawn together. */
export interface Ends {
  /** So many bytes at a time; 0 = each end is drawn for its value. */
  readonly length: number
  bytes: Bytes
  /** Where the next one begins. */
  next: number
}

/** The values of one key that share the beginning of their nonces. */
interface Run {
  readonly prefix: Bytes
  readonly messageKey: MessageKey
  readonly began: number
  readonly invocation: string | number
  /** Values that may still follow. */
  left: number
  usedAt: number
  /** Drawn ahead. */
  readonly ends: Ends
}

export class Encryptor {
  readonly #cipher: Cipher
  readonly #clock: Pick<Clock, 'now'>
  readonly #rules: NonceRules
  #runs = new WeakMap<Ek1Key, Run>()
  /** Goes into all that is drawn; zero until somebody asks for a reset. */
  #mixed = new Uint8Array(NONCE_BYTES)

  constructor(cipher: Cipher, clock: Pick<Clock, 'now'>, rules: NonceRules = NOTHING_AHEAD) {
    this.#cipher = cipher
    this.#clock = clock
    this.#rules = rules
  }

  /** For whoever has restored an image of this process: what its generator gives, another copy may be given as well. */
  reset(): void {
    this.#runs = new WeakMap()
    const fresh = new Uint8Array(NONCE_BYTES)
    copyBytes(NONCE_BYTES, this.#rules.fresh(NONCE_BYTES), 0, fresh)
    this.#mixed = this.#mixed.map((byte, index) => byte ^ (fresh[index] ?? 0))
  }

  /** For so many values that follow at once: of what is drawn for them nothing stays behind. */
  endsFor(values: number): Ends {
    const { ahead, unlinkable } = this.#rules
    const most = unlinkable || ahead === 0 ? 0 : MOST_AT_ONCE
    const count = Number.isSafeInteger(values) && values > 0 ? Math.min(values, most) : 0
    return { length: count * REST_BYTES, bytes: new Uint8Array(), next: 0 }
  }

  /** @param ends absent = those that were drawn ahead. @throws `ERR_TEXT_INVALID` for text that UTF-8 cannot carry. */
  encrypt(key: Ek1Key, plaintext: Bytes | string, context: Bytes, ends?: Ends): Awaitable<string> {
    if (typeof plaintext === 'string' && !plaintext.isWellFormed())
      throw new KeyringError('ERR_TEXT_INVALID', 'The plaintext has a lone surrogate.')
    const run = this.#run(key)
    return run instanceof Promise
      ? run.then((run) => this.#sealed(run, key, plaintext, context, ends))
      : this.#sealed(run, key, plaintext, context, ends)
  }

  #sealed(run: Run, key: Ek1Key, plaintext: Bytes | string, context: Bytes, ends = run.ends): Awaitable<string> {
    return sealEk1(this.#cipher, key, run.messageKey, this.#nonce(run, ends), plaintext, context)
  }

  /** One that may go on, with this value counted, or a new one. */
  #run(key: Ek1Key): Awaitable<Run> {
    const run = this.#runs.get(key)
    const now = this.#clock.now()
    if (run === undefined || !this.#mayGoOn(run, now)) return this.#begin(key, now)
    run.left -= 1
    run.usedAt = now
    return run
  }

  #mayGoOn({ left, usedAt, began, invocation }: Run, now: number): boolean {
    if (left === 0 || invocation !== this.#rules.invocation()) return false
    return ageOf(usedAt, now, STEP_MS) <= IDLE_MS && ageOf(began, now, STEP_MS) < LIFE_MS
  }

  /** Whoever comes while a key is derived begins another run: requests on Workers cannot wait for each other. */
  #begin(key: Ek1Key, now: number): Awaitable<Run> {
    const { ahead, unlinkable } = this.#rules
    const [runs, invocation] = [this.#runs, this.#rules.invocation()]
    const prefix = this.#drawn(PREFIX_BYTES, 0)
    const ends = this.endsFor(ahead)
    return andThen(this.#cipher.messageKey(key.cipherKey, prefix), (messageKey) => {
      const left = MOST_VALUES - 1
      const run = { prefix, messageKey, began: now, invocation, left, usedAt: now, ends }
      if (!unlinkable) runs.set(key, run)
      return run
    })
  }

  #nonce({ prefix }: Run, ends: Ends): Bytes {
    if (ends.length === 0) return nonceOf(prefix, this.#drawn(REST_BYTES, PREFIX_BYTES), 0)
    if (ends.next + REST_BYTES > ends.bytes.length) {
      ends.bytes = this.#drawn(ends.length, PREFIX_BYTES)
      ends.next = 0
    }
    const nonce = nonceOf(prefix, ends.bytes, ends.next)
    ends.next += REST_BYTES
    return nonce
  }

  /** @param from where its bytes stand in a nonce. */
  #drawn(length: number, from: number): Bytes {
    const bytes = crypto.getRandomValues(new Uint8Array(length))
    for (let index = 0; index < length; index += 1)
      bytes[index] = (bytes[index] ?? 0) ^ (this.#mixed[from + (index % REST_BYTES)] ?? 0)
    return bytes
  }
}

/** @param from where the end of the nonce is. */
function nonceOf(prefix: Bytes, pool: Bytes, from: number): Bytes {
  const nonce = new Uint8Array(NONCE_BYTES)
  copyBytes(PREFIX_BYTES, prefix, 0, nonce)
  copyBytes(REST_BYTES, pool, from, nonce, PREFIX_BYTES)
  return nonce
}
