/** What is stored of the secrets of one vault entity: each sealed, under a name that says nothing, and forgotten in its time. */
import type { Bytes } from '../core/bytes.ts'
import { errorData, settle } from '../core/errors.ts'
import type { SecretName } from '../core/vault-operations.ts'
import type { Clock } from '../core/ports.ts'
import type { ItemStore, ListedSecret, SecretBackend, SecretRules, StoredItem } from '../core/secrets.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import type { SecretState } from './life.ts'
import { NOTED_MS, expiryOf, nothingKnown, withFailure } from './life.ts'
import { itemName, openState, sealState, stateIn } from './state.ts'

/** A vault entity, as far as its secrets go. */
export interface KeeperEntity {
  readonly prefix: string
  readonly type: string
  /** All that says where secrets are read from: another text, and nothing that is stored counts. */
  readonly identity: string
  /** The same but for the address. */
  readonly source: string
  readonly rules: SecretRules
  readonly isBase64: boolean
  /** `null` = it is not asked from here: what it says is handed over. */
  readonly backend: SecretBackend | null
  readonly listed: readonly ListedSecret[]
}

export interface LoadedSecret {
  readonly state: SecretState
  /** 0 = nothing is stored. */
  readonly version: number
  readonly bytes: Bytes | null
}

/** Secrets of one page of what is kept. */
const PAGE = 100

export class Shelf {
  readonly entity: KeeperEntity
  readonly #items: ItemStore
  readonly #clock: Clock
  readonly #sealer: ItemSealer

  constructor({ items, clock }: { items: ItemStore; clock: Clock }, entity: KeeperEntity, sealer: ItemSealer) {
    this.#items = items
    this.#clock = clock
    this.entity = entity
    this.#sealer = sealer
  }

  nameOf(name: SecretName): Promise<string> {
    return itemName(this.#sealer, this.entity.identity, name)
  }

  seal(item: string, state: SecretState): Promise<Bytes> {
    return sealState(this.#sealer, item, state)
  }

  open(item: string, bytes: Bytes): Promise<SecretState> {
    return openState(this.#sealer, item, bytes)
  }

  /** Items from behind `after` on. `next` null = this was the last page. */
  async page(after: string): Promise<{ readonly items: readonly string[]; readonly next: string | null }> {
    const items = await this.#items.list(this.entity.prefix, after, PAGE)
    return { items, next: items.length < PAGE ? null : (items.at(-1) ?? null) }
  }

  due(time: number, most: number): Promise<readonly string[]> {
    return this.#items.due(this.entity.prefix, time, most)
  }

  async load(item: string, name: SecretName): Promise<LoadedSecret> {
    const { bytes = null, version = 0 } = (await this.#items.get(this.entity.prefix, item)) ?? {}
    const state = await stateIn(this.#sealer, item, bytes)
    return { state: state ?? nothingKnown(name, this.#clock.now()), version, bytes: state && bytes }
  }

  /** What is stored, whatever it is called. `state` null = it was written for other settings of the entity, and does not count. */
  async look(item: string): Promise<{ readonly state: SecretState | null; readonly version: number } | null> {
    const stored = await this.#items.get(this.entity.prefix, item)
    if (stored === null) return null
    const state = await stateIn(this.#sealer, item, stored.bytes)
    const isOurs = state !== null && (await this.nameOf(state)) === item
    return { state: isOurs ? state : null, version: stored.version }
  }

  /** Once a day it is written down that somebody wants it, so that it is not forgotten. */
  async note(item: string, { state, version }: LoadedSecret): Promise<void> {
    const now = this.#clock.now()
    if (now - state.asked >= NOTED_MS) await settle(() => this.put(item, { ...state, asked: now }, version))
  }

  /** What has another version stays. */
  forget(item: string, version: number): Promise<void> {
    return this.#items.delete(this.entity.prefix, item, version)
  }

  /** `null` = somebody else has written. */
  async put(item: string, state: SecretState, expected: number): Promise<StoredItem | null> {
    const { prefix, rules, backend } = this.entity
    // The schedule renews what there is; what there is not is asked for by those who want it.
    const due = state.found?.kind === 'secret' && backend !== null ? state.due : Number.POSITIVE_INFINITY
    const times = { due, expires: expiryOf(state, rules, this.#clock.now(), backend === null) }
    const bytes = await this.seal(item, state)
    const version = await this.#items.put(prefix, item, bytes, expected, times)
    return version === 'conflict' ? null : { bytes, version }
  }

  /** What cannot be kept is a failure like others: nobody is asking any longer. `null` = somebody else has written. */
  async keep(item: string, next: SecretState, before: SecretState, version: number): Promise<Bytes | null> {
    const kept = await settle(() => this.put(item, next, version))
    if (kept.ok) return kept.value?.bytes ?? null
    const error = kept.error.code === 'ERR_RECORD_TOO_LARGE' ? TOO_LARGE : kept.error
    const without = withFailure(before, error, this.#clock.now())
    return (await this.put(item, without, version))?.bytes ?? null
  }
}

const TOO_LARGE = errorData('ERR_SECRET_UNUSABLE', 'The secret is larger than what can be kept of one.', {
  remedy: 'Divide the secret.',
})

export const ABSENT = errorData('ERR_SECRET_NOT_FOUND', 'The vault has no such secret any more, or none for us.')
