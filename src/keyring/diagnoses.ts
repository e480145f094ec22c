/** Examinations of the way to Vault: one at a time, and an answer that is just some seconds old is given again. */
import { withDeadline } from '../core/deadline.ts'
import type { Finding } from '../core/findings.ts'
import type { Clock, Diagnosis } from '../core/ports.ts'
import { STEP_MS, ageOf } from '../core/time.ts'

export type Examine = (signal: AbortSignal) => Promise<readonly Finding[]>

/** How long an answer is given again, in milliseconds. */
const FRESH_MS = 10_000
/** The longest an examination may take, in milliseconds. */
const DEADLINE_MS = 20_000

export class Diagnoses {
  readonly #examine: Examine
  readonly #clock: Clock
  readonly #leftMs: () => number
  #last: Diagnosis | null = null
  #running: Promise<Diagnosis> | null = null

  constructor(examine: Examine, { clock, leftMs }: { clock: Clock; leftMs: () => number }) {
    this.#examine = examine
    this.#clock = clock
    this.#leftMs = leftMs
  }

  async diagnose(): Promise<Diagnosis> {
    const last = this.#last
    if (last !== null && ageOf(last.time, this.#clock.now(), STEP_MS) < FRESH_MS) return last
    this.#running ??= this.#now().finally(() => (this.#running = null))
    return this.#running
  }

  async #now(): Promise<Diagnosis> {
    const findings = await withDeadline(Math.min(DEADLINE_MS, this.#leftMs()), this.#examine)
    return (this.#last = { time: this.#clock.now(), findings })
  }
}
