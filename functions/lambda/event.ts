/** What the sync function takes: the event of a schedule, or a call of the HTTP function; nothing else. */
import type { Message } from '../../src/core/operations.ts'
import { parseMessage } from '../../src/keyring/message-schema.ts'
import { isLook } from '../../src/keyring/messages.ts'
import { MOST_MS } from './invocation.ts'

/** One message to the authority, and how long its sender waits. */
export type InvokeEvent = Message & { readonly withinMs: number }

/** Of keyrings and vaults behind references, or of these alone where another function looks after keyrings. */
export type Scheduled = 'schedule' | 'vaults'

interface Invoke {
  readonly message: Message
  readonly withinMs: number
}

/** `null` = something else. */
export function parseEvent(event: unknown): Invoke | Scheduled | null {
  const { withinMs, ...sent } = Object(event) as Readonly<Record<string, unknown>>
  if (sent['source'] === 'aws.events' && sent['detail-type'] === 'Scheduled Event') return 'schedule'
  if (sent['schedule'] === 'vaults') return 'vaults'
  return typeof withinMs === 'number' && withinMs >= 0 && withinMs <= MOST_MS ? invokeOf(sent, withinMs) : null
}

/** A look is refused, because whoever sends messages here reads the table itself. */
function invokeOf(sent: object, withinMs: number): Invoke | null {
  const message = parseMessage(sent)
  return message === null || isLook(message.call) ? null : { message, withinMs }
}
