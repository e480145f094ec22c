/** The associated data of the values of one key: its own beginning, and the context (docs/formats.md). */
import type { Bytes } from '../core/bytes.ts'

/** A longer context is a row's, and seldom comes twice. */
const MOST_KEPT = 128

export class AssociatedData {
  readonly #own: Bytes
  /** The last one, because values of one column have one context. Nobody writes into it. */
  #last: Bytes

  constructor(own: Bytes) {
    this.#own = own
    this.#last = own
  }

  of(context: Bytes): Bytes {
    const at = this.#own.length + 4
    if (isBehind(this.#last, at, context)) return this.#last
    const made = this.#made(context, at)
    if (context.length <= MOST_KEPT) this.#last = made
    return made
  }

  /** Written by hand, because on Node a DataView costs as much as all the rest. */
  #made(context: Bytes, at: number): Bytes {
    const bytes = new Uint8Array(at + context.length)
    bytes.set(this.#own)
    for (let index = 0; index < 4; index += 1) bytes[at - 4 + index] = context.length >>> (24 - 8 * index)
    bytes.set(context, at)
    return bytes
  }
}

function isBehind(bytes: Bytes, at: number, end: Bytes): boolean {
  if (bytes.length !== at + end.length) return false
  for (let index = 0; index < end.length; index += 1) if (bytes[at + index] !== end[index]) return false
  return true
}
