/**
 * Values of references out of what a deployment keeps, for whoever holds its wrapping key, or the one that was derived for a vault. It
 * goes by the rules of the deployment: how a vault is set up there is described beside its secrets (`secrets/description.ts`).
 */
import type { Awaitable } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import type { Result } from '../core/errors.ts'
import { settle } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import type { ItemStore } from '../core/secrets.ts'
import { ageOf, isAhead } from '../core/time.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import { readReference } from '../references/grammar.ts'
import { splitFor } from '../references/split.ts'
import type { Description } from '../secrets/description.ts'
import { descriptionNames, openDescription } from '../secrets/description.ts'
import { inTurns } from '../secrets/in-turns.ts'
import type { SecretState } from '../secrets/life.ts'
import { NOTED_MS, endOf } from '../secrets/life.ts'
import type { ReplicaCopies } from '../secrets/replica-copies.ts'
import { itemNames, stateIn } from '../secrets/state.ts'
import { noSecret, valueOf } from '../secrets/value.ts'
import type { KeptValues, KnownValue } from './references.ts'
import { FRESH_MS } from './references.ts'

/** The sealed items of one vault. */
export interface KeptItems {
  get(name: string): Awaitable<Bytes | null>
  /** They may be used while the deployment can be asked. */
  readonly isCurrent: boolean
}

/** `null` = there are none to go by. */
export type OpenItems = (vault: string, sealer: ItemSealer) => Promise<KeptItems | null>

export const itemsOfStore =
  (store: Pick<ItemStore, 'get'>): OpenItems =>
  async (vault) => ({ get: async (name) => (await store.get(vault, name))?.bytes ?? null, isCurrent: true })

export const itemsOfCopies =
  (copies: ReplicaCopies): OpenItems =>
  async (vault, sealer) => {
    const copy = await copies.of(vault, sealer)
    return copy && { get: (name) => copy.states.get(name) ?? null, isCurrent: copies.isYoung(copy) }
  }

interface StoredValuesParts {
  readonly items: OpenItems
  readonly clock: Pick<Clock, 'now'>
  readonly sealer: (vault: string) => Promise<ItemSealer>
  readonly close?: () => Awaitable<void>
}

/** A vault, as it is described. */
interface Described {
  readonly description: Description
  /** Which of the wrapping keys is the first one of the deployment. */
  readonly key: number
  readonly at: number
}

/** A vault during one look. */
interface Looked extends Described {
  readonly sealer: ItemSealer
  readonly items: KeptItems
  /** Each secret is read once, so that two fields of it never come from two versions. */
  readonly states: Map<string, Promise<SecretState | null>>
}

/** So many items are read at once. */
const AT_ONCE = 10

export class StoredValues implements KeptValues {
  readonly #parts: StoredValuesParts
  readonly #sealers = new Map<string, ItemSealer>()
  readonly #described = new Map<string, Described>()

  constructor(parts: StoredValuesParts) {
    this.#parts = parts
  }

  async look(references: readonly string[]): Promise<readonly Result<KnownValue | null>[]> {
    const vaults = new Map<string, Promise<Looked | null>>()
    return inTurns(references, AT_ONCE, (text) => settle(() => this.#known(text, vaults)))
  }

  async close(): Promise<void> {
    await this.#parts.close?.()
  }

  async #known(text: string, vaults: Map<string, Promise<Looked | null>>): Promise<KnownValue | null> {
    const written = readReference(text)
    const vault = await once(vaults, written.vault, () => this.#vault(written.vault))
    if (vault === null) return null
    const { type, identity } = vault.description
    const { resource, key } = splitFor(type)(written)
    const name = { resource, version: written.version }
    const state = await once(vault.states, JSON.stringify(name), async () => {
      const item = (await itemNames(vault.sealer, identity, name))[vault.key] ?? ''
      return stateIn(vault.sealer, item, await vault.items.get(item))
    })
    return state && knownOf(state, key, vault, this.#parts.clock.now())
  }

  async #vault(prefix: string): Promise<Looked | null> {
    const sealer = this.#sealers.get(prefix) ?? (await this.#parts.sealer(prefix))
    this.#sealers.set(prefix, sealer)
    const items = await this.#parts.items(prefix, sealer)
    const described = items && (await this.#describedIn(prefix, sealer, items))
    return described && { ...described, sealer, items, states: new Map() }
  }

  /** It is read once a minute. One under an earlier wrapping key may still be there. */
  async #describedIn(prefix: string, sealer: ItemSealer, items: KeptItems): Promise<Described | null> {
    const held = this.#described.get(prefix)
    const at = this.#parts.clock.now()
    if (held !== undefined && ageOf(held.at, at, 0) < FRESH_MS) return held
    const all = (await descriptionNames(sealer)).map(async (name, key): Promise<Described[]> => {
      const bytes = await items.get(name)
      const opened = bytes && (await settle(() => openDescription(sealer, name, bytes)))
      return opened?.ok ? [{ description: opened.value, key, at }] : []
    })
    const found = (await Promise.all(all)).flat()
    const [latest = null] = found.toSorted((one, other) => other.description.time - one.description.time)
    if (latest === null) this.#described.delete(prefix)
    else this.#described.set(prefix, latest)
    return latest
  }
}

function once<T>(made: Map<string, Promise<T>>, name: string, make: () => Promise<T>): Promise<T> {
  const known = made.get(name) ?? make()
  made.set(name, known)
  return known
}

/** `null` = the vault has not answered yet, or by a clock that is ahead. */
async function knownOf(
  state: SecretState,
  key: string | null,
  { description: { rules, isBase64 }, items }: Looked,
  now: number,
): Promise<KnownValue | null> {
  const { found, at } = state
  if (found === null || isAhead(at, now)) return null
  const result = await settle(() => {
    if (found.kind !== 'secret') throw noSecret(found.kind)
    return valueOf(found.text, key, isBase64)
  })
  // Once a day the deployment hears that somebody wants it: else it would forget it.
  const isUsed = items.isCurrent && now - state.asked < NOTED_MS
  const until = isUsed ? Math.min(now + FRESH_MS, endOf(state, rules, 'fresh')) : now
  return { result, at, until, serves: endOf(state, rules, 'stale') }
}
