/** What two instances may do at once: each scene is the real authority on ports that wait, and begins as a keyring that is synced. */
import type { Bytes } from '../../src/core/bytes.ts'
import type { KeyringChange } from '../../src/core/operations.ts'
import type { Cadence, Clock, KeySink, Replica, SharedStore } from '../../src/core/ports.ts'
import type { WrappingKey } from '../../src/crypto/seal.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { recordName } from '../../src/keyring/record.ts'
import type { World } from '../support/authority.ts'
import { PLAIN_SYNC, authorityOn, beside, fakePairs, fakeSink, world, wrappingKey } from '../support/authority.ts'
import { rememberingCipher } from '../support/ciphers.ts'
import type { Crossing } from '../support/crossing.ts'
import { crossed, crossedPusher } from '../support/crossing.ts'
import { NOW, SOURCE } from '../support/observed.ts'
import type { Pusher } from '../support/pushing.ts'
import { pusherTo } from '../support/pushing.ts'
import type { Asked } from '../support/witness.ts'
import { Witness } from '../support/witness.ts'
import type { Verbs } from '../support/verbs.ts'
import type { Scene } from './explore.ts'
import type { Base, Items } from './isolate.ts'
import { baseOf, copyConverges, memoryReplica, openIsolate, user } from './isolate.ts'

export const [W1, W2] = [wrappingKey('w1', 1), wrappingKey('w2', 2)]
const CIPHER = rememberingCipher()
const RECORD = recordName('default')
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/** What an instance does: with its authority, past the ports with the secret, with what it holds itself, and as one who pushes. */
export type Act = (
  by: Verbs,
  secret: (what: string, work: (on: World) => void) => Promise<void>,
  own: { readonly use: () => Promise<void>; readonly restore: () => Promise<void>; readonly pusher: Pusher },
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
  /** Of those who encrypt. */
  readonly clock?: (clock: Clock) => Clock
  /** It is no bug, but another source. */
  readonly isSource?: true
}

/** A store that writes whatever was there. */
export const blind = (store: SharedStore): SharedStore => ({
  ...store,
  put: async (name, bytes) => store.put(name, bytes, (await store.get(name))?.version ?? 0),
})

/** Without check-and-set, so that every write is taken. */
export const unchecked = (sink: KeySink): KeySink => ({
  ...sink,
  async write(pair, expected, signal) {
    for (let version = expected; ; version += 1) {
      const written = await sink.write(pair, version, signal)
      if (written !== 'conflict') return written
    }
  },
})

export interface Setting {
  readonly versions: readonly string[]
  /** What the secret got since the last sync. */
  readonly later?: readonly string[]
  readonly instances: Readonly<Record<string, Instance>>
  readonly world?: Partial<World>
  /** What the other deployment has instead. */
  readonly otherWorld?: Partial<World>
  /** How long ago the last sync and the last version were, in milliseconds. */
  readonly agoMs?: number
  readonly bug?: Bug
  /** As of `Depth`, where all orders would take too long. */
  readonly switches?: number
  /** More of them are left to seeds, and to `EXPLORE=deep`. */
  readonly faults?: number
  /** Of the two deployments; absent = in memory. */
  readonly stores?: () => readonly [SharedStore, SharedStore]
  /** Of the two deployments, which encrypt by them as isolates of Workers do; absent = whoever encrypts asks the authority. */
  readonly replicas?: () => readonly [Replica, Replica]
}

/** Of what is pushed, a source says it as Vault does. */
const MADE = { incarnation: '2025-01-01T00:00:00Z' }

