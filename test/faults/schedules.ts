/** Orders and faults that a seed chooses, and a fault at each await in turn, on any store. */
import type { Act, Bug, Instance, Setting } from '../explore/scenes.ts'
import {
  W1,
  W2,
  change as changeKey,
  encrypt,
  look,
  push,
  pushRotating,
  reseal,
  restore,
  rotate,
  sceneOf,
  sync,
  wait,
} from '../explore/scenes.ts'
import type { Scene } from '../explore/explore.ts'
import type { SecretAct, SecretSetting, Truth } from '../explore/secrets.ts'
import { change, pass, push as handOver, refresh, renew, resolve, secretScene } from '../explore/secrets.ts'
import type { World } from '../support/authority.ts'
import type { Call, Fate } from '../support/crossing.ts'
import { Crossing, fatesOf } from '../support/crossing.ts'
import { SOURCE } from '../support/observed.ts'
import { numbersOf } from '../support/seed.ts'

const DAY = 86_400_000
const WEEKLY: World['rotation'] = { cadence: { after: (since) => since + 7 * DAY }, delayMs: 0, prunesHeld: false }

export interface Place {
  readonly stores?: Setting['stores']
  readonly replicas?: Setting['replicas']
  readonly bug?: Bug
  /** Another source than the one in memory; nobody but the instances writes it. */
  readonly source?: Bug
  readonly versions?: readonly string[]
  /** Nobody syncs: those who push bring it. */
  readonly isPushed?: true
  /** Is told when faults may begin, and when they have stopped. */
  readonly faults?: (are: boolean) => void
}

/** What was broken, and how; `null` = nothing. */
export async function runSeed(seed: number, place: Place = {}): Promise<string | null> {
  const random = numbersOf(seed)
  const one = chooser(random)
  const setting = place.isPushed ? pushedSettingOf(one, place) : settingOf(one, place)
  return drive(sceneOf(setting), `seed ${seed}`, byDice(one, random), place.faults)
}

type SecretPlace = Pick<SecretSetting, 'items' | 'isPushed'>

/** References: instances that resolve one while the vault's users change its secret. @param items absent = in memory. */
export async function runSecretSeed(seed: number, more: SecretPlace & Pick<SecretSetting, 'bug'> = {}) {
  const random = numbersOf(seed)
  const one = chooser(random)
  return drive(secretScene(secretSettingOf(one, more)), `seed ${seed}`, byDice(one, random))
}

const chooser =
  (random: () => number): Choose =>
  (from) => {
    const found = from[Math.floor(random() * from.length)]
    if (found === undefined) throw new TypeError('There is nothing to choose from.')
    return found
  }

/** Whose turn it is and what becomes of the call, sometimes of two at once; now and then somebody dies. */
function byDice(one: Choose, random: () => number): Step {
  const spoiled = one([0, 0.02, 0.1, 0.2])
  return async (crossing) => {
    const [dice, together] = [random(), random() < 0.2 ? 2 : 1]
    if (dice < 0.01) return crossing.kill(one(crossing.actors()))
    const fate = (call: Call): Fate => (random() < spoiled ? one(call.isSure ? ['go'] : fatesOf(call)) : 'go')
    const chosen = new Set(Array.from({ length: together }, () => one(crossing.waiting)))
    await Promise.all([...chosen].map((next) => crossing.take(next, fate(next.call))))
  }
}

/** The fault at each await of one instance in turn. @returns how many awaits there were, or what was broken. */
export function sweep(act: Act, fate: Fate | 'kill', place: Place = {}): Promise<number | string> {
  const setting = { ...settingFor(place), agoMs: 2 * DAY, instances: { one: { acts: [act], keys: [W2, W1] } } }
  return sweepScene(sceneOf(setting), fate, place.faults)
}

/** As `sweep`, of an instance that resolves a reference which is due. */
export const sweepSecret = (act: SecretAct, fate: Fate | 'kill', more: SecretPlace = {}) =>
  sweepScene(secretScene({ truths: ['one'], agoMs: 60_000, instances: { one: [act] }, ...more }), fate)

async function sweepScene(begin: Begin, fate: Fate | 'kill', faults?: Place['faults']): Promise<number | string> {
  for (let at = 0; ; at += 1) {
    let [step, isReached] = [0, false]
    const broken = await drive(
      begin,
      `${fate} at ${at}`,
      async (crossing) => {
        const [next] = crossing.waiting
        if (next === undefined) return
        isReached ||= step === at
        if (step === at && fate === 'kill') await crossing.kill(next.call.actor)
        else await crossing.take(next, step === at && fate !== 'kill' ? fate : 'go')
        step += 1
      },
      faults,
    )
    if (broken !== null) return broken
    if (!isReached) return at
  }
}

type Begin = (crossing: Crossing) => Promise<Scene>
type Step = (crossing: Crossing) => Promise<void>

async function drive(
  begin: Begin,
  name: string,
  step: Step,
  faults: Place['faults'] = () => {},
): Promise<string | null> {
  const crossing = new Crossing()
  const scene = await begin(crossing)
  faults(true)
  const ends = Object.values(scene.actors).map((act) => act().catch(() => {}))
  await crossing.settled()
  while (crossing.waiting.length > 0) await step(crossing)
  await Promise.all(ends)
  faults(false)
  crossing.open()
  await scene.end()
  const [broken] = scene.broken
  return broken === undefined ? null : [`${name}: ${broken.rule}: ${broken.detail}`, ...crossing.trace].join('\n')
}

