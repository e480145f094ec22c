/** What two instances may do at once: each scene is the real authority on ports that wait, and begins as a keyring that is synced. */
import type { KeySink, KeyringChange } from '../../src/core/ports.ts'
import type { WrappingKey } from '../../src/crypto/seal.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import type { SharedStore, StoredRecord } from '../../src/core/ports.ts'
import type { World } from '../support/authority.ts'
import { PLAIN_SYNC, authorityOn, beside, fakePairs, fakeSink, world, wrappingKey } from '../support/authority.ts'
import { rememberingCipher } from '../support/ciphers.ts'
import type { Crossing } from '../support/crossing.ts'
import { crossed, crossedPusher } from '../support/crossing.ts'
import { NOW, SOURCE } from '../support/observed.ts'
import type { Pusher } from '../support/pushing.ts'
import { pusherTo } from '../support/pushing.ts'
import { Witness } from '../support/witness.ts'
import type { Verbs } from '../support/verbs.ts'
import type { Scene } from './explore.ts'

export const [W1, W2] = [wrappingKey('w1', 1), wrappingKey('w2', 2)]
const CIPHER = rememberingCipher()
const HOUR = 3_600_000
const DAY = 24 * HOUR

/** What an instance does: with its authority, and past the ports with the secret. */
export type Act = (
  by: Verbs,
  secret: (what: string, work: (on: World) => void) => Promise<void>,
  pusher: Pusher,
) => Promise<unknown>

export interface Instance {
  /** One after the other. */
  readonly acts: readonly Act[]
  /** In the order of its settings. */
  readonly keys?: readonly WrappingKey[]
  /** Of another deployment on the same secret. */
  readonly isOther?: true
}

/** A rule that a port breaks. It stands below what waits, so that its calls wait too. */
export interface Bug {
  readonly store?: (store: SharedStore) => SharedStore
  readonly between?: World['between']
  /** It is no bug, but another source. */
  readonly isSource?: true
}

/** A store that writes whatever was there. */
export const blind = (store: SharedStore): SharedStore => ({
  ...store,
  put: async (name, bytes) => store.put(name, bytes, (await store.get(name))?.version ?? 0),
})

export interface Setting {
  readonly versions: readonly string[]
  /** What the secret got since the last sync. */
  readonly later?: readonly string[]
  readonly instances: Readonly<Record<string, Instance>>
  readonly world?: Partial<World>
  /** How long ago the last sync and the last version were, in milliseconds. */
  readonly agoMs?: number
  readonly bug?: Bug
  /** Of the two deployments; absent = in memory. */
  readonly stores?: () => readonly [SharedStore, SharedStore]
}

/** What a deployment has stored by the time a scene begins, made once. */
async function prepared({ versions, bug }: Setting): Promise<readonly (readonly [string, StoredRecord])[]> {
  const names = ['keyring/default', 'status/default']
  const on = { ...world([...versions]), ...(bug?.isSource && bug.between && { between: bug.between }) }
  await authorityOn(on).sync('default', PLAIN_SYNC)
  const stored = await Promise.all(names.map(async (name) => [name, await on.store.get(name)] as const))
  return stored.flatMap(([name, item]) => (item === null ? [] : [[name, item] as const]))
}

async function storeWith(
  store: SharedStore,
  items: readonly (readonly [string, StoredRecord])[],
): Promise<SharedStore> {
  for (const [name, { bytes }] of items) await store.put(name, bytes, 0)
  return store
}