/** What a deployment has stored by the time a scene begins, made once. */
async function prepared({ versions, bug }: Setting): Promise<{ readonly stored: Items; readonly copied: Items }> {
  const replica = memoryReplica()
  const on = {
    ...world([...versions]),
    ...MADE,
    replica,
    ...(bug?.isSource && bug.between && { between: bug.between }),
  }
  const authority = authorityOn(on)
  await authority.sync('default', PLAIN_SYNC)
  await authority.syncIfDue('default')
  const items = async (names: readonly string[], get: (name: string) => Promise<Bytes | null>): Promise<Items> => {
    const all = await Promise.all(names.map(async (name) => [name, await get(name)] as const))
    return all.flatMap(([name, bytes]) => (bytes === null ? [] : [[name, bytes] as const]))
  }
  return {
    stored: await items([RECORD, 'status/default'], async (name) => (await on.store.get(name))?.bytes ?? null),
    copied: await items([RECORD, 'stamp/default'], (name) => replica.get(name)),
  }
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
    const copies = setting.replicas?.()
    const { stored, copied } = await items
    const bases = [
      await baseOf(empty[0], copies?.[0], stored, copied),
      await baseOf(empty[1], copies?.[1], stored, copied),
    ]
    const first: World = { ...world(versions), ...MADE, clock, cipher: CIPHER, ...setting.world }
    const deployments = [first, beside(first, setting.otherWorld)].map((on, at) => {
      const base = bases[at] ?? unreachable()
      const watched = witness.store(base.store, on, keySets)
      return { on, base, store: setting.bug?.store?.(watched) ?? watched, name: at === 0 ? '' : 'other-' }
    })
    const eyes = setting.bug?.clock?.(clock) ?? clock
    const actors = Object.entries(setting.instances).map(([actor, { acts, keys = [W1], isOther }]) => {
      const deployment = deployments[isOther ? 1 : 0] ?? unreachable()
      const { base, name } = deployment
      const isPushed = deployment.on.pushed !== undefined
      const ports = crossed(crossing, isPushed ? `deployment of ${actor}` : actor)
      const { cadence } = deployment.on.rotation
      const asked: Asked = { known: null, cadence }
      const replica = base.replica && ports.replica(base.replica, `${name}replica`)
      const store = ports.store(deployment.store, `${name}store`)
      const watch = (sink: KeySink): KeySink => {
        const watched = witness.sink(sink, deployment.on, base.store, asked)
        return setting.bug?.between?.sink(watched) ?? watched
      }
      const on = beside(deployment.on, {
        store: isPushed ? store : knowing(store, asked),
        audit: ports.audit,
        ...(replica && { replica }),
        between: {
          source: (source) => ports.between.source(setting.bug?.between?.source(source) ?? source),
          sink: (sink) => ports.between.sink(watch(sink)),
        },
      })
      const secret = (what: string, work: (on: World) => void) => ports.act('secret', what, () => work(deployment.on))
      const all = async () => {
        const authority = told(authorityOn(on, keys), witness, deployment.on)
        const isolate = { authority, replica, freshness: base.freshness, clock: eyes, cipher: CIPHER }
        const used = user(witness, deployment.on, base.store, () => openIsolate(keys, isolate))
        const use = () => ports.request().then(used)
        const restore = () =>
          ports.act(`${name}store ${RECORD}`, 'restore', () => restored(base, stored, deployment.on, witness))
        const sink = watch(fakeSink(deployment.on))
        const pusher = pusherOf(crossing, actor, authority, { on: deployment.on, sink, asked })
        for (const act of acts) {
          asked.known = null
          await act(authority, secret, { use, restore, pusher })
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
          const store = witness.store(base.store, on, keySets)
          const { replica } = base
          const well = beside(on, { store, ...(replica && { replica }), ...(between && { between }) })
          await witness.converges(well, keySets[0])
          if (replica !== null) await copyConverges(witness, well, replica, keySets[0] ?? [W1])
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
  { on, sink, asked }: { readonly on: World; readonly sink: KeySink; readonly asked: Asked },
): Pusher {
  const { pairs, hop } = crossedPusher(crossing, actor)
  const source = pairs(fakePairs(on))
  const observe: typeof source.observe = async (signal) => {
    const observation = await source.observe(signal)
    if (asked.cadence === null) asked.known ??= observation?.current ?? null
    return observation
  }
  return pusherTo(authority, { pairs: { ...source, observe }, sink: crossed(crossing, actor).between.sink(sink) }, hop)
}

const unreachable = (): never => {
  throw new TypeError('There are two deployments.')
}

/** The witness hears which removals were accepted that nobody forced. */
const told = (authority: Verbs, witness: Witness, on: World): Verbs => ({
  ...authority,
  async change(keyring, asked) {
    const result = await authority.change(keyring, asked)
    if (result.ok && asked.op === 'remove' && !asked.force) witness.removed(on, asked.id)
    return result
  },
})

/** An operator puts the record back that was there at the beginning, which takes a minute. */
async function restored({ store }: Base, stored: Items, on: World, witness: Witness): Promise<void> {
  on.clock.time += MINUTE
  const [, bytes] = stored.find(([name]) => name === RECORD) ?? unreachable()
  await store.put(RECORD, bytes, (await store.get(RECORD))?.version ?? 0)
  witness.restored(on)
}

/** The first look of an instance at the record is when its rotation by hand was accepted. */
function knowing(store: SharedStore, asked: Asked): SharedStore {
  const get: SharedStore['get'] = async (name) => {
    const stored = await store.get(name)
    if (name !== RECORD || stored === null || asked.cadence !== null) return stored
    const text = new TextDecoder().decode(stored.bytes)
    asked.known ??= (JSON.parse(text.slice(text.indexOf('\n'))) as { highest: number }).highest
    return stored
  }
  return { ...store, get }
}

export const sync: Act = (by) => by.sync('default', PLAIN_SYNC)
export const rotate: Act = (by) => by.call({ call: 'rotate', keyring: 'default', dryRun: false })
export const push: Act = (_by, _secret, { pusher }) => pusher.push(false)
export const pushRotating: Act = (_by, _secret, { pusher }) => pusher.push(true)
export const look: Act = (by) => by.syncIfDue('default')
export const reseal: Act = (by) => by.call({ call: 'reseal', keyring: 'default' })
export const encrypt: Act = (_by, _secret, { use }) => use()
export const restore: Act = (_by, _secret, own) => own.restore()
export const wait =
  (ms: number): Act =>
  (_, secret) =>
    secret('wait', (on) => (on.clock.time += ms))
export const change =
  (op: KeyringChange['op'], id: string, force = false): Act =>
  (by) =>
    by.change('default', { op, id, force })

/** Two versions, the first of which may be removed by now. */
const RING = ['a:1', 'b:2'] as const
/** Every so many days, at times that do not depend on the last one. */
const grid = (days: number): Cadence => ({
  after: (since) => (Math.floor(since / (days * DAY)) + 1) * days * DAY,
})
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
  'a reseal on demand and a rotation': {
    versions: RING,
    instances: { one: { acts: [rotate], keys: [W1, W2] }, two: { acts: [reseal], keys: [W2, W1] } },
  },
  'two reseals, by instances with other first keys': {
    versions: RING,
    instances: { one: { acts: [reseal], keys: [W1, W2] }, two: { acts: [reseal], keys: [W2, W1] } },
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
  'schedules of two deployments, with two cadences and one stale record': {
    versions: RING,
    agoMs: 2 * DAY,
    switches: 2,
    world: { rotation: { cadence: grid(1), delayMs: 0, prunesHeld: false } },
    otherWorld: { rotation: { cadence: grid(2), delayMs: 0, prunesHeld: false } },
    instances: { one: { acts: [look, wait(DAY), look] }, other: { acts: [look], isOther: true } },
  },
  'a removal, and who encrypts by a copy': {
    versions: RING,
    later: ['c:3'],
    switches: 2,
    faults: 0,
    replicas: () => [memoryReplica(), memoryReplica()],
    instances: {
      one: { acts: [sync, wait(26 * MINUTE), look, change('remove', 'b')] },
      two: { acts: [encrypt, encrypt] },
    },
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
