/** Examinations of the way to Vault: one at a time, and an answer that is just some seconds old is given again. */
import { withDeadline } from '../core/deadline.ts'
import type { DiagnoseOptions, Diagnosis, Finding } from '../core/findings.ts'
import type { Clock } from '../core/ports.ts'
import { STEP_MS, ageOf } from '../core/time.ts'

export type Examine = (signal: AbortSignal, options: DiagnoseOptions) => Promise<readonly Finding[]>

/** How long an answer is given again, in milliseconds. */
const FRESH_MS = 10_000
/** The longest an examination may take, in milliseconds. */
const DEADLINE_MS = 20_000

export class Diagnoses {
  readonly #examine: Examine
  readonly #clock: Clock
  readonly #leftMs: () => number
  #last: Diagnosis | null = null
  /** One with a login of its own, and one without. */
  readonly #running = new Map<boolean, Promise<Diagnosis>>()

  constructor(examine: Examine, { clock, leftMs }: { clock: Clock; leftMs: () => number }) {
    this.#examine = examine
    this.#clock = clock
    this.#leftMs = leftMs
  }

  async diagnose({ login }: DiagnoseOptions): Promise<Diagnosis> {
    const last = this.#last
    const age = last === null ? FRESH_MS : ageOf(last.time, this.#clock.now(), STEP_MS)
    if (!login && last !== null && age < FRESH_MS) return aged(last, Math.floor(age / 1000))
    const running = this.#running.get(login) ?? this.#now({ login }).finally(() => this.#running.delete(login))
    this.#running.set(login, running)
    return running
  }

  async #now(options: DiagnoseOptions): Promise<Diagnosis> {
    const most = Math.min(DEADLINE_MS, this.#leftMs())
    const findings = await withDeadline(most, (signal) => this.#examine(signal, options))
    return (this.#last = { time: this.#clock.now(), findings })
  }
}

/** Vault may have been sealed since. */
function aged({ time, findings }: Diagnosis, seconds: number): Diagnosis {
  const told = ` (All of this: ${seconds} s ago.)`
  return {
    time,
    findings: findings.map((finding, index) =>
      index > 0 || seconds === 0 ? finding : { ...finding, detail: finding.detail + told },
    ),
  }
}
