/** Bytes and the texts that stand for them: UTF-8, base64, base64url and hex, each decoded only from what its encoder emits. */
import { decodedLoosely, encoded } from '#platform/core/base64'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export type Bytes = Uint8Array<ArrayBuffer>

/** Encodes as UTF-8. The caller has checked `isWellFormed()` where a lone surrogate would matter. */
// oxlint-disable-next-line typescript/no-unnecessary-type-assertion -- it changes the type that Workers declare
export const utf8 = (text: string): Bytes => encoder.encode(text) as Bytes

/** Of the text that was last given to `utf8Again`. */
let last = { text: '', bytes: utf8('') }
const MOST_AGAIN = 256

/** The same, for what often comes again, such as the context of a column. Nobody writes into what it gives. */
export function utf8Again(text: string): Bytes {
  if (text === last.text) return last.bytes
  const bytes = utf8(text)
  if (text.length <= MOST_AGAIN) last = { text, bytes }
  return bytes
}

/** Decodes UTF-8 as it is: a byte order mark stays. `null` = the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes)
  } catch {
    return null
  }
}

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/**
 * Copies so many bytes one by one: for few, a view of them and Node's `set` take longer.
 * @throws a TypeError where they are not there: what is absent would count as zero, in a nonce too.
 */
export function copyBytes(count: number, from: Bytes, start: number, into: Bytes, at = 0): void {
  if (!(start >= 0 && start + count <= from.length)) throw new TypeError('Bytes that are not there.')
  for (let index = 0; index < count; index += 1) into[at + index] = from[start + index] ?? 0
}

type Form = Parameters<typeof encoded>[1]

/** Each way takes more than an encoder emits, such as white space, missing padding and altered last bits. */
function decoded(text: string, form: Form): Bytes | null {
  const bytes = decodedLoosely(text, form)
  return bytes !== null && encoded(bytes, form) === text ? bytes : null
}

/** Base64 of RFC 4648 section 4, with padding. */
export const toBase64 = (bytes: Uint8Array): string => encoded(bytes, 'base64')

/** Accepts only what `toBase64` emits. `null` = anything else. */
export const fromBase64 = (text: string): Bytes | null => owned(decoded(text, 'base64'))

/** Base64url of RFC 4648 section 5, without padding. */
export const toBase64url = (bytes: Uint8Array): string => encoded(bytes, 'base64url')

/** Accepts only what `toBase64url` emits. `null` = anything else. */
export const fromBase64url = (text: string): Bytes | null => owned(decoded(text, 'base64url'))

/** The same, for whoever reads the bytes and lets them go: they may be a part of a buffer that others share. */
export const viewOfBase64url = (text: string): Bytes | null => decoded(text, 'base64url')

/** Node's Buffer hands out parts of a buffer that it shares among strangers. */
function owned(bytes: Bytes | null): Bytes | null {
  return bytes !== null && bytes.constructor !== Uint8Array ? new Uint8Array(bytes) : bytes
}

export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

/** The caller knows that these are hex digits. */
export const fromHex = (hex: string): Bytes =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))

/** Compares in a time that does not depend on where two texts of one length differ. */
export function equalText(a: string, b: string): boolean {
  let difference = a.length ^ b.length
  for (let index = 0; index < a.length; index += 1) difference |= a.charCodeAt(index) ^ b.charCodeAt(index)
  return difference === 0
}
