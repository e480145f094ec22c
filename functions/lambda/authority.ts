/** The authority as the HTTP function reaches it: each call is one invoke of the sync function. */
import type { Result } from '../../src/core/errors.ts'
import { refusal } from '../../src/core/errors.ts'
import type { KeyringAuthority, Message } from '../../src/core/ports.ts'
import { distantAuthority, fromJson } from '../../src/keyring/messages.ts'
import type { Aws } from './aws.ts'
import { exceptionName } from './aws.ts'
import type { InvokeEvent } from './event.ts'
import { MOST_MS } from './invocation.ts'

export interface InvokeParts {
  readonly aws: Aws
  readonly syncFunction: string
  /** How long work that begins now may take, in milliseconds. */
  readonly leftMs: () => number
}

/** A connection that went stale while the instance was frozen is noticed at its first use: one more attempt. */
export const invokingAuthority = (parts: InvokeParts): KeyringAuthority =>
  distantAuthority(async (message) => {
    const answer = (await send(parts, message)) ?? (await send(parts, message)) ?? 'no connection'
    if (typeof answer !== 'string') return fromJson(answer)
    return refusal('ERR_AUTHORITY_UNAVAILABLE', `The sync function cannot be used (${answer}).`, {
      remedy: 'Try again; if it lasts, check KEYRING_SYNC_FUNCTION and the log of the sync function.',
    })
  })

/** A text = why there is no answer; `null` = no connection. */
async function send({ aws, syncFunction, leftMs }: InvokeParts, message: Message) {
  const timeoutMs = leftMs()
  const event: InvokeEvent = { ...message, withinMs: Math.min(timeoutMs, MOST_MS) }
  try {
    const answer = await aws({
      service: 'lambda',
      path: `/2015-03-31/functions/${encodeURIComponent(syncFunction)}/invocations`,
      headers: { 'content-type': 'application/json', 'x-amz-invocation-type': 'RequestResponse' },
      body: JSON.stringify(event),
      timeoutMs: event.withinMs,
    })
    if (answer.status !== 200) return exceptionName(answer)
    return answer.headers.has('x-amz-function-error') || !isResult(answer.body) ? 'it failed' : answer.body
  } catch (error) {
    return error instanceof Error && error.name === 'AbortError' ? 'no answer in time' : null
  }
}

const isResult = (body: unknown): body is Result<unknown> => typeof (body as { ok?: unknown } | null)?.ok === 'boolean'
