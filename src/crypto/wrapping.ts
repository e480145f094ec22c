/** Wrapping keys, and what is derived from them for one purpose: sealing, and a MAC over what is stored (docs/formats.md). */
import type { Awaitable } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import { concat, decodeUtf8, fromBase64, fromBase64url, toBase64url, utf8 } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import type { Cipher, CipherKey, Hash } from '../core/ports.ts'
import type { WrappingKey } from '../core/wrapping-key.ts'
import { openXaes, sealXaes } from './xaes.ts'

/** What something is sealed for: one key is derived for it from each wrapping key. */
export interface Purpose {
  /** The HKDF info of the derived key. */
  readonly label: string
  readonly format: 'ekr1' | 'ekt1' | 'ekx1'
  /** The first two fields of the associated data. */
  readonly bound: readonly [string, string]
}

/** One wrapping key's subkeys for a purpose. */
export interface Wrap {
  readonly wrappingKeyId: string
  /** Tells the key from others under the same id, and says nothing else about it. */
  readonly check: string
  /** `name` is bound: what was sealed under another one does not open. */
  seal(name: string, plaintext: Bytes): Promise<string>
  /** `null` = not authentic. */
  open(name: string, sealed: string): Awaitable<Bytes | null>
  /** `<format> <wrapping-key id> <mac>` LF, then the text. */
  sign(format: string, text: string): Promise<Bytes>
  /** `null` = the MAC does not hold. */
  verify(signed: Signed): Promise<string | null>
}

interface Signed {
  readonly format: string
  readonly wrappingKeyId: string
  readonly mac: string
  readonly text: Bytes
}

/** Whether a key is good for that. */
export const isFor =
  (label: string) =>
  ({ purpose }: WrappingKey): boolean =>
    purpose === null || purpose === label

/** The derived key itself, which a function with one purpose can be given in place of the wrapping key. */
export async function derivedKey(cipher: Cipher, { purpose, key }: WrappingKey, label: string): Promise<Bytes> {
  const raw = fromBase64(key.reveal())
  if (raw === null) throw new TypeError('A wrapping key that the settings did not check.')
  return purpose === null ? cipher.derive(raw, label, 32) : raw
}

export async function wrap(cipher: Cipher, hash: Hash, id: string, root: Bytes, purpose: Purpose): Promise<Wrap> {
  const { format, bound } = purpose
  const sealKey: CipherKey = await cipher.importKey(await cipher.derive(root, `${format}/seal`, 32))
  const macKey = await cipher.derive(root, `${format}/mac`, 32)
  const check = toBase64url(await cipher.derive(root, `${format}/check`, 16))
  const aad = (name: string): Bytes => fields(...bound, name, id)
  const macOf = (format: string, text: Bytes) => hash.hmac(macKey, concat(utf8(`${format} ${id}\n`), text))
  return {
    wrappingKeyId: id,
    check,

    seal: async (name, plaintext) => toBase64url(await sealXaes(cipher, sealKey, plaintext, aad(name))),

    open(name, sealed) {
      const bytes = fromBase64url(sealed)
      return bytes && openXaes(cipher, sealKey, bytes, aad(name))
    },

    async sign(format, text) {
      const body = utf8(text)
      return concat(utf8(`${format} ${id} ${toBase64url(await macOf(format, body))}\n`), body)
    },

    async verify({ format, mac, text }) {
      const expected = await macOf(format, text)
      const given = fromBase64url(mac)
      return given !== null && (await hash.equal(expected, given)) ? decodeUtf8(text) : null
    },
  }
}

/** Reads the signed form and believes nothing yet. @throws `ERR_RECORD_INVALID`. */
export function parseSigned(bytes: Bytes): Signed {
  const end = bytes.indexOf(0x0a)
  const [format, wrappingKeyId, mac, ...rest] = (decodeUtf8(bytes.subarray(0, Math.max(end, 0))) ?? '').split(' ')
  if (!format || !wrappingKeyId || !mac || rest.length > 0)
    throw new KeyringError('ERR_RECORD_INVALID', 'The stored record has no valid first line.')
  return { format, wrappingKeyId, mac, text: bytes.subarray(end + 1) }
}

/** By wrapping-key id, the `check` of the key that was used under it first. */
export type KeyChecks = Readonly<Record<string, string>>

/** Whether another key was used under the id of this one. `checks` may be of anybody. */
export const isOther = (
  checks: KeyChecks,
  { wrappingKeyId: id, check }: Pick<Wrap, 'wrappingKeyId' | 'check'>,
): boolean => Object.hasOwn(checks, id) && checks[id] !== check

/** Each field stands behind its length in one byte, so that no two lists give the same bytes. */
function fields(...texts: readonly string[]): Bytes {
  return concat(...texts.flatMap((text) => [new Uint8Array([utf8(text).length]), utf8(text)]))
}
