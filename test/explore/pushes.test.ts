/** Interleavings of those who push, with a fault at each await, against what is promised. `EXPLORE=deep` switches more often. */
import { describe, expect, it } from 'vitest'
import type { Depth } from './explore.ts'
import { explore } from './explore.ts'
import { PUSH_SCENES, sceneOf, unchecked } from './scenes.ts'

/** Each push has some forty awaits, so that only a bound on switches ends this. Every fault at each of them: `test/faults/pushes.test.ts`. */
const DEPTHS: readonly Depth[] =
  process.env['EXPLORE'] === 'deep'
    ? [
        { faults: 0, switches: 4 },
        { faults: 1, switches: 1 },
      ]
    : [{ faults: 0, switches: 2 }]

describe.each(DEPTHS)('with $faults faults and $switches switches', (depth) => {
  const scenes = Object.entries(PUSH_SCENES).map(([name, setting]) => [name, sceneOf(setting)] as const)

  it.each(scenes)('%s', { timeout: 3_600_000 }, async (_name, begin) => {
    const explored = await explore(begin, depth)
    expect(explored.found).toBeNull()
    expect(explored.states).toBeGreaterThan(30)
  })
})

describe('the explorer finds', () => {
  it.each([
    ['two rotations win', 'pushes that rotate, to two deployments'],
    ['two versions for one slot', 'scheduled pushes to two deployments'],
  ])('that %s, with a source without check-and-set', { timeout: 120_000 }, async (rule, name) => {
    const setting = PUSH_SCENES[name] ?? expect.unreachable()
    const between = { source: <T>(source: T): T => source, sink: unchecked }
    const { found } = await explore(sceneOf({ ...setting, bug: { between } }), { faults: 0, switches: 2 })
    expect(found).toMatchObject({ rule })
  })
})
