/** The message keys of one key that are remembered for those who decrypt. They go with the key. */
import type { Bytes } from '../core/bytes.ts'
import type { MessageKey } from '../core/ports.ts'
import { PREFIX_BYTES } from './xaes.ts'

const MOST = 64

interface Kept {
  readonly prefix: Bytes
  readonly messageKey: MessageKey
}

/** Whoever keeps one has opened a value with it: made-up values push nothing out. */
export class MessageKeys {
  /** The one that was used last is at the end, and here. */
  readonly #kept = new Map<string, Kept>()
  #last: Kept | null = null

  /** By the beginning of the nonce that is at `from`. */
  find(payload: Bytes, from: number): MessageKey | null {
    if (this.#last !== null && isAt(payload, from, this.#last.prefix)) return this.#last.messageKey
    if (this.#kept.size === 0) return null
    const name = nameOf(payload.subarray(from, from + PREFIX_BYTES))
    const kept = this.#kept.get(name)
    if (kept === undefined) return null
    this.#use(name, kept)
    return kept.messageKey
  }

  keep(prefix: Bytes, messageKey: MessageKey): void {
    this.#use(nameOf(prefix), { prefix, messageKey })
    const [oldest = ''] = this.#kept.keys()
    if (this.#kept.size > MOST) this.#kept.delete(oldest)
  }

  #use(name: string, kept: Kept): void {
    this.#kept.delete(name)
    this.#kept.set(name, kept)
    this.#last = kept
  }
}

function isAt(payload: Bytes, from: number, prefix: Bytes): boolean {
  for (let index = 0; index < PREFIX_BYTES; index += 1) if (payload[from + index] !== prefix[index]) return false
  return true
}

/** Numbers one by one, because to spread them costs a twentieth of a decrypt. */
function nameOf(prefix: Bytes): string {
  let name = ''
  for (let index = 0; index < PREFIX_BYTES; index += 1) name += String.fromCharCode(prefix[index] ?? 0)
  return name
}
