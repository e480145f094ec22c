/** What the sync function takes: the event of a schedule, or a call of the HTTP function; nothing else. */
import * as z from 'zod/mini'
import { KEYRING_NAME, KEY_ID } from '../../src/core/limits.ts'
import { MOST_MS } from './invocation.ts'
import type { InvokeEvent } from './messages.ts'

const call = {
  keyring: z.string().check(z.regex(KEYRING_NAME)),
  withinMs: z.number().check(z.nonnegative(), z.lte(MOST_MS)),
}
const options = z.strictObject({ force: z.boolean(), adopt: z.boolean(), token: z.nullable(z.string()) })
const change = z.strictObject({
  op: z.enum(['remove', 'compromise']),
  id: z.string().check(z.regex(KEY_ID)),
  force: z.boolean(),
})

const invokeEvent: z.ZodMiniType<InvokeEvent> = z.union([
  z.strictObject({ ...call, call: z.literal('sync'), options }),
  z.strictObject({ ...call, call: z.enum(['syncIfDue', 'diagnose']) }),
  z.strictObject({ ...call, call: z.literal('change'), change }),
])
const scheduleEvent = z.object({ source: z.literal('aws.events'), 'detail-type': z.literal('Scheduled Event') })

/** `null` = something else. */
export function parseEvent(event: unknown): InvokeEvent | 'schedule' | null {
  if (z.safeParse(scheduleEvent, event).success) return 'schedule'
  const parsed = z.safeParse(invokeEvent, event)
  return parsed.success ? parsed.data : null
}