export function sceneOf(setting: Setting): (crossing: Crossing) => Promise<Scene> {
  const items = prepared(setting)
  const keySets = Object.values(setting.instances).map(({ keys = [W1] }) => keys)
  return async (crossing) => {
    const witness = new Witness()
    const time = NOW + (setting.agoMs ?? 0)
    crossing.time = () => clock.time
    const clock = { time, now: () => clock.time, sleep: async () => {} }
    const versions = [...setting.versions, ...(setting.later ?? [])]
    const empty = setting.stores?.() ?? [memoryStore(), memoryStore()]
    const bases = [await storeWith(empty[0], await items), await storeWith(empty[1], await items)]
    const first: World = { ...world(versions), clock, cipher: CIPHER, ...setting.world }
    const others = beside(first)
    const deployments = [first, others].map((on, at) => {
      const base = bases[at] ?? memoryStore()
      const watched = witness.store(base, on, keySets)
      return { on, base, store: setting.bug?.store?.(watched) ?? watched, name: `store-${at}` }
    })
    const actors = Object.entries(setting.instances).map(([actor, { acts, keys = [W1], isOther }]) => {
      const deployment = deployments[isOther ? 1 : 0]
      if (deployment === undefined) throw new TypeError('There are two deployments.')
      const isPushed = deployment.on.pushed !== undefined
      const ports = crossed(crossing, isPushed ? `deployment of ${actor}` : actor)
      const asked = { known: null as number | null, slotMs: slotOf(setting) }
      const store = ports.store(deployment.store, deployment.name)
      const watch = (sink: KeySink): KeySink => {
        const watched = witness.sink(sink, deployment.on, deployment.base, asked)
        return setting.bug?.between?.sink(watched) ?? watched
      }
      const on = beside(deployment.on, {
        store: isPushed ? store : knowing(store, asked),
        audit: ports.audit,
        between: {
          source: (source) => ports.between.source(setting.bug?.between?.source(source) ?? source),
          sink: (sink) => ports.between.sink(watch(sink)),
        },
      })
      const secret = (what: string, work: (on: World) => void) => ports.act('secret', what, () => work(deployment.on))
      const all = async () => {
        const authority = authorityOn(on, keys)
        const sink = watch(fakeSink(deployment.on))
        const pusher = pusherOf(crossing, actor, authority, { on: deployment.on, sink, asked })
        for (const act of acts) {
          asked.known = null
          await act(authority, secret, pusher)
        }
      }
      return [actor, all] as const
    })
    const used = deployments.filter(
      (_, at) => at === 0 || Object.values(setting.instances).some((each) => each.isOther),
    )
    return {
      actors: Object.fromEntries(actors),
      broken: witness.broken,
      async end() {
        for (const { on, base } of used) {
          const between = setting.bug?.between
          await witness.converges(
            beside(on, { store: witness.store(base, on, keySets), ...(between && { between }) }),
            keySets[0],
          )
        }
      },
    }
  }
}

/** Who pushes is another than the instance that takes it: either may die alone. What it saw first is what it knew. */
function pusherOf(
  crossing: Crossing,
  actor: string,
  authority: Verbs,
  {
    on,
    sink,
    asked,
  }: { readonly on: World; readonly sink: KeySink; readonly asked: { known: number | null; slotMs: number } },
): Pusher {
  const { pairs, hop } = crossedPusher(crossing, actor)
  const source = pairs(fakePairs(on))
  const observe: typeof source.observe = async (signal) => {
    const observation = await source.observe(signal)
    if (asked.slotMs === 0) asked.known ??= observation?.current ?? null
    return observation
  }
  return pusherTo(authority, { pairs: { ...source, observe }, sink: crossed(crossing, actor).between.sink(sink) }, hop)
}

const slotOf = ({ world: { rotation } = {} }: Setting): number => rotation?.cadence?.after(0) ?? 0

/** The first look of an instance at the record is when its rotation by hand was accepted. */
function knowing(store: SharedStore, asked: { known: number | null; slotMs: number }): SharedStore {
  const get: SharedStore['get'] = async (name) => {
    const stored = await store.get(name)
    if (name !== 'keyring/default' || stored === null || asked.slotMs > 0) return stored
    const text = new TextDecoder().decode(stored.bytes)
    asked.known ??= (JSON.parse(text.slice(text.indexOf('\n'))) as { highest: number }).highest
    return stored
  }
  return { ...store, get }
}

export const sync: Act = (by) => by.sync('default', PLAIN_SYNC)
export const rotate: Act = (by) => by.call({ call: 'rotate', keyring: 'default', dryRun: false })
export const push: Act = (_by, _secret, pusher) => pusher.push(false)
export const pushRotating: Act = (_by, _secret, pusher) => pusher.push(true)
export const look: Act = (by) => by.syncIfDue('default')
export const change =
  (op: KeyringChange['op'], id: string, force = false): Act =>
  (by) =>
    by.change('default', { op, id, force })

