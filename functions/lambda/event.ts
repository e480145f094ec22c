/** What the sync function takes: the event of a schedule, or a call of the HTTP function; nothing else. */
import * as z from 'zod/mini'
import type { Message } from '../../src/core/operations.ts'
import { parseMessage } from '../../src/keyring/message-schema.ts'
import { isLook } from '../../src/keyring/messages.ts'
import { MOST_MS } from './invocation.ts'

/** One message to the authority, and how long its sender waits. */
export type InvokeEvent = Message & { readonly withinMs: number }

const invokeEvent = z.looseObject({ withinMs: z.number().check(z.refine((ms) => ms >= 0 && ms <= MOST_MS)) })
const scheduleEvent = z.object({ source: z.literal('aws.events'), 'detail-type': z.literal('Scheduled Event') })

interface Invoke {
  readonly message: Message
  readonly withinMs: number
}

/** `null` = something else. */
export function parseEvent(event: unknown): Invoke | 'schedule' | null {
  if (z.safeParse(scheduleEvent, event).success) return 'schedule'
  const parsed = z.safeParse(invokeEvent, event)
  return parsed.success ? invokeOf(parsed.data) : null
}

/** A look is refused, because whoever sends messages here reads the table itself. */
function invokeOf({ withinMs, ...sent }: z.output<typeof invokeEvent>): Invoke | null {
  const message = parseMessage(sent)
  return message === null || isLook(message.call) ? null : { message, withinMs }
}
