/** When a rotation is due: every so often, or at the times of a cron expression. */
import { Cron } from 'croner'
import type { Cadence } from './ports.ts'

/** @throws what croner says of an expression or a time zone that is none. */
function cronOf({ expression, zone }: Cadence & { readonly kind: 'cron' }): Cron {
  const cron = new Cron(expression, { mode: '5-part', paused: true, timezone: zone ?? 'UTC' })
  // A zone that is none is noticed at the first use.
  cron.nextRun()
  return cron
}

/** Five fields that croner takes, and a time zone that the runtime knows. Words such as `@daily` are none. */
export function isCron(expression: string, zone: string | null): boolean {
  try {
    return (
      /^[\d*/,\-A-Za-z#?LW]+(?: [\d*/,\-A-Za-z#?LW]+){4}$/.test(expression) &&
      cronOf({ kind: 'cron', expression, zone }).nextRun() !== null
    )
  } catch {
    return false
  }
}

/** Whether it is due at `now`, the last rotation being of `since`; both in milliseconds since 1970. */
export function isDueSince(cadence: Cadence, since: number, now: number): boolean {
  if (cadence.kind === 'period') return now - since >= cadence.ms
  // The slot of this very moment is past.
  const [last] = cronOf(cadence).previousRuns(1, new Date(now + 1))
  return last !== undefined && last.getTime() > since
}

/** The next time after `since`, in milliseconds since 1970; `null` = there is none. */
export function dueAfter(cadence: Cadence, since: number): number | null {
  if (cadence.kind === 'period') return since + cadence.ms
  return cronOf(cadence).nextRun(new Date(since))?.getTime() ?? null
}
