/** Private keys for WebCrypto, which takes PKCS #8 alone. */
import type { Bytes } from '../../core/bytes.ts'
import type { PemBlock } from '../../core/pem.ts'

/** How PKCS #8 names the kinds of keys: an object identifier with its parameters. */
const RSA = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00]
const P256 = [0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01].concat([
  0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
])
const VERSION = [0x02, 0x01, 0x00]

/** A key in PKCS #1 or SEC 1 is put into the envelope of PKCS #8. @throws what is no base64. */
export function pkcs8Of({ label, content }: PemBlock): Bytes {
  const key = Array.from(atob(content), (character) => character.charCodeAt(0))
  const kind = label === 'RSA PRIVATE KEY' ? RSA : label === 'EC PRIVATE KEY' ? P256 : null
  return Uint8Array.from(kind === null ? key : der(0x30, [...VERSION, ...kind, ...der(0x04, key)]))
}

/** A length in DER has one byte, or a byte that counts those that follow. */
function der(tag: number, content: readonly number[]): number[] {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return [tag, ...size, ...content]
}
