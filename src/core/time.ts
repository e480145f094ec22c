/**
 * Times that were stored or remembered and cannot be true: a clock was ahead when they were taken, or has gone back since. Each
 * counts as what is safe, and is said once. `DOUBTED` is the table; docs/architecture.md has it with the reasons.
 */
import { clockLine } from './lines.ts'

/** The clocks of two instances may differ by so much, in milliseconds. */
export const CLOCK_SLACK_MS = 30_000
/** One process may see its own clock go back by so much, in milliseconds: on Workers each request of an isolate has its own. */
export const STEP_MS = 1000

/** What each of them counts as. */
const DOUBTED = {
  status: 'The last sync was noted by a clock that was ahead: the next one is due now.',
  unread: 'A status cannot be read: it is written anew.',
  lease: 'A lease was taken by a clock that was ahead: it is over.',
  stopped: 'A key stopped being active by a clock that was ahead: it counts as stopped now.',
  token:
    "What is stored of Vault's token was written by a clock that was ahead: its end is past, waits for a login are over.",
} as const
export type Doubted = keyof typeof DOUBTED

/** Hears of a time that cannot be true. */
export type Doubt = (what: Doubted) => void

/** Logs each kind once. */
export function doubtsOnce(log: (line: string) => void): Doubt {
  const said = new Set<Doubted>()
  return (what) => {
    if (!said.has(what)) log(clockLine(what, DOUBTED[what]))
    said.add(what)
  }
}

/** RFC 3339, as Go writes it: nothing else that Date.parse takes, such as a year that no Date can show. */
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/
export const isTimestamp = (text: string): boolean => RFC_3339.test(text) && !Number.isNaN(Date.parse(text))

/** Whether `time`, which is past, is later than now. */
export const isAhead = (time: number, now: number): boolean => time > now + CLOCK_SLACK_MS

/** Whether `until` is further away than anybody sets it. @param mostMs how far that is. */
export const isBeyond = (until: number, mostMs: number, now: number): boolean => isAhead(until, now + mostMs)

/** How long ago `time` was: Infinity when that is in the future, so that nothing counts as young for it. */
export function ageOf(time: number, now: number, slackMs = CLOCK_SLACK_MS): number {
  return now - time < -slackMs ? Number.POSITIVE_INFINITY : Math.max(0, now - time)
}

/** Notices that the clock of this process has gone back: what was remembered by it says nothing any more. */
export class Steps {
  #latest = Number.NEGATIVE_INFINITY

  hasStepped(now: number): boolean {
    const hasStepped = now < this.#latest - STEP_MS
    this.#latest = hasStepped ? now : Math.max(now, this.#latest)
    return hasStepped
  }
}
