/** Some instances that resolve one reference while the vault's users change or delete its secret. A sleeper is woken so late that leases run out. */
import type { Clock } from '../../src/core/ports.ts'
import type { ItemStore, SecretBackend, SecretRules } from '../../src/core/secrets.ts'
import type { HandedSecret } from '../../src/core/vault-operations.ts'
import type { Keepers } from '../../src/secrets/keepers.ts'
import { memoryItems } from '../../src/secrets/memory-items.ts'
import { openState } from '../../src/secrets/state.ts'
import type { Crossing } from '../support/crossing.ts'
import { crossedSecrets } from '../support/crossing.ts'
import { outage, secretWorld, valueOrCode } from '../support/secrets.ts'
import { Witness } from '../support/witness.ts'
import type { Scene } from './explore.ts'

const REFERENCE = '{vault://hcv/password/}'
const MINUTE = 60_000
const WOKEN_MS = 16_000

/** What the vault says, in the order in which it comes to be so; no two are alike. */
export type Truth = 'one' | 'two' | 'three' | 'absent' | 'forbidden'

const CODES: Readonly<Record<string, Truth>> = {
  ERR_SECRET_NOT_FOUND: 'absent',
  ERR_SECRET_FORBIDDEN: 'forbidden',
}

export type SecretAct = (by: {
  readonly resolve: (refresh: boolean) => Promise<void>
  readonly look: () => Promise<unknown>
  readonly change: () => Promise<void>
  readonly push: () => Promise<unknown>
  readonly wait: (ms: number) => Promise<void>
}) => Promise<unknown>

export const resolve: SecretAct = (by) => by.resolve(false)
export const refresh: SecretAct = (by) => by.resolve(true)
export const renew: SecretAct = (by) => by.look()
/** What the vault says now is handed over, later. */
export const push: SecretAct = (by) => by.push()
/** The next truth comes to be. */
export const change: SecretAct = (by) => by.change()
export const pass =
  (ms: number): SecretAct =>
  (by) =>
    by.wait(ms)

/** A rule that a port breaks. It stands below what waits. */
export interface SecretBug {
  readonly items?: (items: ItemStore) => ItemStore
  readonly rules?: Partial<SecretRules>
  /** Of those who resolve. */
  readonly clock?: (clock: Clock) => Clock
}

export interface SecretSetting {
  readonly truths: readonly Truth[]
  /** The first truth was resolved so long ago, in milliseconds; absent = nothing is stored. */
  readonly agoMs?: number
  readonly instances: Readonly<Record<string, readonly SecretAct[]>>
  readonly rules?: Partial<SecretRules>
  /** The vault is not asked: what it said is handed over. Then the first truth was, and each comes to be at a time of its own. */
  readonly isPushed?: boolean
  readonly bug?: SecretBug
  /** Absent = in memory. */
  readonly items?: (now: () => number) => ItemStore
}

export const secretScene =
  ({ truths, agoMs, instances, rules, isPushed = false, bug = {}, items = memoryItems }: SecretSetting) =>
  async (crossing: Crossing): Promise<Scene> => {
    const world = secretWorld({ ttlMs: MINUTE, negTtlMs: MINUTE, resurrectMs: 10 * MINUTE, ...rules, ...bug.rules })
    const { vault, clock } = world
    const witness = new Witness()
    const plain = items(() => clock.time)
    crossing.time = () => clock.time
    const serving = served(witness, truths, crossing)
    const begin = (at: number) => vault.answers.set('password', truths[at] ?? 'absent')
    let current = 0
    begin(current)
    const said = () => handedAs(truths[current] ?? 'absent', clock.time)
    if (agoMs !== undefined) {
      const { secrets, keepers } = world.instance({}, { items: plain, isPushed })
      await (isPushed ? handTo(keepers, said()) : valueOrCode(secrets, REFERENCE))
      clock.time += agoMs
    }
    const reading = leased(witness, world)
    const store = bug.items?.(plain) ?? plain
    const act = (actor: string, acts: readonly SecretAct[]) => async () => {
      const ports = crossedSecrets(crossing, actor)
      const wait = (ms: number) => ports.sleep(() => void (clock.time += ms))
      const sleeping: Clock = { now: () => clock.time, sleep: (ms) => wait(Math.max(ms, WOKEN_MS)) }
      const { secrets, look, keepers } = world.instance(
        {},
        {
          isPushed,
          items: ports.items(reading.items(store, actor)),
          backend: ports.backend(reading.backend(world.backend, actor)),
          clock: bug.clock?.(sleeping) ?? sleeping,
          freshMs: 0,
        },
      )
      const by: Parameters<SecretAct>[0] = {
        look,
        wait,
        change: () =>
          ports.change(() => {
            begin((current += 1))
            if (isPushed) clock.time += 1
          }),
        async push() {
          let read = said()
          await ports.change(() => void (read = said()))
          await ports.request()
          return handTo(keepers, read)
        },
        async resolve(force) {
          await ports.request()
          const check = serving(actor)
          const answer = await valueOrCode(secrets, REFERENCE, force)
          check(answer, clock.time)
        },
      }
      for (const each of acts) await each(by)
    }
    return {
      actors: Object.fromEntries(Object.entries(instances).map(([actor, acts]) => [actor, act(actor, acts)])),
      broken: witness.broken,
      async end() {
        clock.time += 5 * MINUTE
        const { secrets, keepers } = world.instance({}, { items: store, clock: bug.clock?.(clock) ?? clock, isPushed })
        if (isPushed) await handTo(keepers, said())
        const answer = await valueOrCode(secrets, REFERENCE)
        const wanted = truths[current] ?? 'absent'
        if ((CODES[answer] ?? answer) !== wanted) witness.say('it does not converge', `${answer} instead of ${wanted}`)
        vault.answers.set('password', outage())
        clock.time += 12 * MINUTE
        const late = await valueOrCode(secrets, REFERENCE)
        if (truths.includes(late as Truth)) witness.say('a secret serves past its end', late)
      },
    }
  }

