/** For each promise a rule that a port breaks, and the explorer that finds it. */
import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/core/secret.ts'
import type { KeySource, SharedStore } from '../../src/core/ports.ts'
import type { Rule } from '../support/witness.ts'
import { explore } from './explore.ts'
import type { TokenBug } from './token.ts'
import { tokenScene } from './token.ts'
import type { Bug, Setting } from './scenes.ts'
import { SCENES, blind, W1, W2, change, encrypt, look, rotate, sceneOf, sync, unchecked, wait } from './scenes.ts'

const COPIES = 'a removal, and who encrypts by a copy'
const stopped = (time: number) => () => time

/** Its clock is three days ahead. */
const hasty = (source: KeySource): KeySource => ({
  ...source,
  async observe(signal) {
    const seen = await source.observe(signal)
    return seen && { ...seen, sourceMs: seen.sourceMs + 3 * 86_400_000 }
  },
})

const forgetful = (store: SharedStore): SharedStore => ({
  ...store,
  async put(name, bytes, expected) {
    const held = await store.get(name)
    const hasBegun = held !== null && new TextDecoder().decode(held.bytes).includes('"intent"')
    return store.put(name, bytes, hasBegun ? held.version : expected)
  },
})

const between = (more: Partial<NonNullable<Bug['between']>>): Bug => ({
  between: { source: (source) => source, sink: (sink) => sink, ...more },
})

const sceneNamed = (name: string): Setting => SCENES[name] ?? expect.unreachable(`There is no scene "${name}".`)

const PLANTED: readonly (readonly [rule: Rule, bug: string, setting: Setting])[] = [
  [
    'a key is lost',
    'a store that writes whatever was there',
    {
      versions: ['a:1'],
      later: ['b:2'],
      bug: { store: blind },
      instances: { one: { acts: [sync] }, two: { acts: [change('compromise', 'a', true)] } },
    },
  ],
  [
    'a rotation is forgotten',
    'a store that writes over a rotation that has begun',
    { ...sceneNamed('a removal and a rotation'), bug: { store: forgetful } },
  ],
  [
    'a removed key is used',
    'a store that takes its readers for quicker than they are',
    {
      ...sceneNamed(COPIES),
      bug: { store: (store) => ({ ...store, readersMs: 1000 }) },
      instances: {
        one: { acts: [sync, wait(60_000), look, change('remove', 'b')] },
        two: { acts: [encrypt, encrypt] },
      },
    },
  ],
  [
    'a key is used past its bound',
    'a clock that stands still',
    { ...sceneNamed(COPIES), bug: { clock: (clock) => ({ ...clock, now: stopped(clock.now()) }) } },
  ],
  [
    'two versions for one slot',
    'a source that takes its versions for older than they are',
    {
      ...sceneNamed('schedules of two deployments, with two cadences and one stale record'),
      bug: between({ source: hasty }),
    },
  ],
  [
    'a removed key is back',
    'a store that writes whatever was there',
    { ...sceneNamed('a removal and a sync'), bug: { store: blind } },
  ],
  [
    'two rotations win',
    'a source without check-and-set',
    { ...sceneNamed('rotations of two deployments'), bug: between({ sink: unchecked }) },
  ],
  [
    'two versions for one slot',
    'a source without check-and-set',
    { ...sceneNamed('schedules of two deployments'), bug: between({ sink: unchecked }) },
  ],
  [
    'an id has two materials',
    'a source that stores another key than it was given',
    {
      ...sceneNamed('rotations of two deployments'),
      bug: between({
        sink: (sink) => ({
          ...sink,
          write: ({ id }, expected, signal) =>
            sink.write({ id, key: new Secret(`${id} another key of no importance`) }, expected, signal),
        }),
      }),
    },
  ],
  [
    'an active key cannot be read',
    'a wrapping key that is moved to the front before everybody has it',
    {
      ...sceneNamed('a reseal and a rotation'),
      instances: { one: { acts: [rotate], keys: [W1] }, two: { acts: [look], keys: [W2, W1] } },
    },
  ],
  [
    'the source pruned what is held nowhere',
    'a mount that keeps fewer versions than it says',
    {
      versions: ['a:1', 'b:2'],
      world: { keeps: 2 },
      bug: between({ sink: (sink) => ({ ...sink, keeps: async () => 3 }) }),
      instances: { one: { acts: [rotate] }, two: { acts: [rotate] } },
    },
  ],
  [
    'it does not converge',
    'a source that calls every write taken, and takes none',
    {
      ...sceneNamed('two rotations by hand'),
      bug: between({ sink: (sink) => ({ ...sink, write: async () => ({ createdMs: 0 }) }) }),
    },
  ],
]

describe('the explorer finds that', () => {
  it.each<[Rule, string, TokenBug]>([
    ['two logins under one lease', 'a store that writes whatever was there', { store: blind }],
    [
      'a token is left behind',
      'revocations that do nothing',
      { vault: (vault) => ({ ...vault, revoke: async () => {} }) },
    ],
  ])('%s, with %s', { timeout: 120_000 }, async (rule, _name, bug) => {
    const { found } = await explore(tokenScene(bug), { faults: 0 })
    expect(found).toMatchObject({ rule })
  })

  it.each(PLANTED)('%s, with %s', { timeout: 120_000 }, async (rule, _bug, setting) => {
    const begin = sceneOf(setting)
    const { found: inOrder } = await explore(begin, { faults: 0, switches: 2 })
    const found = inOrder?.rule === rule ? inOrder : (await explore(begin, { faults: 1, switches: 2 })).found
    expect(found).toMatchObject({ rule })
    expect(found?.trace.length).toBeGreaterThan(0)
  })
})