/** Two versions, the first of which may be removed by now. */
const RING = ['a:1', 'b:2'] as const
const weekly: Partial<World> = {
  rotation: { cadence: { after: (since) => since + 7 * DAY }, delayMs: 0, prunesHeld: false },
}

export const SCENES: Readonly<Record<string, Setting>> = {
  'two rotations by hand': { versions: RING, instances: { one: { acts: [rotate] }, two: { acts: [rotate] } } },
  'rotations of two deployments': {
    versions: RING,
    instances: { one: { acts: [rotate] }, other: { acts: [rotate], isOther: true } },
  },
  'a rotation and a sync': {
    versions: RING,
    later: ['c:3'],
    instances: { one: { acts: [rotate] }, two: { acts: [sync] } },
  },
  'a rotation and a plain sync': { versions: RING, instances: { one: { acts: [rotate] }, two: { acts: [sync] } } },
  'a removal and a sync': {
    versions: RING,
    later: ['c:3'],
    instances: { one: { acts: [change('remove', 'a', true)] }, two: { acts: [sync] } },
  },
  'a removal and a rotation': {
    versions: RING,
    instances: { one: { acts: [change('remove', 'a', true)] }, two: { acts: [rotate] } },
  },
  'a removal and a version that brings its key again': {
    versions: RING,
    instances: {
      one: { acts: [change('remove', 'a', true)] },
      two: { acts: [sync] },
      operator: { acts: [(_, secret) => secret('write', (on) => (on.versions = ['a:1', 'b:2', 'a:1', 'c:3']))] },
    },
  },
  'a compromise and a rotation': {
    versions: RING,
    instances: { one: { acts: [change('compromise', 'b', true)] }, two: { acts: [rotate] } },
  },
  'a reseal and a rotation': {
    versions: RING,
    agoMs: 2 * DAY,
    instances: { one: { acts: [rotate], keys: [W1, W2] }, two: { acts: [look], keys: [W2, W1] } },
  },
  'a reseal and a removal': {
    versions: RING,
    agoMs: 2 * DAY,
    instances: { one: { acts: [change('remove', 'a', true)], keys: [W1, W2] }, two: { acts: [look], keys: [W2, W1] } },
  },
  'two schedules of one deployment': {
    versions: RING,
    agoMs: 8 * DAY,
    world: weekly,
    instances: { one: { acts: [look] }, two: { acts: [look] } },
  },
  'schedules of two deployments': {
    versions: RING,
    agoMs: 8 * DAY,
    world: weekly,
    instances: { one: { acts: [look] }, other: { acts: [look], isOther: true } },
  },
}

const pushed: Partial<World> = { pushed: SOURCE }

/** Two who push to one deployment, or to two on one secret. */
export const PUSH_SCENES: Readonly<Record<string, Setting>> = {
  'two pushes': {
    versions: RING,
    later: ['c:3'],
    world: pushed,
    instances: { one: { acts: [push] }, two: { acts: [push] } },
  },
  'two pushes that rotate': {
    versions: RING,
    world: pushed,
    instances: { one: { acts: [pushRotating] }, two: { acts: [pushRotating] } },
  },
  'pushes that rotate, to two deployments': {
    versions: RING,
    world: pushed,
    instances: { one: { acts: [pushRotating] }, other: { acts: [pushRotating], isOther: true } },
  },
  'scheduled pushes to two deployments': {
    versions: RING,
    agoMs: 8 * DAY,
    world: { ...pushed, ...weekly },
    instances: { one: { acts: [pushRotating] }, other: { acts: [pushRotating], isOther: true } },
  },
  'a push and a removal': {
    versions: RING,
    later: ['c:3'],
    world: pushed,
    instances: { one: { acts: [push] }, two: { acts: [change('remove', 'a', true)] } },
  },
  'a push that rotates and a compromise': {
    versions: RING,
    world: pushed,
    instances: { one: { acts: [pushRotating] }, two: { acts: [change('compromise', 'b', true)] } },
  },
  'a push that rotates and a reseal': {
    versions: RING,
    agoMs: 2 * DAY,
    world: pushed,
    instances: { one: { acts: [pushRotating], keys: [W1, W2] }, two: { acts: [look], keys: [W2, W1] } },
  },
}
