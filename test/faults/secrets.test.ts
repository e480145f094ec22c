/** The fault matrix of references: schedules by seed, and every fault at every await of one resolve, in memory and in SQLite. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import type { ItemStore } from '../../src/core/secrets.ts'
import { memoryItems } from '../../src/secrets/memory-items.ts'
import { sqlItems } from '../../src/secrets/sql-items.ts'
import { refresh, renew, resolve } from '../explore/secrets.ts'
import { runSecretSeed, sweepSecret } from './schedules.ts'

const SEEDS = Number(process.env['FAULT_SEEDS'] ?? 1000)
const isDeep = process.env['FAULTS'] === 'deep'

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

  describe.each([
    ['resolve', resolve],
    ['refresh by force', refresh],
    ['look of the schedule', renew],
  ])('a %s', (_name, act) => {
    it.each(['kill', 'fail', 'lose'] as const)('keeps every promise at each await: %s', async (fate) => {
      expect(await sweepSecret(act, fate, { items })).toBeGreaterThanOrEqual(4)
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
