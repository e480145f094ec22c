/** From what a call to the Durable Object has thrown to an answer: an outage of the object, a defect in it, or one on this side. */
import type { Result } from '../../src/core/errors.ts'
import { refusal } from '../../src/core/errors.ts'
import { isOfProgram } from '../../src/core/network.ts'

/** https://developers.cloudflare.com/durable-objects/best-practices/error-handling/ */
type Marks = Partial<Record<'remote' | 'overloaded' | 'retryable' | 'durableObjectReset', unknown>>

/** An object that has too much to do is not asked again at once: that is what overloads it. */
const OVERLOAD_PAUSE_S = 5

/** The platform has too many texts to list them, so that all but a defect is an outage: what is here goes on. @throws a defect on this side. */
export function unanswered(thrown: unknown): Result<never> {
  const { remote, overloaded, retryable, durableObjectReset: isReset } = Object(thrown) as Marks
  const isOutage = isReset === true || overloaded === true || retryable === true
  if (!isOutage && remote === true) return refusal('ERR_INTERNAL', 'Something went wrong in the Durable Object.')
  if (!isOutage && isOfProgram(thrown)) throw thrown
  if (overloaded === true)
    return refusal('ERR_AUTHORITY_UNAVAILABLE', 'The Durable Object of this deployment has too much to do.', {
      facts: { retryAfterSeconds: OVERLOAD_PAUSE_S },
    })
  return refusal('ERR_AUTHORITY_UNAVAILABLE', 'The Durable Object of this deployment cannot be reached.')
}
