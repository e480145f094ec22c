/** The fault matrix of pushes, in memory and in SQLite: schedules by seed, and every fault at every await of one push. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import type { SharedStore } from '../../src/core/ports.ts'
import type { Bug } from '../explore/scenes.ts'
import { blind, push, pushRotating } from '../explore/scenes.ts'
import { runSeed, sweep } from './schedules.ts'

const SEEDS = Number(process.env['FAULT_SEEDS'] ?? 2000) / 4
const PUSHED = { isPushed: true } as const

describe('pushes in memory', () => {
  it(`${SEEDS} schedules keep every promise`, { timeout: 3_600_000 }, async () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) expect(await runSeed(seed, PUSHED)).toBeNull()
  })

  it('schedules find a store that writes whatever was there', async () => {
    const source: Bug = { store: blind }
    const outcomes = await Promise.all(Array.from({ length: 200 }, (_, seed) => runSeed(seed, { ...PUSHED, source })))
    expect(outcomes.some((each) => each !== null)).toBe(true)
  })

  describe.each([
    ['a push', push, 10],
    ['a push that rotates', pushRotating, 25],
  ])('%s', (_name, act, least) => {
    it.each(['kill', 'fail', 'lose'] as const)('keeps every promise at each await: %s', async (fate) => {
      expect(await sweep(act, fate, PUSHED)).toBeGreaterThanOrEqual(least)
    })
  })
})

describe('pushes in SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-pushes-'))
  const store = sqliteStore(join(folder, 'db'))
  afterAll(() => {
    store.close()
    rmSync(folder, { recursive: true })
  })
  let schedules = 0
  const apart = (): SharedStore => {
    const prefix = `${(schedules += 1)}/`
    return {
      readersMs: store.readersMs,
      get: (name) => store.get(prefix + name),
      put: (name, bytes, expected) => store.put(prefix + name, bytes, expected),
    }
  }
  const place = { ...PUSHED, stores: () => [apart(), apart()] as const }

  it('20 schedules keep every promise', { timeout: 120_000 }, async () => {
    for (let seed = 1; seed <= 20; seed += 1) expect(await runSeed(seed, place)).toBeNull()
  })

  it('a kill at each await of a push that rotates keeps every promise', { timeout: 120_000 }, async () => {
    expect(await sweep(pushRotating, 'kill', place)).toBeGreaterThan(1)
  })
})
