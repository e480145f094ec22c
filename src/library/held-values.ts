/** What a process holds of references, within bounds: what was held longest ago is dropped, and no failure takes the place of a value. */
import type { Result } from '../core/errors.ts'

interface Held {
  readonly result: Result<string>
}

/** Characters of what is held. */
const MOST_VALUES = 8 * 1024 * 1024
const MOST_FAILURES = 1024 * 1024
/** What each takes beside its text counts as so many: also of the smallest there are not any number. */
const AROUND = 1024

export class HeldValues<H extends Held> {
  readonly #values = new Shelf<H>(MOST_VALUES)
  readonly #failures = new Shelf<H>(MOST_FAILURES)

  get(reference: string): H | undefined {
    return this.#values.get(reference) ?? this.#failures.get(reference)
  }

  set(reference: string, held: H): void {
    this.#values.delete(reference)
    this.#failures.delete(reference)
    const { result } = held
    if (result.ok) this.#values.set(reference, held, reference.length + result.value.length + AROUND)
    else this.#failures.set(reference, held, reference.length + AROUND)
  }
}

class Shelf<H> {
  readonly #most: number
  readonly #all = new Map<string, { readonly held: H; readonly size: number }>()
  #size = 0

  constructor(most: number) {
    this.#most = most
  }

  get(reference: string): H | undefined {
    return this.#all.get(reference)?.held
  }

  set(reference: string, held: H, size: number): void {
    this.#all.set(reference, { held, size })
    this.#size += size
    for (const oldest of this.#all.keys()) {
      if (this.#size <= this.#most) break
      this.delete(oldest)
    }
  }

  delete(reference: string): void {
    this.#size -= this.#all.get(reference)?.size ?? 0
    this.#all.delete(reference)
  }
}
