/** Times of cron expressions. The library weighs 10 KiB, so that it is imported by the platforms that read such an expression. */
import { Cron } from 'croner'
import type { Cadence, ReadCron } from './ports.ts'

/** Words such as `@daily` are no five fields, though the library takes them. */
const FIVE_FIELDS = /^[\d*/,\-A-Za-z#?LW]+(?: [\d*/,\-A-Za-z#?LW]+){4}$/

export const readCron: ReadCron = (expression, zone) => {
  const cadence = FIVE_FIELDS.test(expression) ? cadenceOf(expression, zone) : null
  // A time zone that is none is noticed at the first use.
  return cadence !== null && cadence.after(Date.now()) !== null ? cadence : null
}

function cadenceOf(expression: string, zone: string | null): Cadence | null {
  const cron = settled(() => new Cron(expression, { mode: '5-part', paused: true, timezone: zone ?? 'UTC' }))
  // In a zone it throws for the last of all dates.
  return cron && { after: (since) => settled(() => cron.nextRun(new Date(since))?.getTime() ?? null) }
}

/** `null` = the library refuses it. */
function settled<T>(ask: () => T): T | null {
  try {
    return ask()
  } catch {
    return null
  }
}
