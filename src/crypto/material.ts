/** Key material: where it comes from, what it commits to, and the one place that can show its bytes. */
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import { fromHex, toBase64url, utf8 } from '../core/bytes.ts'
import type { Cipher, Hash, KeyMaterial, PairRead, VersionRead } from '../core/ports.ts'

/** The bytes are in a WeakMap and not in a field, so that nothing that prints an object can reach them. */
const bytesOf = new WeakMap<KeyMaterial, Bytes>()

/** Only `crypto` calls this; others have no use for bytes. */
export function revealMaterial(material: KeyMaterial): Bytes {
  const bytes = bytesOf.get(material)
  if (bytes === undefined) throw new TypeError('Not key material made by crypto.')
  return bytes
}

export function materialFromBytes(bytes: Bytes, commitment: string, weak: boolean): KeyMaterial {
  const material: KeyMaterial = Object.freeze({ commitment, weak })
  bytesOf.set(material, bytes)
  return material
}

/** As in Kong's vault strategy the key is SHA-256 of the `key` string as it is stored, not decoded. */
export async function materialFromString(cipher: Cipher, hash: Hash, key: string): Promise<KeyMaterial> {
  const digest = await hash.sha256(key)
  const bytes = fromHex(digest)
  const weak = capacityBits(key) < STRONG_BITS || digest === PUBLISHED
  return materialFromBytes(bytes, await commitmentOf(cipher, bytes), weak)
}

/** What was read, with the material in place of the key string. */
export async function materialOf(cipher: Cipher, hash: Hash, read: PairRead): Promise<VersionRead> {
  if (read.kind !== 'key') return read
  const { key, ...rest } = read
  return { ...rest, material: await materialFromString(cipher, hash, key.reveal()) }
}

/** A commitment is 16 bytes of HKDF under `ek1/commit`, the same that an `ek1` value carries. */
export const commitmentOf = (cipher: Cipher, bytes: Bytes): Awaitable<string> =>
  andThen(cipher.derive(bytes, 'ek1/commit', 16), toBase64url)

/** SHA-256 of the key that is printed in Kong's how-to "Store Keyring data in a HashiCorp Vault". */
const PUBLISHED = 'a224d7835e4f319f5939e808a8d17a4888fea7aa84330a768ee3a8722a6f9275'
const STRONG_BITS = 128

/** At most so many bits: what a random string of this length over the smallest usual alphabet could hold. */
function capacityBits(key: string): number {
  if (new Set(key).size < 8) return 0
  if (/^\d*$/.test(key)) return key.length * Math.log2(10)
  if (/^[\da-f-]*$/i.test(key)) return key.replaceAll('-', '').length * 4
  if (/^[\w+/=-]*$/.test(key)) return key.replaceAll('=', '').length * 6
  return utf8(key).length * 8
}
