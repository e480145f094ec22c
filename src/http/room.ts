/** How large values may be, alone and together: what decrypt could not take back, on every platform, is not encrypted. */
import type { Bytes } from '../core/bytes.ts'
import { decodeUtf8, utf8 } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import {
  ESCAPED_TWICE,
  MAX_BATCH_BYTES,
  MAX_CONTEXT_BYTES,
  MAX_PLAINTEXT_BYTES,
  answeredBytes,
  askedBytes,
} from '../core/limits.ts'

/** Bytes of UTF-8 that one unit of UTF-16 becomes, at most. */
const MOST_OF_UNIT = 3

/** @throws `ERR_BODY_TOO_LARGE`. */
export function refuseLarge(plaintext: Bytes | string, most: number): void {
  if (plaintext.length * MOST_OF_UNIT <= most) return
  const { length } = typeof plaintext === 'string' ? utf8(plaintext) : plaintext
  if (length > most) throw tooLarge('plaintext', most, `Encrypt in parts of at most ${most} bytes.`)
}

/** @throws `ERR_BODY_TOO_LARGE`. */
export function refuseLongContext({ length }: Bytes, most = MAX_CONTEXT_BYTES): void {
  if (length > most) throw tooLarge('context', most, 'Use a shorter context.')
}

function tooLarge(field: string, limit: number, remedy: string): KeyringError {
  return new KeyringError('ERR_BODY_TOO_LARGE', `The ${field} has more than ${limit} bytes.`, {
    facts: { field, limit },
    remedy,
  })
}

/** The plaintext as text. @throws `ERR_TEXT_INVALID`, `ERR_BODY_TOO_LARGE`: it was encrypted as raw bytes. */
export function writtenText(plaintext: Bytes): string {
  const text = decodeUtf8(plaintext)
  if (text === null) throw new KeyringError('ERR_TEXT_INVALID', 'The plaintext is not UTF-8.')
  if (plaintext.length > MAX_PLAINTEXT_BYTES && written(plaintext) > MAX_BATCH_BYTES.answered)
    throw tooLarge('plaintext', MAX_PLAINTEXT_BYTES, 'Ask for it as raw bytes, or with "encoding": "base64".')
  return text
}

/** What the items of one batch have together. */
export class Room {
  #asked = 0
  #answered: number

  /** Any item may fail, and its error takes as much as all that stands beside a value. */
  constructor(items: number) {
    this.#answered = items * answeredBytes(0)
  }

  /** Decrypt has to take it, and to give the plaintext in either encoding. */
  takesBack(plaintext: Bytes | string, context: Bytes): void {
    const bytes = typeof plaintext === 'string' ? utf8Length(plaintext) : plaintext.length
    this.#asked += askedBytes(bytes, context.length)
    this.#answered += Math.max(inBase64(bytes), written(plaintext))
  }

  gives(plaintext: Bytes, encoding: 'text' | 'base64'): void {
    this.#answered += encoding === 'base64' ? inBase64(plaintext.length) : written(plaintext)
  }

  /** @throws `ERR_BODY_TOO_LARGE` for the whole batch. */
  refuse(): void {
    const { asked, answered } = MAX_BATCH_BYTES
    if (this.#asked <= asked && this.#answered <= answered) return
    const limit = this.#asked > asked ? asked : answered
    const message = `To decrypt these values at once takes more than ${limit} bytes.`
    const remedy = 'Send fewer items at once.'
    throw new KeyringError('ERR_BODY_TOO_LARGE', message, { facts: { field: 'items', limit }, remedy })
  }
}

const inBase64 = (bytes: number): number => Math.ceil(bytes / 3) * 4

const [SPACE, QUOTE, BACKSLASH, ONE_BYTE, TWO_BYTES] = [0x20, 0x22, 0x5c, 0x80, 0x800]

const ofUnit = (unit: number): number => (unit < ONE_BYTE ? 1 : unit < TWO_BYTES ? 2 : MOST_OF_UNIT)

/** Never less than it is. */
function utf8Length(text: string): number {
  let length = 0
  for (let at = 0; at < text.length; at += 1) length += ofUnit(text.charCodeAt(at))
  return length
}

/** Bytes of a text as JSON within JSON, never less than they are. */
function written(text: Bytes | string): number {
  let length = 0
  const isText = typeof text === 'string'
  for (let at = 0; at < text.length; at += 1) {
    const unit = isText ? text.charCodeAt(at) : (text[at] ?? 0)
    if (unit < SPACE) length += ESCAPED_TWICE
    else if (unit === QUOTE || unit === BACKSLASH) length += 4
    else length += isText ? ofUnit(unit) : 1
  }
  return length
}