const settingFor = ({
  stores,
  replicas,
  source,
  bug,
  versions = ['a:1', 'b:2'],
  isPushed,
}: Place): Omit<Setting, 'instances'> => ({
  versions,
  ...(isPushed && { world: { pushed: SOURCE } }),
  ...(stores && { stores }),
  ...(replicas && { replicas }),
  ...((source ?? bug) && { bug: { ...source, ...bug } }),
})

type Choose = <T>(from: readonly T[]) => T

/** Each does some of the acts, and has one of its wrapping keys first. */
const instances =
  (one: Choose, lengths: readonly number[], acts: readonly Act[]) =>
  (isOther: boolean): Instance => ({
    acts: Array.from({ length: one(lengths) }, () => one(acts)),
    keys: one([
      [W1, W2],
      [W2, W1],
    ]),
    ...(isOther && { isOther: true }),
  })

function settingOf(one: Choose, place: Place): Setting {
  const isScheduled = place.source === undefined && one([true, false])
  const acts = [
    ...ACTS,
    ...(place.source === undefined ? OPERATED : []),
    ...(isScheduled ? [look, look] : [rotate, rotate]),
  ]
  const instance = instances(one, [1, 2, 3], acts)
  return {
    ...settingFor(place),
    agoMs: one([0, 2 * DAY, 8 * DAY]),
    ...(isScheduled && { world: { rotation: WEEKLY } }),
    instances: {
      one: instance(false),
      two: instance(false),
      three: instance(one([true, false])),
      other: instance(true),
      ...(place.replicas && { reader: { acts: USES, keys: [W1, W2] }, mover: { acts: moves(one), keys: [W1, W2] } }),
    },
  }
}

let written = 0
const write: Act = (_, secret) =>
  secret('write', (on) => {
    const id = `n${(written += 1)}`
    on.versions = [...(on.versions as readonly string[]), `${id}:${id}`]
    on.written = on.clock.time
  })

const USES: readonly Act[] = [encrypt, encrypt, encrypt, encrypt, encrypt]
/** A key stops being active, and is removed as soon as it may be, or not yet. */
const moves = (one: Choose): readonly Act[] => [
  write,
  sync,
  wait(one([60_000, 600_000, 1_600_000])),
  look,
  changeKey('remove', 'b'),
]

const ACTS: readonly Act[] = [
  sync,
  sync,
  look,
  reseal,
  changeKey('remove', 'a'),
  changeKey('remove', 'a', true),
  changeKey('remove', 'b'),
  changeKey('compromise', 'b', true),
  encrypt,
  encrypt,
  (by) => by.call({ call: 'seek', keyring: 'default', id: 'c' }),
]

const OPERATED: readonly Act[] = [write, wait(31_000), wait(26 * 60_000), wait(DAY), restore]

/** Some push to one deployment, others to another on the same secret. */
function pushedSettingOf(one: Choose, place: Place): Setting {
  const isScheduled = one([true, false])
  // Where no key is active a push rotates before the time.
  const acts = [...PUSHED, ...(isScheduled ? [] : [changeKey('compromise', 'b', true)]), ...OPERATED]
  const instance = instances(one, [1, 2], acts)
  return {
    ...settingFor(place),
    agoMs: one([0, 2 * DAY, 8 * DAY]),
    world: { pushed: SOURCE, ...(isScheduled && { rotation: WEEKLY }) },
    instances: { one: instance(false), two: instance(false), other: instance(true) },
  }
}

const RESOLVES: readonly SecretAct[] = [
  resolve,
  resolve,
  resolve,
  refresh,
  renew,
  pass(1000),
  pass(31_000),
  pass(60_000),
  pass(5 * 60_000),
]

/** Nobody looks for the schedule, and no time passes in which what was handed over would be over. */
const HANDED: readonly SecretAct[] = [resolve, resolve, handOver, handOver, handOver, pass(1000)]

function secretSettingOf(one: Choose, more: SecretPlace & Pick<SecretSetting, 'bug'>): SecretSetting {
  const acts = () => Array.from({ length: one([1, 2, 3, 4]) }, () => one(more.isPushed ? HANDED : RESOLVES))
  const ending = one<Truth>(['absent', 'forbidden'])
  const truths = one<readonly Truth[]>([
    ['one', 'two', 'three'],
    ['one', 'two', ending],
    ['one', ending, 'two'],
  ])
  return {
    truths,
    ...(more.isPushed
      ? { agoMs: 1000 }
      : one([{}, { agoMs: 1000 }, { agoMs: 50_000 }, { agoMs: 60_000 }, { agoMs: 10 * 60_000 }])),
    instances: { one: acts(), two: acts(), three: acts(), users: [change, pass(one([1000, 60_000])), change] },
    ...more,
  }
}

const PUSHED: readonly Act[] = [push, pushRotating, pushRotating, look, changeKey('remove', 'a', true)]
