/** What one instance holds of a keyring: the verified record, and the keys opened so far. */
import type { Awaitable } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import { KeyringError, unwrap } from '../core/errors.ts'
import type { KeyringErrorCode } from '../core/errors.ts'
import type { Cipher, Clock, KeyringAuthority } from '../core/ports.ts'
import type { Ek1Key } from '../crypto/ek1.ts'
import { ek1Key } from '../crypto/ek1.ts'
import type { SealerSet } from '../crypto/seal.ts'
import type { KeyEntry, KeyringRecord, VerifiedRecord } from './record.ts'
import { verifyRecord } from './record.ts'

/** Set by the platform: how far the authority is. */
export interface Freshness {
  /** A snapshot younger than this is used as it is, in milliseconds. */
  readonly freshMs: number
  /** Between two refreshes that requests cause, in milliseconds; 0 = the authority is in this process. */
  readonly pauseMs: number
}

/** One revision, opened. */
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

  has(id: string): boolean {
    return this.#entries.has(id)
  }

  /** Opens a key at its first use. `null` = not in this revision. */
  key(cipher: Cipher, set: SealerSet, id: string): Awaitable<Ek1Key | null> {
    const entry = this.#entries.get(id)
    return this.#ready.get(id) ?? (entry === undefined ? null : this.#open(cipher, set, entry))
  }

  /** Keys that an earlier revision had opened. */
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

/** No promise is kept: on Workers one request must not wait for another's. */
export class Snapshot {
  readonly #authority: KeyringAuthority
  readonly #sealers: SealerSet
  readonly #clock: Clock
  readonly #keyring: string
  readonly #freshness: Freshness
  #view: View | null = null
  #checkedAt = Number.NEGATIVE_INFINITY
  #startedAt = Number.NEGATIVE_INFINITY
  #askedAt = Number.NEGATIVE_INFINITY
  #warning: KeyringErrorCode | null = null

  constructor(authority: KeyringAuthority, sealers: SealerSet, clock: Clock, keyring: string, freshness: Freshness) {
    this.#authority = authority
    this.#sealers = sealers
    this.#clock = clock
    this.#keyring = keyring
    this.#freshness = freshness
  }

  /** Why the last refresh failed, while an older snapshot serves. */
  get warning(): KeyringErrorCode | null {
    return this.#warning
  }

  /** Refreshed first when it is not fresh; if that fails, what is there. `null` = never synced. */
  view(): Awaitable<View | null> {
    const now = this.#clock.now()
    if (now - this.#checkedAt < this.#freshness.freshMs || (this.#view !== null && this.#isRefreshing(now)))
      return this.#view
    return this.#refreshOrKeep()
  }

  /** What the authority has now; what is there if it cannot say. */
  current(): Awaitable<View | null> {
    return this.#freshness.pauseMs === 0 ? this.view() : this.#refreshOrKeep()
  }

  /**
   * Asks the authority now, whatever is held. 'paused' = that was done just now: ids in a flood are random, so that
   * nothing but a pause holds one off. @throws what the authority answers.
   */
  async ask(): Promise<View | null | 'paused'> {
    const now = this.#clock.now()
    if (now - this.#askedAt < this.#freshness.pauseMs) return 'paused'
    this.#askedAt = now
    return this.#refresh()
  }

  /** Takes over what a sync or a change has answered. An older revision is refused. */
  async adopt(bytes: Bytes): Promise<void> {
    const verified = await verifyRecord(this.#sealers, this.#keyring, bytes)
    const held = this.#view?.record.revision ?? 0
    if (verified.record.revision < held) {
      throw new KeyringError(
        'ERR_RECORD_ROLLED_BACK',
        `The record of keyring "${this.#keyring}" is older than what this instance has seen.`,
      )
    }
    if (verified.record.revision > held) this.#view = new View(verified).inherit(this.#view)
    this.#checked()
  }

  /** The next request refreshes first. */
  expire(): void {
    this.#checkedAt = this.#startedAt = Number.NEGATIVE_INFINITY
  }

  #isRefreshing(now: number): boolean {
    return now - this.#startedAt < this.#freshness.pauseMs
  }

  #checked(): void {
    this.#checkedAt = this.#clock.now()
    this.#warning = null
  }

  async #refreshOrKeep(): Promise<View | null> {
    try {
      return await this.#refresh()
    } catch (error) {
      if (this.#view === null || !(error instanceof KeyringError)) throw error
      this.#warning = error.code
      return this.#view
    }
  }

  async #refresh(): Promise<View | null> {
    this.#startedAt = this.#clock.now()
    const answer = unwrap(await this.#authority.read(this.#keyring, this.#view?.record.revision ?? 0))
    if (answer === null || answer === 'unchanged') this.#checked()
    else await this.adopt(answer)
    return this.#view
  }
}
