/** Every interleaving of two instances, with a fault at each await, against what is promised. `EXPLORE=deep` goes all the way. */
import { describe, expect, it } from 'vitest'
import type { Depth } from './explore.ts'
import { explore } from './explore.ts'
import { SCENES, sceneOf } from './scenes.ts'
import { tokenScene } from './token.ts'

const isDeep = process.env['EXPLORE'] === 'deep'
const DEPTHS: readonly Depth[] = isDeep
  ? [{ faults: 1 }, { faults: 2, switches: 2 }]
  : [{ faults: 0 }, { faults: 1, switches: 1 }]

describe.each(DEPTHS)('with $faults faults, every order of the awaits of', (depth) => {
  const scenes = Object.entries(SCENES).filter(([, { faults = Infinity }]) => isDeep || depth.faults <= faults)
  const within = (most = Infinity): Depth => ({ ...depth, switches: Math.min(depth.switches ?? Infinity, most) })

  // Sleepers wake again and again, so that only a bound on switches ends this one.
  it('two logins', { timeout: 3_600_000 }, async () => {
    const explored = await explore(tokenScene(), within(3))
    expect(explored.found).toBeNull()
    expect(explored.states).toBeGreaterThan(100)
  })

  it.each(scenes)('%s', { timeout: 3_600_000 }, async (_name, setting) => {
    const explored = await explore(sceneOf(setting), within(setting.switches))
    expect(explored.found).toBeNull()
    expect(explored.states).toBeGreaterThan(30)
  })
})
