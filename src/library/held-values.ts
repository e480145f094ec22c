/** What a process holds of references, within bounds: what was held longest ago is dropped, and no failure takes the place of a value. */
import type { Result } from '../core/errors.ts'

/** Characters of values. */
const MOST_HELD = 8 * 1024 * 1024
/** What each takes beside its text counts as so many: also of the smallest there are not any number. */
const AROUND = 1024
const MOST_FAILURES = 1000

export class HeldValues<H extends { readonly result: Result<string> }> {
  readonly #values = new Map<string, H>()
  readonly #failures = new Map<string, H>()
  #size = 0

  get(reference: string): H | undefined {
    return this.#values.get(reference) ?? this.#failures.get(reference)
  }

  set(reference: string, held: H): void {
    this.#drop(reference)
    const all = held.result.ok ? this.#values : this.#failures
    all.set(reference, held)
    this.#size += sizeOf(reference, held)
    for (const oldest of all.keys()) {
      if (this.#size <= MOST_HELD && this.#failures.size <= MOST_FAILURES) break
      this.#drop(oldest)
    }
  }

  #drop(reference: string): void {
    const held = this.get(reference)
    if (held === undefined) return
    this.#size -= sizeOf(reference, held)
    this.#values.delete(reference)
    this.#failures.delete(reference)
  }
}

const sizeOf = (reference: string, { result }: { readonly result: Result<string> }): number =>
  result.ok ? reference.length + result.value.length + AROUND : 0
