/** The small secrets of a login in the record store (`ekt1`, docs/formats.md): they are never in a replica, and never in the open. */
import type { RecordStore } from '../../core/ports.ts'
import type { ItemSealer } from '../../crypto/seal-item.ts'
import type { SealedItems } from '../login/method.ts'

export interface TokenItems extends SealedItems {
  /** The version, also of an item that does not open. 0 = it was never written. */
  version(name: string): Promise<number>
  /** A text that tells texts apart and says nothing else about them. */
  fingerprint(text: string): Promise<string>
}

/** The items of the login methods stand apart from the token, as `login/<name>`. */
export const loginItems = (items: SealedItems): SealedItems => ({
  read: (name) => items.read(`login/${name}`),
  write: (name, value, expected) => items.write(`login/${name}`, value, expected),
})

/** @param open is called once, at the first use. */
export function sealedItems(store: RecordStore, open: () => Promise<ItemSealer>): TokenItems {
  let opened: Promise<ItemSealer> | null = null
  const sealer = (): Promise<ItemSealer> => (opened ??= open())
  return {
    async read(name) {
      const stored = await store.get(name)
      if (stored === null) return null
      const value: unknown = JSON.parse(await (await sealer()).open(name, stored.bytes))
      return { value, version: stored.version }
    },

    async write(name, value, expected) {
      const put = await store.put(name, await (await sealer()).seal(name, JSON.stringify(value)), expected)
      return put === 'conflict' ? put : put.version
    },

    version: async (name) => (await store.get(name))?.version ?? 0,
    fingerprint: async (text) => (await sealer()).fingerprint(text),
  }
}
