/** The contracts of the stores on a Durable Object in workerd; the test calls the object from outside. */
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestHarness } from 'wrangler'
import { objectStore } from '../../functions/cloudflare/object-store.ts'
import type { Result } from '../../src/core/errors.ts'
import { unwrap } from '../../src/core/errors.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import type { RecordStore, StoredRecord } from '../../src/core/ports.ts'
import type { RunSql } from '../../src/secrets/sql-items.ts'
import { sqlItems } from '../../src/secrets/sql-items.ts'
import { itemStoreContract } from '../contract/item-store.ts'
import { recordStoreContract } from '../contract/record-store.ts'
import { sqlStorage } from '../support/sql-storage.ts'

interface Stub {
  get(handle: 0 | 1, name: string): Promise<Result<StoredRecord | null>>
  put(handle: 0 | 1, name: string, bytes: Bytes, expected: number): Promise<Result<StoredRecord | 'conflict'>>
  sql(...statement: Parameters<RunSql>): Promise<Result<readonly object[]>>
}
interface Bindings {
  readonly STORE: { getByName(name: string): Stub }
}

const harness = createTestHarness({
  workers: [
    {
      config: {
        name: 'store',
        main: join(import.meta.dirname, 'store-worker.ts'),
        compatibility_date: '2026-10-01',
        durable_objects: { bindings: [{ name: 'STORE', class_name: 'StoreObject' }] },
        migrations: [{ tag: 'v1', new_sqlite_classes: ['StoreObject'] }],
      },
    },
  ],
})
let objects: Bindings['STORE']
let count = 0

beforeAll(async () => {
  await harness.listen()
  objects = (await harness.getWorker<Bindings>().getEnv()).STORE
})
afterAll(() => harness.close())

const newObject = (): Stub => objects.getByName(`store-${(count += 1)}`)

/** Two instances on the same storage: the one that is, and one that was superseded and still runs. */
function instances(): readonly [RecordStore, RecordStore] {
  const object = newObject()
  const instance = (index: 0 | 1): RecordStore => ({
    get: async (name) => unwrap(await object.get(index, name)),
    put: async (name, bytes, expected) => unwrap(await object.put(index, name, bytes, expected)),
  })
  return [instance(0), instance(1)]
}

recordStoreContract('in a Durable Object', () => {
  const [store] = instances()
  return { handles: [store, store], close: () => {} }
})

/** Of items the object runs the statements, each of which is atomic; what they say is the same everywhere. */
itemStoreContract('in a Durable Object', () => {
  const object = newObject()
  const run: RunSql = async (...statement) => unwrap(await object.sql(...statement))
  return { open: (now) => [sqlItems(run, now), sqlItems(run, now)], close: () => {} }
})

const bytes = (...values: number[]): Bytes => new Uint8Array(values)

describe('an instance that was superseded', () => {
  it('loses its next put, and has then what the other one wrote', async () => {
    const [now, before] = instances()
    await now.put('k', bytes(1), 0)
    expect(await before.get('k')).toEqual({ bytes: bytes(1), version: 1 })
    await now.put('k', bytes(2), 1)
    expect(await before.put('k', bytes(3), 1)).toBe('conflict')
    for (const each of [before, now]) expect(await each.get('k')).toEqual({ bytes: bytes(2), version: 2 })
  })

  it.each([0, 1])('wins a race at version %i or loses it, and both then agree', async (expected) => {
    const both = instances()
    if (expected === 1) await both[0].put('k', bytes(9), 0)
    const outcomes = await Promise.all(both.map((each, index) => each.put('k', bytes(index), expected)))
    const winner = outcomes.findIndex((outcome) => outcome !== 'conflict')
    expect(outcomes.filter((outcome) => outcome === 'conflict')).toHaveLength(1)
    const agreed = { bytes: bytes(winner), version: expected + 1 }
    expect(await Promise.all(both.map((each) => each.get('k')))).toEqual([agreed, agreed])
  })
})

describe('what the store holds', () => {
  function storeWith(sync: (disk: DatabaseSync) => Promise<void>): RecordStore {
    const { database, sql } = sqlStorage()
    return objectStore({ sql, sync: () => sync(database) }, 1000)
  }

  it('is the latest put, also when the disk took an earlier one later', async () => {
    const disk = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const
    const taken = disk.values()
    const store = storeWith(() => taken.next().value?.promise ?? Promise.resolve())
    const puts = [store.put('k', bytes(1), 0), store.put('k', bytes(2), 1)]
    for (const { resolve } of disk.toReversed()) resolve()
    await Promise.all(puts)
    expect(await store.get('k')).toEqual({ bytes: bytes(2), version: 2 })
  })

  it('is read anew when the disk did not take a put', async () => {
    const store = storeWith((disk) => {
      disk.exec('DELETE FROM record')
      return Promise.reject(new Error('disk'))
    })
    await expect(store.put('k', bytes(1), 0)).rejects.toThrow('disk')
    expect(await store.get('k')).toBeNull()
  })
})
