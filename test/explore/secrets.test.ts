/** References: every interleaving of instances that resolve one, with a fault at each await, and for each promise a bug that is found. */
import { describe, expect, it } from 'vitest'
import type { Rule } from '../support/witness.ts'
import type { Depth } from './explore.ts'
import { explore } from './explore.ts'
import type { ItemStore } from '../../src/core/secrets.ts'
import type { SecretBug, SecretSetting } from './secrets.ts'
import { SECRET_SCENES, resolve, secretScene } from './secrets.ts'

const isDeep = process.env['EXPLORE'] === 'deep'
const DEPTHS: readonly Depth[] = isDeep
  ? [
      { faults: 1, switches: 3 },
      { faults: 2, switches: 2 },
    ]
  : [
      { faults: 0, switches: 3 },
      { faults: 1, switches: 1 },
    ]

describe.each(DEPTHS)('with $faults faults, every order of the awaits of', (depth) => {
  it.each(Object.entries(SECRET_SCENES))('%s', { timeout: 3_600_000 }, async (_name, setting) => {
    const explored = await explore(secretScene(setting), depth)
    expect(explored.found).toBeNull()
    expect(explored.states).toBeGreaterThan(100)
  })
})

/** It writes whatever was there. */
const blind = (items: ItemStore): ItemStore => ({
  ...items,
  put: async (group, name, bytes, _expected, times) =>
    items.put(group, name, bytes, (await items.get(group, name))?.version ?? 0, times),
})

const stopped = (time: number) => () => time

const COLD = 'two cold instances, and a secret that changes'
const PUSHED = 'two who push, and a secret that is deleted and made again'
const GONE = 'two instances at the expiry of a secret that is deleted'

describe('the explorer finds that', () => {
  it.each<[Rule, string, Partial<SecretSetting> | undefined, SecretBug]>([
    ['an older secret is back', 'a store that writes whatever was there', SECRET_SCENES[COLD], { items: blind }],
    [
      'an older secret is back',
      'a store that writes whatever was there, under those who push',
      SECRET_SCENES[PUSHED],
      { items: blind },
    ],
    [
      'two readings under one lease',
      'a store that writes whatever was there',
      { instances: { one: [resolve], two: [resolve] } },
      { items: blind },
    ],
    ['it does not converge', 'a vault that is never asked again', SECRET_SCENES[GONE], { rules: { ttlMs: 0 } }],
    [
      'a secret serves past its end',
      'a clock that stands still',
      SECRET_SCENES[COLD],
      { clock: (clock) => ({ ...clock, now: stopped(clock.now()) }) },
    ],
  ])('%s, with %s', async (rule, _name, scene, bug) => {
    const setting: SecretSetting = { truths: ['one'], instances: {}, ...scene, bug }
    const { found } = await explore(secretScene(setting), { faults: 0, switches: 3 })
    expect(found).toMatchObject({ rule })
    expect(found?.trace.length).toBeGreaterThan(0)
  })
})
