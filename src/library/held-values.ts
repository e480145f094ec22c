/** What a process holds of references, within bounds: what was held longest ago is dropped, and no failure takes the place of a value. */
import type { Result } from '../core/errors.ts'

/** Characters of the values, and of the failures, that are held. */
const [MOST_VALUES, MOST_FAILURES] = [8 * 1024 * 1024, 1024 * 1024]
/** What each takes beside its text counts as so many: also of the smallest there are not any number. */
const AROUND = 1024

export class HeldValues<H extends { readonly result: Result<string> }> {
  readonly #shelves = [new Shelf<H>(MOST_FAILURES), new Shelf<H>(MOST_VALUES)] as const

  get(reference: string): H | undefined {
    const [failures, values] = this.#shelves
    return values.all.get(reference) ?? failures.all.get(reference)
  }

  set(reference: string, held: H): void {
    const { result } = held
    for (const shelf of this.#shelves) shelf.drop(reference)
    this.#shelves[result.ok ? 1 : 0].put(reference, held)
  }
}

class Shelf<H extends { readonly result: Result<string> }> {
  readonly all = new Map<string, H>()
  readonly #most: number
  #size = 0

  constructor(most: number) {
    this.#most = most
  }

  put(reference: string, held: H): void {
    this.all.set(reference, held)
    this.#size += sizeOf(reference, held)
    for (const oldest of this.all.keys())
      if (this.#size > this.#most) this.drop(oldest)
      else break
  }

  drop(reference: string): void {
    const held = this.all.get(reference)
    if (held && this.all.delete(reference)) this.#size -= sizeOf(reference, held)
  }
}

const sizeOf = (reference: string, { result }: { readonly result: Result<string> }): number =>
  reference.length + (result.ok ? result.value.length : 0) + AROUND
