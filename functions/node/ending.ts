/** The end of the process: a signal lets what is under way finish, a second one ends it at once. */
import { constants } from 'node:os'
import { setTimeout } from 'node:timers/promises'

/** For requests and syncs that are under way, in milliseconds. */
export const FINISH_MS = 8000
/** For everything: container platforms kill after 10 s or later. */
const END_MS = 9500
/** Under npm, Ctrl-C comes twice, from the terminal and from npm: what comes this soon is the same one, in milliseconds. */
const SAME_MS = 500

/** On Windows the last two are Ctrl-Break and a window that is closed. Elsewhere SIGHUP is what `nohup` wants to be ignored. */
const SIGNALS: readonly NodeJS.Signals[] =
  process.platform === 'win32' ? ['SIGINT', 'SIGTERM', 'SIGBREAK', 'SIGHUP'] : ['SIGINT', 'SIGTERM']

export interface Ending {
  readonly hasBegun: () => boolean
  /** What is done at the end; until this is called, nothing. */
  readonly does: (finish: () => Promise<void>) => void
}

export function endOnSignal(): Ending {
  let finish = async (): Promise<void> => {}
  let began: number | null = null
  const hear = (signal: NodeJS.Signals): void => {
    if (began === null) {
      began = performance.now()
      void atMost(END_MS, finish()).then(() => process.exit(0))
    } else if (performance.now() - began > SAME_MS) process.exit(128 + constants.signals[signal])
  }
  for (const signal of SIGNALS) process.on(signal, hear)
  return { hasBegun: () => began !== null, does: (work) => (finish = work) }
}

/** Over when the work is, or the time. */
export async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  await Promise.race([work, setTimeout(ms, null, { ref: false })])
}
