/** The fault matrix on the stores that people use: SQLite, DynamoDB, and a Durable Object in workerd with Workers KV beside it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestHarness } from 'wrangler'
import type { Kv } from '../../functions/cloudflare/kv-replica.ts'
import { kvReplica } from '../../functions/cloudflare/kv-replica.ts'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import { unwrap } from '../../src/core/errors.ts'
import type { Result } from '../../src/core/errors.ts'
import type { Replica, SharedStore, StoredRecord } from '../../src/core/ports.ts'
import { change, look, pushRotating, reseal, rotate, sync } from '../explore/scenes.ts'
import { startDynamoLocal } from '../support/lambda/dynamodb-local.ts'
import type { DynamoServer } from '../support/lambda/table.ts'
import { createTable, startDynalite, storeOn } from '../support/lambda/table.ts'
import type { Place } from './schedules.ts'
import { runSeed, sweep } from './schedules.ts'

/** `FAULTS=deep` takes all hundred: a disk answers slowly, and a runtime more so. */
const isDeep = process.env['FAULTS'] === 'deep'
/** For the download of DynamoDB Local and its start. */
const START_MS = 180_000
/** A guard against a run that hangs, and no measure: a hundred schedules on a runtime take minutes where others use the machine. */
const RUN_MS = 900_000

/** Each schedule has its own names in one store. */
let schedules = 0
const apart = (store: SharedStore): SharedStore => {
  const prefix = `${(schedules += 1)}/`
  return {
    readersMs: store.readersMs,
    get: (name) => store.get(prefix + name),
    put: (name, bytes, expected) => store.put(prefix + name, bytes, expected),
  }
}

const replicaApart = (replica: Replica): Replica => {
  const prefix = `${(schedules += 1)}/`
  return { get: (name) => replica.get(prefix + name), set: (name, bytes) => replica.set(prefix + name, bytes) }
}

const SWEPT = [
  ['sync', sync],
  ['rotation', rotate],
  ['look that seals anew', look],
  ['reseal', reseal],
  ['removal', change('remove', 'a', true)],
] as const

function matrix(open: () => SharedStore, openReplica?: () => Replica): void {
  const isQuick = openReplica === undefined
  const seeds = isDeep ? 100 : isQuick ? 20 : 8
  const place: Place = {
    stores: () => [apart(open()), apart(open())],
    ...(openReplica && { replicas: () => [replicaApart(openReplica()), replicaApart(openReplica())] }),
  }

  const pushed: Place = { ...place, isPushed: true }

  it(`${seeds} schedules, a quarter of them of pushes, keep every promise`, { timeout: RUN_MS }, async () => {
    for (let seed = 1; seed <= seeds; seed += 1) expect(await runSeed(seed, seed % 4 === 0 ? pushed : place)).toBeNull()
  })

  it.each(isDeep || isQuick ? SWEPT : SWEPT.slice(0, 2))(
    'a kill at each await of a %s keeps every promise',
    { timeout: RUN_MS },
    async (_name, act) => {
      expect(await sweep(act, 'kill', place)).toBeGreaterThan(1)
    },
  )

  it('a kill at each await of a push that rotates keeps every promise', { timeout: RUN_MS }, async () => {
    expect(await sweep(pushRotating, 'kill', pushed)).toBeGreaterThan(1)
  })
}

describe('in SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-faults-'))
  const store = sqliteStore(join(folder, 'db'))
  afterAll(() => {
    store.close()
    rmSync(folder, { recursive: true })
  })
  matrix(() => store)
})

function dynamo(start: () => Promise<DynamoServer>): void {
  let server: DynamoServer
  let table: string
  beforeAll(async () => {
    server = await start()
    table = await createTable(server.endpoint)
  }, START_MS)
  afterAll(() => server.close())
  matrix(() => storeOn(server.endpoint, table))
}
describe('in dynalite', () => {
  dynamo(startDynalite)
})
describe.skipIf(process.env['CI'] !== 'true')('in DynamoDB Local', () => {
  dynamo(startDynamoLocal)
})

interface Bindings {
  readonly KV: Kv
  readonly STORE: {
    getByName(name: string): {
      get(handle: 0 | 1, name: string): Promise<Result<StoredRecord | null>>
      put(handle: 0 | 1, name: string, bytes: Uint8Array, expected: number): Promise<Result<StoredRecord | 'conflict'>>
    }
  }
}

describe('in a Durable Object, with a replica in Workers KV', () => {
  const harness = createTestHarness({
    workers: [
      {
        config: {
          name: 'store',
          main: join(import.meta.dirname, '../workerd/store-worker.ts'),
          compatibility_date: '2026-10-01',
          kv_namespaces: [{ binding: 'KV', id: 'replica' }],
          durable_objects: { bindings: [{ name: 'STORE', class_name: 'StoreObject' }] },
          migrations: [{ tag: 'v1', new_sqlite_classes: ['StoreObject'] }],
        },
      },
    ],
  })
  let bindings: Bindings
  beforeAll(async () => {
    await harness.listen()
    bindings = await harness.getWorker<Bindings>().getEnv()
  }, START_MS)
  afterAll(() => harness.close())

  const store = (): SharedStore => {
    const object = bindings.STORE.getByName('faults')
    return {
      readersMs: 1000,
      get: async (name) => unwrap(await object.get(0, name)),
      put: async (name, bytes, expected) => unwrap(await object.put(0, name, bytes, expected)),
    }
  }
  matrix(store, () => kvReplica(bindings.KV, (line) => expect.unreachable(line)))
})
