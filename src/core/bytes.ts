/** Bytes and the texts that stand for them: UTF-8, base64, base64url and hex, each decoded only from what its encoder emits. */
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export type Bytes = Uint8Array<ArrayBuffer>

/** Encodes as UTF-8. The caller has checked `isWellFormed()` where a lone surrogate would matter. */
// oxlint-disable-next-line typescript/no-unnecessary-type-assertion -- it changes the type that Workers declare
export const utf8 = (text: string): Bytes => encoder.encode(text) as Bytes

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

/** Four bytes, big-endian. */
export function u32(value: number): Bytes {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

const CHUNK = 0x8000

/** Base64 of RFC 4648 section 4, with padding. */
export function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let start = 0; start < bytes.length; start += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(start, start + CHUNK))
  }
  return btoa(binary)
}

/** Accepts only what `toBase64` emits: `atob` takes white space, missing padding and altered last bits. `null` = anything else. */
export function fromBase64(text: string): Bytes | null {
  const bytes = decodeLoosely(text)
  return bytes !== null && toBase64(bytes) === text ? bytes : null
}

/** A method that Node 24 does not have yet; on Workers it takes a quarter of the time. */
interface Native {
  toBase64?(options: { alphabet: 'base64url'; omitPadding: true }): string
}

/** Base64url of RFC 4648 section 5, without padding. */
export const toBase64url = (bytes: Uint8Array): string =>
  (bytes as Native).toBase64?.({ alphabet: 'base64url', omitPadding: true }) ??
  toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')

/** Accepts only what `toBase64url` emits. `null` = anything else. */
export function fromBase64url(text: string): Bytes | null {
  const bytes = decodeLoosely(text.replaceAll('-', '+').replaceAll('_', '/'))
  return bytes !== null && toBase64url(bytes) === text ? bytes : null
}

function decodeLoosely(text: string): Bytes | null {
  try {
    const binary = atob(text)
    const bytes = new Uint8Array(binary.length)
    for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index)
    return bytes
  } catch {
    return null
  }
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
