/** Calls in this process, one after another: the time and the processor time of each, in interleaved rounds. */

export type Work = () => unknown

/** Of one call, in microseconds. */
export interface Cost {
  readonly us: number
  readonly cpuUs: number
}

/** So many calls between two looks at the clock. */
const CALLS = 20

/** The first round warms up. @returns the costs by round, each work's turn of `ms` milliseconds: long enough that it pays for its own garbage. */
export async function costsOf<Name extends string>(
  works: Readonly<Record<Name, Work>>,
  { rounds, ms }: { readonly rounds: number; readonly ms: number },
): Promise<Record<Name, Cost[]>> {
  const names = Object.keys(works) as Name[]
  const costs = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Cost[]>
  for (let round = 0; round <= rounds; round += 1)
    for (const name of names) {
      const cost = await costOf(works[name], ms)
      if (round > 0) costs[name].push(cost)
    }
  return costs
}

async function costOf(work: Work, ms: number): Promise<Cost> {
  const [before, began] = [process.cpuUsage(), performance.now()]
  let [count, now] = [0, began]
  for (; now < began + ms; now = performance.now(), count += CALLS)
    for (let call = 0; call < CALLS; call += 1) {
      const done = work()
      if (done instanceof Promise) await done
    }
  const { user, system } = process.cpuUsage(before)
  return { us: ((now - began) * 1000) / count, cpuUs: (user + system) / count }
}
