import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { memoryItems } from '../../src/secrets/memory-items.ts'
import { sqlItems } from '../../src/secrets/sql-items.ts'
import { itemStoreContract } from './item-store.ts'
import { recordStoreContract } from './record-store.ts'

recordStoreContract('in memory', () => {
  const store = memoryStore()
  return { handles: [store, store], close: () => {} }
})

recordStoreContract('in SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  const handles = [sqliteStore(join(folder, 'db')), sqliteStore(join(folder, 'db'))] as const
  return {
    handles,
    close() {
      for (const handle of handles) handle.close()
      rmSync(folder, { recursive: true })
    },
  }
})

itemStoreContract('in memory', () => ({
  open(now) {
    const items = memoryItems(now)
    return [items, items]
  },
  close() {},
}))

itemStoreContract('in SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  const [one, two] = [sqliteStore(join(folder, 'db')), sqliteStore(join(folder, 'db'))]
  return {
    open: (now) => [sqlItems(one.run, now), sqlItems(two.run, now)],
    close() {
      one.close()
      two.close()
      rmSync(folder, { recursive: true })
    },
  }
})

it('a store of secrets in SQLite has no more rows than items, a minute after others expired', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  const database = sqliteStore(join(folder, 'db'))
  let time = 1_790_000_000_000
  const items = sqlItems(database.run, () => time)
  const put = (name: string) => items.put('v', name, new Uint8Array([1]), 0, { due: time, expires: time + 60_000 })
  const rows = async () => (await database.run('SELECT name FROM secret')).length
  for (let at = 0; at < 20; at += 1) await put(`early ${at}`)
  time += 60_000
  await put('late')
  expect(await rows()).toBe(1)
  database.close()
  rmSync(folder, { recursive: true })
})

describe('a store in this process', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  it.each([
    ['in memory', () => memoryStore()],
    ['in SQLite', () => sqliteStore(join(folder, 'db'))],
  ])('%s returns the same object as long as nothing was written', async (_, open) => {
    const store = open()
    await store.put('k', new Uint8Array([1]), 0)
    expect(await store.get('k')).toBe(await store.get('k'))
  })
})
