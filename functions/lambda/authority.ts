/** The authority as the HTTP function reaches it: each call is one invoke of the sync function, or of the one that rotates. */
import type { Result } from '../../src/core/errors.ts'
import { refusal } from '../../src/core/errors.ts'
import type { KeyringAuthority, Message } from '../../src/core/operations.ts'
import { distantAuthority, fromJson } from '../../src/keyring/messages.ts'
import type { Aws, AwsAnswer } from './aws.ts'
import { exceptionName, whyNone } from './aws.ts'
import type { InvokeEvent } from './event.ts'
import { MOST_MS } from './invocation.ts'

export interface InvokeParts {
  readonly aws: Aws
  readonly syncFunction: string
  readonly rotateFunction: string
  /** How long work that begins now may take, in milliseconds. */
  readonly leftMs: () => number
}

/**
 * A connection that went stale while the instance was frozen is noticed at its first use: one more attempt. A rotation may have been
 * carried out all the same, and a second one would write one version more.
 */
export const invokingAuthority = (parts: InvokeParts): KeyringAuthority =>
  distantAuthority(async (message) => {
    const first = await send(parts, message)
    const answer = first === 'no connection' && message.call !== 'rotate' ? await send(parts, message) : first
    if (typeof answer !== 'string') return answer
    const which = isRotation(message) ? 'rotate' : 'sync'
    return refusal('ERR_AUTHORITY_UNAVAILABLE', `The ${which} function cannot be used (${answer}).`, {
      remedy: `Try again; if it lasts, check KEYRING_${which.toUpperCase()}_FUNCTION and the log of the ${which} function.`,
    })
  })

/** Whoever pushes asks whether a key may be written; the rules of rotations stand in the settings of that function alone. */
const isRotation = (message: Message): boolean =>
  message.call === 'rotate' || (message.call === 'offer' && message.mountKeeps !== null)

/** A text = why there is no answer. @throws what is no trouble of the network. */
async function send({ aws, syncFunction, rotateFunction, leftMs }: InvokeParts, message: Message): Promise<unknown> {
  const name = isRotation(message) ? rotateFunction : syncFunction
  const event: InvokeEvent = { ...message, withinMs: Math.min(leftMs(), MOST_MS) }
  try {
    const answer = await aws({
      service: 'lambda',
      path: `/2015-03-31/functions/${encodeURIComponent(name)}/invocations`,
      headers: { 'content-type': 'application/json', 'x-amz-invocation-type': 'RequestResponse' },
      body: JSON.stringify(event),
      timeoutMs: event.withinMs,
    })
    return answerOf(answer)
  } catch (error) {
    return whyNone(error)
  }
}

function answerOf(answer: AwsAnswer): unknown {
  const { status, headers, body } = answer
  if (status !== 200) return exceptionName(answer)
  if (!headers.has('x-amz-function-error')) return isResult(body) ? fromJson(body) : 'it failed'
  return isOfPlatform(body)
    ? 'it failed'
    : refusal('ERR_INTERNAL', 'Something went wrong in the sync function.', {
        remedy: 'Look into the log of the sync function, and report it.',
      })
}

const isResult = (body: unknown): body is Result<unknown> => typeof (body as { ok?: unknown } | null)?.ok === 'boolean'

/** The function was ended for its time or its memory. What it throws has a type of its own; the platform's word may have none. */
function isOfPlatform(body: unknown): boolean {
  const type = (body as { errorType?: unknown } | null)?.errorType
  return typeof type !== 'string' || /^(Sandbox\.\w+|Runtime\.(ExitError|OutOfMemory))$/.test(type)
}
