/** When keys are rotated, as operators write it. */
import * as z from 'zod/mini'
import { isCron } from '../core/cadence.ts'
import type { Cadence } from '../core/ports.ts'

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000 }
/** An hour: a keyring has room for 1,000 keys. */
const LEAST_MS = 3_600_000
const MOST_MS = 3650 * 86_400_000
const MESSAGE =
  'must be hours or days from 1h to 3650d, such as 30d, or a cron expression of five fields, such as "0 3 1 * *", in UTC or with a time zone before it: "CRON_TZ=Europe/Berlin 0 3 1 * *"'

export const cadence = () =>
  z.pipe(
    z.string(),
    z.transform((text: string, { issues }): Cadence => {
      const read = parsed(text.trim())
      if (read !== null) return read
      issues.push({ code: 'custom', message: MESSAGE, input: null })
      return z.NEVER
    }),
  )

function parsed(text: string): Cadence | null {
  const [, count, unit = ''] = /^(\d{1,6})([hd])$/.exec(text) ?? []
  const ms = Number(count) * (UNITS[unit] ?? Number.NaN)
  if (ms >= LEAST_MS && ms <= MOST_MS) return { kind: 'period', ms }
  const [, zone = null, expression = ''] = /^(?:CRON_TZ=(\S{1,64})\s+)?(.*)$/.exec(text) ?? []
  const fields = expression.replace(/\s+/g, ' ')
  return isCron(fields, zone) ? { kind: 'cron', expression: fields, zone } : null
}
