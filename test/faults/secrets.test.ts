/** The fault matrix of references: schedules by seed, and every fault at every await of one resolve, in memory and on the stores that people use. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestHarness } from 'wrangler'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import { unwrap } from '../../src/core/errors.ts'
import type { Result } from '../../src/core/errors.ts'
import type { ItemStore } from '../../src/core/secrets.ts'
import { memoryItems } from '../../src/secrets/memory-items.ts'
import type { RunSql } from '../../src/secrets/sql-items.ts'
import { sqlItems } from '../../src/secrets/sql-items.ts'
import { push, refresh, renew, resolve } from '../explore/secrets.ts'
import { startDynamoLocal } from '../support/lambda/dynamodb-local.ts'
import type { DynamoServer } from '../support/lambda/table.ts'
import { createSecretsTable, itemsOn, startDynalite } from '../support/lambda/table.ts'
import { runSecretSeed, sweepSecret } from './schedules.ts'

const SEEDS = Number(process.env['FAULT_SEEDS'] ?? 1000)
const isDeep = process.env['FAULTS'] === 'deep'
/** For the download of DynamoDB Local and its start. */
const START_MS = 180_000

/** Each schedule has a group of its own in one store. */
let schedules = 0
function apart(items: ItemStore): ItemStore {
  const prefix = `${(schedules += 1)}/`
  return {
    get: (group, ...how) => items.get(prefix + group, ...how),
    put: (group, ...how) => items.put(prefix + group, ...how),
    delete: (group, ...how) => items.delete(prefix + group, ...how),
    due: (group, ...how) => items.due(prefix + group, ...how),
    list: (group, ...how) => items.list(prefix + group, ...how),
  }
}

function matrix(seeds: number, items: (now: () => number) => ItemStore): void {
  it(`${seeds} schedules keep every promise`, { timeout: 600_000 }, async () => {
    for (let seed = 1; seed <= seeds; seed += 1) expect(await runSecretSeed(seed, { items })).toBeNull()
  })

  it(`${seeds} schedules of pushes keep every promise`, { timeout: 600_000 }, async () => {
    for (let seed = 1; seed <= seeds; seed += 1) expect(await runSecretSeed(seed, { items, isPushed: true })).toBeNull()
  })

  describe.each([
    ['resolve', resolve, {}],
    ['refresh by force', refresh, {}],
    ['look of the schedule', renew, {}],
    ['push', push, { isPushed: true }],
  ] as const)('a %s', (_name, act, how) => {
    it.each(['kill', 'fail', 'lose'] as const)('keeps every promise at each await: %s', async (fate) => {
      expect(await sweepSecret(act, fate, { items, ...how })).toBeGreaterThanOrEqual(4)
    })
  })
}

describe('in memory', () => {
  matrix(SEEDS, memoryItems)

  it('schedules find a store that writes whatever was there', async () => {
    const items = (plain: ItemStore): ItemStore => ({
      ...plain,
      put: async (group, name, bytes, _expected, times) =>
        plain.put(group, name, bytes, (await plain.get(group, name))?.version ?? 0, times),
    })
    const broken = await Promise.all(Array.from({ length: 200 }, (_, seed) => runSecretSeed(seed, { bug: { items } })))
    expect(broken.filter((each) => each !== null).length).toBeGreaterThan(1)
  })
})

describe('in SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-faults-'))
  const store = sqliteStore(join(folder, 'db'))
  afterAll(() => {
    store.close()
    rmSync(folder, { recursive: true })
  })
  matrix(isDeep ? 200 : 50, (now) => apart(sqlItems(store.run, now)))
})

function dynamo(start: () => Promise<DynamoServer>): void {
  let server: DynamoServer
  let table: string
  beforeAll(async () => {
    server = await start()
    table = await createSecretsTable(server.endpoint)
  }, START_MS)
  afterAll(() => server.close())
  matrix(isDeep ? 100 : 20, (now) => apart(itemsOn(server.endpoint, table, now)))
}
describe('in dynalite', () => {
  dynamo(startDynalite)
})
describe.skipIf(process.env['CI'] !== 'true')('in DynamoDB Local', () => {
  dynamo(startDynamoLocal)
})

interface Bindings {
  readonly STORE: {
    getByName(name: string): { sql(...statement: Parameters<RunSql>): Promise<Result<readonly object[]>> }
  }
}

describe('in a Durable Object', () => {
  const harness = createTestHarness({
    workers: [
      {
        config: {
          name: 'store',
          main: join(import.meta.dirname, '../workerd/store-worker.ts'),
          compatibility_date: '2026-10-01',
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

  const run: RunSql = async (...statement) => unwrap(await bindings.STORE.getByName('faults').sql(...statement))
  matrix(isDeep ? 100 : 20, (now) => apart(sqlItems(run, now)))
})
