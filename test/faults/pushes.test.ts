/** The fault matrix of pushes in memory (`stores.test.ts` has them on each store): schedules by seed, and every fault at every await of one push. */
import { describe, expect, it } from 'vitest'
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
