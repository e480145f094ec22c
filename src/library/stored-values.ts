/**
 * Values of references out of what a deployment keeps, for whoever holds its wrapping key, or the one that was derived for a vault. It
 * goes by the rules of the deployment: how a vault is set up there is described beside its secrets (`secrets/description.ts`).
 */
import type { Awaitable } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import type { ErrorData, Result } from '../core/errors.ts'
import { KeyringError, errorFrom, settle } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import type { ItemStore } from '../core/secrets.ts'
import { ageOf, isAhead } from '../core/time.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import type { Reference } from '../references/grammar.ts'
import { parseReference, readReference } from '../references/grammar.ts'
import { splitFor } from '../references/split.ts'
import type { Description } from '../secrets/description.ts'
import { descriptionNames, openDescription } from '../secrets/description.ts'
import { inTurns } from '../secrets/in-turns.ts'
import type { SecretState } from '../secrets/life.ts'
import { NOTED_MS, endOf } from '../secrets/life.ts'
import type { ReplicaCopies } from '../secrets/replica-copies.ts'
import { itemNames, stateIn } from '../secrets/state.ts'
import { noSecret, valueOf } from '../secrets/value.ts'
import type { KeptValue, KeptValues, KnownValue } from './references.ts'
import { FRESH_MS } from './references.ts'

/** The sealed items of one vault. */
export interface KeptItems {
  get(name: string): Awaitable<Bytes | null>
  /** They may be used while the deployment can be asked. */
  readonly isCurrent: boolean
  /** Of when they are, in milliseconds since 1970; Infinity = of now. */
  readonly time: number
  /** Until then they may be used. */
  readonly ends: number
}

/** `null` = there are none to go by. */
export type OpenItems = (vault: string, sealer: ItemSealer) => Promise<KeptItems | null>

export const itemsOfStore =
  (store: Pick<ItemStore, 'get'>): OpenItems =>
  async (vault) => ({
    get: async (name) => (await store.get(vault, name))?.bytes ?? null,
    isCurrent: true,
    time: Number.POSITIVE_INFINITY,
    ends: Number.POSITIVE_INFINITY,
  })

/** @param mostMs how old a copy may be. @param invalid why that of a vault could not be believed. */
export const itemsOfCopies =
  (copies: ReplicaCopies, mostMs: number, invalid: ReadonlyMap<string, ErrorData>): OpenItems =>
  async (vault, sealer) => {
    const copy = await copies.of(vault, sealer)
    const error = invalid.get(vault)
    if (copy === null && error !== undefined) throw keyTrouble(error)
    if (copy === null) return null
    const { states, time } = copy
    return { get: (name) => states.get(name) ?? null, isCurrent: copies.isYoung(copy), time, ends: time + mostMs + 1 }
  }

interface StoredValuesParts {
  readonly items: OpenItems
  readonly clock: Pick<Clock, 'now'>
  readonly sealer: (vault: string) => Promise<ItemSealer>
  readonly close?: () => Awaitable<void>
}

/** A vault, as it is described under one of the wrapping keys. */
interface Described {
  readonly description: Description
  readonly key: number
}

/** A vault during one look. */
interface Looked {
  readonly sealer: ItemSealer
  readonly items: KeptItems
  /** Empty = nothing describes it. */
  readonly described: readonly Described[]
  /** Each secret is read once, so that two fields of it never come from two versions. */
  readonly states: Map<string, Promise<Found | null>>
}

/** A state, and the description by which it was found. */
interface Found {
  readonly state: SecretState
  readonly description: Description
}

/** So many items are read at once. */
const AT_ONCE = 10

export class StoredValues implements KeptValues {
  readonly #parts: StoredValuesParts
  readonly #sealers = new Map<string, ItemSealer>()
  readonly #described = new Map<string, { readonly all: readonly Described[]; readonly at: number }>()

  constructor(parts: StoredValuesParts) {
    this.#parts = parts
  }

