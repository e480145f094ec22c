/** The time that the platform gives. Lambda ends what runs longer: work ends before. */
import type { Clock } from '../../src/core/ports.ts'

export interface LambdaContext {
  readonly awsRequestId: string
  getRemainingTimeInMillis(): number
}

/** No function runs longer than 15 minutes. */
export const MOST_MS = 900_000

/** A value that is no time counts as no time at all, because work without an end would be cut off. */
const timeOf = (ms: number): number => (Number.isFinite(ms) && ms > 0 ? ms : 0)

/** This much is kept for the answer itself, in milliseconds. */
const MARGIN_MS = 500

/** An instance runs one invocation at a time. Its end is kept as wall-clock time, because an instance may be frozen for hours. */
export class Invocation {
  readonly #clock: Clock
  #mostMs = Number.POSITIVE_INFINITY
  #number = 0
  #endsAt = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param withinMs how long the caller waits. */
  begin(context: LambdaContext, withinMs = MOST_MS): void {
    this.#number += 1
    this.#mostMs = Math.min(timeOf(context.getRemainingTimeInMillis()), timeOf(withinMs)) - MARGIN_MS
    this.#endsAt = this.#clock.now() + this.#mostMs
  }

  /** Which one this is. */
  get number(): number {
    return this.#number
  }

  /** In milliseconds; never more than there was, whatever the clock does meanwhile. */
  leftMs(): number {
    return Math.max(0, Math.min(this.#mostMs, this.#endsAt - this.#clock.now()))
  }
}
