/** The fault matrix in memory: 2,000 schedules by seed, and every fault at every await of one operation. */
import { describe, expect, it } from 'vitest'
import { memoryReplica } from '../explore/isolate.ts'
import type { Bug } from '../explore/scenes.ts'
import { blind, change, look, reseal, rotate, sync } from '../explore/scenes.ts'
import { runSeed, sweep } from './schedules.ts'

const SEEDS = Number(process.env['FAULT_SEEDS'] ?? 2000)

const stopped = (time: number) => () => time
const replicas = () => [memoryReplica(), memoryReplica()] as const

describe('in memory', () => {
  it(`${SEEDS} schedules keep every promise`, { timeout: 3_600_000 }, async () => {
    for (let seed = 1; seed <= SEEDS; seed += 1)
      expect(await runSeed(seed, seed % 2 === 0 ? {} : { replicas })).toBeNull()
  })

  it.each<[string, Bug]>([
    ['a store that writes whatever was there', { store: blind }],
    ['a clock of instances that stands still', { clock: (clock) => ({ ...clock, now: stopped(clock.now()) }) }],
  ])('schedules find %s', async (_name, bug) => {
    const seeds = Array.from({ length: 100 }, (_, seed) => runSeed(seed, { replicas, bug }))
    expect((await Promise.all(seeds)).filter((each) => each !== null).length).toBeGreaterThan(1)
  })

  describe.each([
    ['a sync', sync, 5],
    ['a rotation', rotate, 15],
    ['a look that seals anew', look, 10],
    ['a reseal', reseal, 5],
    ['a removal', change('remove', 'a', true), 2],
  ])('%s', (_name, act, least) => {
    it.each(['kill', 'fail', 'lose'] as const)('keeps every promise at each await: %s', async (fate) => {
      expect(await sweep(act, fate)).toBeGreaterThanOrEqual(least)
    })
  })
})
