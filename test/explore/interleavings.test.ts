/** Every interleaving of two instances, with a fault at each await, against what is promised. `EXPLORE=deep` goes all the way. */
import { describe, expect, it } from 'vitest'
import type { Depth } from './explore.ts'
import { explore } from './explore.ts'
import { SCENES, sceneOf } from './scenes.ts'

const DEPTHS: readonly Depth[] =
  process.env['EXPLORE'] === 'deep'
    ? [{ faults: 1 }, { faults: 2, switches: 2 }]
    : [{ faults: 0 }, { faults: 1, switches: 1 }]

describe.each(DEPTHS)('with $faults faults, every order of the awaits of', (depth) => {
  it.each(Object.entries(SCENES))('%s', { timeout: 3_600_000 }, async (_name, setting) => {
    const explored = await explore(sceneOf(setting), depth)
    expect(explored.found).toBeNull()
    expect(explored.states).toBeGreaterThan(30)
  })
})
