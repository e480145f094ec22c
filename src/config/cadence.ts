/** When keys are rotated, as operators write it. */
import * as z from 'zod/mini'
import type { Cadence, ReadCron } from '../core/ports.ts'

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000 }
/** An hour: a keyring has room for 1,000 keys. */
const LEAST_MS = 3_600_000
const MOST_MS = 3650 * 86_400_000
const MESSAGE =
  'must be hours or days from 1h to 3650d, such as 30d, or a cron expression of five fields, such as "0 3 1 * *", in UTC or with a time zone before it: "CRON_TZ=Europe/Berlin 0 3 1 * *"'

export interface WrittenCadence {
  /** `null` = it is no period, and so a cron expression. */
  readonly periodMs: number | null
  readonly text: string
}

export const cadence = () => z.pipe(z.string(), z.transform(written))

function written(given: string): WrittenCadence {
  const text = given.trim()
  const [, count, unit = ''] = /^(\d{1,6})([hd])$/.exec(text) ?? []
  const ms = Number(count) * (UNITS[unit] ?? Number.NaN)
  return { text, periodMs: ms >= LEAST_MS && ms <= MOST_MS ? ms : null }
}

/** A text = what is wrong with it. */
export function cadenceOf({ text, periodMs }: WrittenCadence, readCron: ReadCron): Cadence | string {
  if (periodMs !== null) return { after: (since) => since + periodMs }
  const [, zone = null, expression = ''] = /^(?:CRON_TZ=(\S{1,64})\s+)?(.*)$/.exec(text) ?? []
  return readCron(expression.replace(/\s+/g, ' '), zone) ?? MESSAGE
}
