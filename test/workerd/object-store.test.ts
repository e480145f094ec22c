/** The record store contract on a Durable Object in workerd; the test calls the object from outside. */
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { createTestHarness } from 'wrangler'
import type { Result } from '../../src/core/errors.ts'
import { unwrap } from '../../src/core/errors.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import type { RecordStore, StoredRecord } from '../../src/core/ports.ts'
import { recordStoreContract } from '../contract/record-store.ts'

interface Stub {
  get(handle: 0 | 1, name: string): Promise<Result<StoredRecord | null>>
  put(handle: 0 | 1, name: string, bytes: Bytes, expected: number): Promise<Result<StoredRecord | 'conflict'>>
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

recordStoreContract('in a Durable Object', () => {
  const object = objects.getByName(`store-${(count += 1)}`)
  const handle = (index: 0 | 1): RecordStore => ({
    get: async (name) => unwrap(await object.get(index, name)),
    put: async (name, bytes, expected) => unwrap(await object.put(index, name, bytes, expected)),
  })
  return { handles: [handle(0), handle(1)], close: () => {} }
})