const handedAs = (truth: Truth, at: number): HandedSecret => {
  const found = truth === 'absent' || truth === 'forbidden' ? truth : 'secret'
  return { resource: 'password', version: null, found, text: found === 'secret' ? truth : '', at }
}

const handTo = (keepers: Keepers, secret: HandedSecret) =>
  keepers.call({ call: 'hand', vault: 'hcv', source: 'kv', secrets: [secret] })

/** Whoever begins to ask when a truth was served already is served no older one. */
function served(witness: Witness, truths: readonly Truth[], { contents }: Crossing) {
  let latest = 0
  return (actor: string) => {
    const least = latest
    contents.set(`least of ${actor}`, String(least))
    return (answer: string, time: number) => {
      const at = truths.indexOf(CODES[answer] ?? (answer as Truth))
      if (at === -1) return
      if (at < least) witness.say('an older secret is back', `${answer} after ${truths[least]} at ${time}`)
      latest = Math.max(latest, at)
      contents.set('served', String(latest))
    }
  }
}

/** Sees who has the lease, and who reads meanwhile. Whoever lost it by coming too late undoes nothing: what it writes is refused. */
function leased(witness: Witness, { clock, sealer }: ReturnType<typeof secretWorld>) {
  let holder: { readonly actor: string; readonly until: number } | null = null
  /** Until when each had it last. */
  const taken = new Map<string, number>()
  const isLive = (until: number) => clock.time < until
  return {
    items: (plain: ItemStore, actor: string): ItemStore => ({
      ...plain,
      async put(group, name, bytes, expected, times) {
        const version = await plain.put(group, name, bytes, expected, times)
        if (version === 'conflict') return version
        const { lease } = await openState(await sealer('hcv'), name, bytes)
        holder = isLive(lease) ? { actor, until: lease } : null
        if (lease > 0) taken.set(actor, lease)
        return version
      },
    }),
    backend: (plain: SecretBackend, actor: string): SecretBackend => ({
      read(name, how) {
        const isInTime = isLive(taken.get(actor) ?? Number.POSITIVE_INFINITY)
        if (holder !== null && holder.actor !== actor && isLive(holder.until) && isInTime)
          witness.say('two readings under one lease', `${actor} reads, and ${holder.actor} has it`)
        return plain.read(name, how)
      },
    }),
  }
}

export const SECRET_SCENES: Readonly<Record<string, SecretSetting>> = {
  'two cold instances, and a secret that changes': {
    truths: ['one', 'two'],
    instances: { one: [resolve, resolve], two: [resolve], users: [change] },
  },
  'two instances at the expiry of a secret that is deleted': {
    truths: ['one', 'absent'],
    agoMs: MINUTE,
    instances: { one: [resolve, resolve], two: [resolve], users: [change] },
  },
  'the schedule, and a secret that is forbidden': {
    truths: ['one', 'forbidden'],
    agoMs: MINUTE,
    instances: { one: [renew, resolve], two: [resolve], users: [change] },
  },
  'a refresh by force, and a secret that is deleted and made again': {
    truths: ['one', 'absent', 'two'],
    agoMs: 1000,
    instances: { one: [refresh, resolve], two: [resolve], users: [change, change] },
  },
  'two who push, and a secret that is deleted and made again': {
    truths: ['one', 'absent', 'two'],
    agoMs: 1000,
    isPushed: true,
    instances: { one: [push, resolve], two: [push, resolve], users: [change, change] },
  },
}
