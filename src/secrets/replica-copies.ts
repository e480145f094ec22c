/** The copies of a replica as one instance goes by them: what can be believed, is not too old, and is no older than what it has read before. */
import type { ErrorData } from '../core/errors.ts'
import { settle } from '../core/errors.ts'
import type { Clock, Replica } from '../core/ports.ts'
import { STEP_MS, ageOf } from '../core/time.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import type { Copy } from './copy.ts'
import { copyName, readCopy } from './copy.ts'

export interface ReplicaCopiesParts {
  readonly replica: Replica
  readonly clock: Pick<Clock, 'now'>
  /** How old a copy may be, while the authority can be asked and while it cannot, in milliseconds. */
  readonly ages: { readonly stampMs: number; readonly recordMs: number }
  /** How long an instance goes on with a copy that it has read, and how long without one, in milliseconds. */
  readonly freshMs: number
  readonly pauseMs: number
}

export class ReplicaCopies {
  readonly #parts: ReplicaCopiesParts
  /** Hears of one that cannot be believed. */
  readonly #onInvalid: (vault: string, error: ErrorData) => void
  readonly #held = new Map<string, { readonly copy: Copy | null; readonly at: number }>()

  constructor(parts: ReplicaCopiesParts, onInvalid: (vault: string, error: ErrorData) => void) {
    this.#parts = parts
    this.#onInvalid = onInvalid
  }

  /** It is read once in a while. `null` = there is none to go by. */
  async of(vault: string, sealer: ItemSealer): Promise<Copy | null> {
    const { clock, freshMs, pauseMs, ages } = this.#parts
    const { copy: held, at } = this.#held.get(vault) ?? { copy: null, at: Number.NEGATIVE_INFINITY }
    const isFresh = ageOf(at, clock.now(), STEP_MS) < (held ? freshMs : pauseMs)
    const copy = isFresh ? held : this.#later(held, await this.#read(vault, sealer))
    if (!isFresh) this.#held.set(vault, { copy, at: clock.now() })
    return copy !== null && ageOf(copy.time, clock.now()) <= ages.recordMs ? copy : null
  }

  /** Whether it counts while the authority can be asked. */
  isYoung({ time }: Copy): boolean {
    return ageOf(time, this.#parts.clock.now()) <= this.#parts.ages.stampMs
  }

  /** A copy that is older than the one that is held says nothing. */
  #later(held: Copy | null, read: Copy | null): Copy | null {
    if (held === null || read === null) return held ?? read
    const now = this.#parts.clock.now()
    return ageOf(held.time, now) < ageOf(read.time, now) ? held : read
  }

  async #read(vault: string, sealer: ItemSealer): Promise<Copy | null> {
    const bytes = await this.#parts.replica.get(copyName(vault))
    const copy = bytes && (await settle(() => readCopy(sealer, bytes)))
    if (copy?.ok === false) this.#onInvalid(vault, copy.error)
    return copy?.ok ? copy.value : null
  }
}
