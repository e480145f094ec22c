/** The small secrets of a login in the record store (`ekt1`, docs/formats.md): they are never in a replica, and never in the open. */
import { KeyringError, settle } from '../../core/errors.ts'
import { LEASE_MS } from '../../core/lease.ts'
import type { Clock, LoginItems, LoginItemsUnder, RecordStore, StoredRecord } from '../../core/ports.ts'
import type { ItemSealer } from '../../crypto/seal-item.ts'
import { parseSigned } from '../../crypto/wrapping.ts'
import type { SealedItems } from '../login/method.ts'
import { decodeState } from './record.ts'
import { SealedIndex, wrongKey } from './sealed-index.ts'
import { isLeased } from './state.ts'

export interface TokenItems extends SealedItems {
  /** The version, also of an item that does not open. 0 = it was never written. */
  version(name: string): Promise<number>
  /** Texts that tell texts apart and say nothing else about them: one under each wrapping key, the first's first. */
  fingerprints(text: string): Promise<readonly string[]>
}

/** The items of the login methods stand apart from the token, as `login/<name>`. */
export const loginItems = (items: SealedItems): SealedItems => ({
  read: (name) => items.read(`login/${name}`),
  write: (name, value, expected) => items.write(`login/${name}`, value, expected),
})

interface Parts {
  readonly store: RecordStore
  readonly clock: Clock
  readonly sealer: () => Promise<ItemSealer>
  readonly index: SealedIndex
}

/** @param open is called once, at the first use. */
export function sealedItems(
  store: RecordStore,
  clock: Clock,
  open: () => Promise<ItemSealer>,
): TokenItems & LoginItems {
  let opened: Promise<ItemSealer> | null = null
  const sealer = (): Promise<ItemSealer> => (opened ??= open())
  const index = new SealedIndex(store, sealer)
  const parts = { store, clock, sealer, index }
  /** Names that this instance has seen in the index when it read their items. */
  const named = new Set<string>()
  return {
    async read(name) {
      const stored = await store.get(name)
      if (stored === null) return null
      const value = await valueOf(parts, name, stored)
      if (!named.has(name)) await settle(() => index.add(name))
      named.add(name)
      return { value, version: stored.version }
    },

    async write(name, value, expected) {
      await index.add(name)
      const put = await store.put(name, await (await sealer()).seal(name, JSON.stringify(value)), expected)
      return put === 'conflict' ? put : put.version
    },

    version: async (name) => (await store.get(name))?.version ?? 0,
    fingerprints: async (text) => (await sealer()).fingerprints(text),

    async sealAnew() {
      await index.drop([])
      const sealed = new Map<string, Sealed>()
      for (const name of await index.names()) sealed.set(name, await sealItemAnew(parts, name))
      const all = [...sealed]
      const over = all.flatMap(([name, { isOver }]) => (isOver ? [name] : []))
      if (over.length > 0) await index.drop(over)
      return { ...idsOf(all), isDone: all.every(([, { isLeft }]) => !isLeft) }
    },
  }
}

async function valueOf({ sealer, index }: Parts, name: string, stored: StoredRecord): Promise<unknown> {
  const text = await settle(async () => (await sealer()).open(name, stored.bytes))
  if (text.ok) return JSON.parse(text.value)
  const { code, message, facts } = text.error
  const id = code === 'ERR_RECORD_INVALID' ? await idOf(stored) : null
  if (id !== null && (await index.isSealedWithOther(id))) throw wrongKey(id)
  throw new KeyringError(code, message, { facts })
}

/** Anew under the first wrapping key, but for what somebody is at work with: that one writes it soon. */
async function sealItemAnew(parts: Parts, name: string): Promise<Sealed> {
  const { store, clock, sealer } = parts
  const stored = await store.get(name)
  if (stored === null) return NOBODYS
  const [id, value] = [await idOf(stored), await settle(() => valueOf(parts, name, stored))]
  // A token that does not open counts as nothing, and a secret id that does not open is missed.
  if (!value.ok) return name.startsWith(TOKEN) ? NOBODYS : { ...NOBODYS, under: id }
  const use = useOf(name, value.value, clock.now())
  if (use === 'over') return { ...NOBODYS, isOver: true }
  const { keys, ...by } = await sealer()
  const [{ wrappingKeyId: first }] = keys
  if (id === first) return { ...NOBODYS, under: id }
  if (use === 'busy') return { ...NOBODYS, under: id, isLeft: true }
  const put = await store.put(name, await by.seal(name, JSON.stringify(value.value)), stored.version)
  return put === 'conflict' ? { ...NOBODYS, under: id, isLeft: true } : { ...NOBODYS, under: first }
}

const TOKEN = 'token/'

/** What came of one item. */
interface Sealed {
  /** The wrapping-key id that opens it; `null` = nobody needs it. */
  readonly under: string | null
  readonly isOver: boolean
  readonly isLeft: boolean
}
const NOBODYS: Sealed = { under: null, isOver: false, isLeft: false }

function idsOf(all: readonly (readonly [name: string, Sealed])[]): LoginItemsUnder {
  const under = (isToken: boolean) => [
    ...new Set(all.flatMap(([name, { under: id }]) => (id !== null && name.startsWith(TOKEN) === isToken ? [id] : []))),
  ]
  return { tokens: under(true), logins: under(false) }
}

async function idOf({ bytes }: StoredRecord): Promise<string | null> {
  const signed = await settle(() => parseSigned(bytes))
  return signed.ok ? signed.value.wrappingKeyId : null
}

/** 'busy' = somebody holds its version, and loses what he brings if that changes. 'over' = nobody needs it. */
function useOf(name: string, value: unknown, now: number): 'needed' | 'busy' | 'over' {
  if (!name.startsWith(TOKEN)) return isLeased(claimOf(value) + LEASE_MS, now) ? 'busy' : 'needed'
  const { token, lease } = decodeState(value)
  if (isLeased(lease, now)) return 'busy'
  return token === null || (token.expires !== null && token.expires <= now) ? 'over' : 'needed'
}

/** Since when somebody opens a wrapping token; 0 = nobody does. */
function claimOf(value: unknown): number {
  const claimed: unknown = (value as { claimed?: unknown } | null)?.claimed
  return typeof claimed === 'number' ? claimed : 0
}
