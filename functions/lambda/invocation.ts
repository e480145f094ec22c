/** The time that the platform gives. Lambda ends what runs longer: work ends before. */
import type { Clock } from '../../src/core/ports.ts'

export interface LambdaContext {
  readonly awsRequestId: string
  getRemainingTimeInMillis(): number
}

/** For the answer itself, in milliseconds. */
const MARGIN_MS = 500

/** An instance runs one invocation at a time. Kept as wall-clock time: an instance may be frozen for hours. */
export class Invocation {
  readonly #clock: Clock
  #mostMs = Number.POSITIVE_INFINITY
  #endsAt = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param withinMs how long the caller waits. */
  begin(context: LambdaContext, withinMs = Number.POSITIVE_INFINITY): void {
    this.#mostMs = Math.min(context.getRemainingTimeInMillis(), withinMs) - MARGIN_MS
    this.#endsAt = this.#clock.now() + this.#mostMs
  }

  /** In milliseconds; never more than there was, whatever the clock does meanwhile. */
  leftMs(): number {
    return Math.max(0, Math.min(this.#mostMs, this.#endsAt - this.#clock.now()))
  }
}
