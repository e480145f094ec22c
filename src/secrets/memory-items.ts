/** The store of secrets that keeps nothing: for tests, and for what need not outlive the process. */
import { refuseLargeRecord } from '../core/record-size.ts'
import type { ItemStore, ItemTimes, StoredItem } from '../core/secrets.ts'

export function memoryItems(now: () => number): ItemStore & { readonly size: () => number } {
  const groups = new Map<string, Map<string, StoredItem & ItemTimes>>()
  const groupOf = (group: string) => {
    const items = groups.get(group) ?? new Map<string, StoredItem & ItemTimes>()
    groups.set(group, items)
    return items
  }
  /** What has expired is looked for by those who read all. */
  const swept = (group: string) => {
    const items = groupOf(group)
    for (const [name, { expires }] of items) if (expires <= now()) items.delete(name)
    return items
  }
  const live = (group: string, name: string) => {
    const item = groupOf(group).get(name)
    return item !== undefined && item.expires > now() ? item : null
  }
  let puts = 0
  return {
    size: () => [...groups.keys()].reduce((sum, group) => sum + swept(group).size, 0),
    async get(group, name) {
      const item = live(group, name)
      return item ? { bytes: item.bytes, version: item.version } : null
    },
    async put(group, name, bytes, expected, times) {
      refuseLargeRecord(name, bytes)
      if ((live(group, name)?.version ?? 0) !== expected) return 'conflict'
      puts += 1
      groupOf(group).set(name, { bytes: bytes.slice(), version: puts, ...times })
      return puts
    },
    async delete(group, name, expected) {
      const items = groupOf(group)
      if (items.get(name)?.version === expected) items.delete(name)
    },
    due: async (group, time, most) =>
      [...swept(group)]
        .filter(([, { due }]) => due <= time)
        .sort(([, a], [, b]) => a.due - b.due)
        .slice(0, most)
        .map(([name]) => name),
    list: async (group, after, most) =>
      [...swept(group).keys()]
        .filter((name) => name > after)
        .sort()
        .slice(0, most),
  }
}
