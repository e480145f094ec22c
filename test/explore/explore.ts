/**
 * Every order of the awaits of some instances, with every fault at each: a search in depth over the choices of a `Crossing`. A run
 * begins anew and makes the choices of its path again, because what an instance holds in its memory cannot be copied. States
 * that are equal are gone on from once: two are when every instance has been answered the same, and everything shared is the same.
 */
import type { Call, Fate } from '../support/crossing.ts'
import { Crossing, fatesOf } from '../support/crossing.ts'
import type { Broken } from '../support/witness.ts'

export interface Scene {
  /** What each instance does. Refusals are no failures here. */
  readonly actors: Readonly<Record<string, () => Promise<unknown>>>
  /** What was broken so far. */
  readonly broken: readonly Broken[]
  /** Comes when everybody has ended and the faults have stopped. */
  readonly end: () => Promise<void>
}

export interface Depth {
  /** Faults and deaths in one run at most. */
  readonly faults: number
  /** Orders in which an instance has to wait although it could go on, at most. */
  readonly switches?: number
}

export interface Explored {
  /** Orders that were run. */
  readonly runs: number
  /** Different states. */
  readonly states: number
  /** The first promise that was broken, and how. */
  readonly found: (Broken & { readonly trace: readonly string[] }) | null
}

/** These decide over nothing that is promised, and wait for nobody. Seeds, beside this, let them wait and fail too. */
const isQuiet = ({ on }: Call): boolean => /^(?:\S+ status\/|audit|mount|deployment|secret \d)/.test(on)

type Move = (crossing: Crossing) => Promise<void>
interface Option {
  readonly move: Move
  readonly faults: 0 | 1
  readonly actor: string
}

export async function explore(begin: (crossing: Crossing) => Promise<Scene>, depth: Depth): Promise<Explored> {
  const ids = new Map<string, string>()
  const shorten = (text: string): string => {
    const id = ids.get(text) ?? String(ids.size)
    ids.set(text, id)
    return id
  }
  const seen = new Map<string, number>()
  const path: { chosen: number; count: number }[] = []
  let runs = 0
  for (;;) {
    runs += 1
    const found = await run(begin, depth, path, seen, shorten)
    if (found !== null) return { runs, states: seen.size, found }
    while (path.length > 0 && (path.at(-1)?.chosen ?? 0) + 1 >= (path.at(-1)?.count ?? 0)) path.pop()
    const last = path.at(-1)
    if (last === undefined) return { runs, states: seen.size, found: null }
    last.chosen += 1
  }
}

async function run(
  begin: (crossing: Crossing) => Promise<Scene>,
  { faults, switches = Infinity }: Depth,
  path: { chosen: number; count: number }[],
  seen: Map<string, number>,
  shorten: (text: string) => string,
): Promise<Explored['found']> {
  const crossing = new Crossing(shorten)
  const scene = await begin(crossing)
  const ends = Object.values(scene.actors).map((act) => act().catch(() => {}))
  const budget = { faults, switches, last: '' }
  await crossing.settled()
  for (let at = 0; crossing.waiting.length > 0 && scene.broken.length === 0; at += 1) {
    const options = optionsOf(crossing, budget)
    if (at === path.length) {
      if (!isNew(shorten(stateOf(crossing, budget)), budget, seen)) break
      path.push({ chosen: 0, count: options.length })
    }
    const option = options[path[at]?.chosen ?? 0]
    if (option === undefined) throw new TypeError('A run did not go as before.')
    spend(budget, option, crossing)
    await option.move(crossing)
  }
  await conclude(crossing, scene, ends)
  const [broken] = scene.broken
  return broken === undefined ? null : { ...broken, trace: crossing.trace }
}

/** Whoever still waits is not wanted any more; else it is looked at what they have left. */
async function conclude(crossing: Crossing, scene: Scene, ends: readonly Promise<unknown>[]): Promise<void> {
  const isOver = crossing.waiting.length === 0
  for (const actor of crossing.actors()) await crossing.kill(actor)
  await Promise.all(ends)
  crossing.open()
  if (isOver && scene.broken.length === 0) await scene.end()
}

interface Budget {
  faults: number
  switches: number
  last: string
}

/** Who went last counts only where switches are counted. */
const stateOf = (crossing: Crossing, { switches, last }: Budget): string =>
  `${crossing.state()};${switches === Infinity ? '' : `${switches} ${last}`}`

/** Whoever was there before with as many faults to come has seen all that follows. */
function isNew(state: string, { faults }: Budget, seen: Map<string, number>): boolean {
  if ((seen.get(state) ?? -1) >= faults) return false
  seen.set(state, faults)
  return true
}

function spend(budget: Budget, { actor, faults }: Option, crossing: Crossing): void {
  if (actor !== budget.last && crossing.actors().includes(budget.last)) budget.switches -= 1
  budget.faults -= faults
  budget.last = actor
}

function optionsOf(crossing: Crossing, { faults, switches, last }: Budget): Option[] {
  const quiet = crossing.waiting.find(({ call }) => isQuiet(call))
  const may = (actor: string) => switches > 0 || actor === last || !crossing.actors().includes(last)
  const waiting = quiet === undefined ? crossing.waiting.filter(({ call }) => may(call.actor)) : [quiet]
  const taken = (next: (typeof waiting)[number], fate: Fate): Option => ({
    actor: next.call.actor,
    faults: fate === 'go' ? 0 : 1,
    move: (on) => on.take(next, fate),
  })
  const going = waiting.map((next) => taken(next, 'go'))
  if (faults === 0 || quiet !== undefined) return going
  const spoiled = waiting.flatMap((next) => fatesOf(next.call).map((fate) => taken(next, fate)))
  const killed = crossing.actors().map((actor): Option => ({ actor, faults: 1, move: (on) => on.kill(actor) }))
  return [...going, ...spoiled, ...killed]
}