  async look(references: readonly string[]): Promise<readonly Result<KeptValue | null>[]> {
    const vaults = new Map<string, Promise<Looked | null>>()
    return inTurns(references, AT_ONCE, (text) => settle(() => this.#kept(text, vaults)))
  }

  endOf(text: string, at: number): number {
    const parsed = parseReference(text)
    const [described] = (parsed.ok && this.#described.get(parsed.reference.vault)?.all) || []
    if (described === undefined) return Number.POSITIVE_INFINITY
    return endOf({ found: { kind: 'secret', text: '' }, at }, described.description.rules, 'stale')
  }

  async close(): Promise<void> {
    await this.#parts.close?.()
  }

  async #kept(text: string, vaults: Map<string, Promise<Looked | null>>): Promise<KeptValue | null> {
    const written = readReference(text)
    const vault = await once(vaults, written.vault, () => this.#vault(written.vault))
    if (vault === null) return null
    const { items, described } = vault
    const now = this.#parts.clock.now()
    const found = (await Promise.all(described.map((one) => foundBy(one, written, vault)))).filter(
      (one) => one !== null,
    )
    // Of a clock that is ahead it says nothing.
    const [latest] = found
      .filter(({ state }) => state.found !== null && !isAhead(state.at, now))
      .toSorted((one, other) => other.state.at - one.state.at)
    return { known: latest === undefined ? null : await knownOf(latest, written, items, now), time: items.time }
  }

  async #vault(prefix: string): Promise<Looked | null> {
    const sealer = this.#sealers.get(prefix) ?? (await this.#parts.sealer(prefix))
    const items = await this.#parts.items(prefix, sealer)
    if (items === null) return null
    const described = await this.#describedIn(prefix, sealer, items)
    // Of names that somebody invents nothing is held.
    if (described.length > 0) this.#sealers.set(prefix, sealer)
    return { described, sealer, items, states: new Map() }
  }

  /**
   * They are read once a minute. One under an earlier wrapping key may still be there, and until the next day it is not known to be the
   * earlier one: then each counts. One of a clock that was ahead counts where there is no other.
   */
  async #describedIn(prefix: string, sealer: ItemSealer, items: KeptItems): Promise<readonly Described[]> {
    const held = this.#described.get(prefix)
    const at = this.#parts.clock.now()
    if (held !== undefined && ageOf(held.at, at, 0) < FRESH_MS) return held.all
    const found = (await descriptionNames(sealer)).map(async (name, key): Promise<Described[]> => {
      const bytes = await items.get(name)
      const opened = bytes && (await settle(() => openDescription(sealer, name, bytes)))
      return opened?.ok ? [{ description: opened.value, key }] : []
    })
    const rankOf = ({ description: { time } }: Described) => (isAhead(time, at) ? Number.NEGATIVE_INFINITY : time)
    const opened = (await Promise.all(found)).flat()
    const latest = Math.max(...opened.map(rankOf))
    const all = opened.filter((one) => rankOf(one) === latest)
    if (all.length === 0) this.#described.delete(prefix)
    else this.#described.set(prefix, { all, at })
    return all
  }
}

/** Why nothing opens. Nobody but the deployment can tell another key from bytes that were altered. */
const keyTrouble = (error: ErrorData): KeyringError =>
  error.code === 'ERR_RECORD_INVALID'
    ? new KeyringError('ERR_WRAPPING_KEY_WRONG', 'What is kept was sealed under another key of this id, or altered.')
    : errorFrom(error)

/** Each secret is read once. */
function foundBy(
  { description, key }: Described,
  written: Reference,
  { sealer, items, states }: Looked,
): Promise<Found | null> {
  const name = { resource: splitFor(description.type)(written).resource, version: written.version }
  return once(states, JSON.stringify([key, name]), async () => {
    const item = (await itemNames(sealer, description.identity, name))[key] ?? ''
    const state = await stateIn(sealer, item, await items.get(item))
    return state && { state, description }
  })
}

function once<T>(made: Map<string, Promise<T>>, name: string, make: () => Promise<T>): Promise<T> {
  const known = made.get(name) ?? make()
  made.set(name, known)
  return known
}

async function knownOf(
  { state, description: { type, rules, isBase64 } }: Found,
  written: Reference,
  { isCurrent, ends }: KeptItems,
  now: number,
): Promise<KnownValue> {
  const { found, at } = state
  const result = await settle(() => {
    if (found?.kind !== 'secret') throw noSecret(found?.kind ?? 'absent')
    return valueOf(found.text, splitFor(type)(written).key, isBase64)
  })
  // Once a day the deployment hears that somebody wants it: else it would forget it.
  const isUsed = isCurrent && now - state.asked < NOTED_MS
  const until = isUsed ? Math.min(now + FRESH_MS, endOf(state, rules, 'fresh')) : now
  return { result, at, until, serves: Math.min(endOf(state, rules, 'stale'), ends) }
}
