/** The MAC of an index beside an encrypted field, `ekb1` (docs/formats.md), under a subkey of its own. */
import type { Bytes } from '../core/bytes.ts'
import type { Cipher, Hash, KeyMaterial } from '../core/ports.ts'
import { revealMaterial } from './material.ts'

/** A subkey is kept as long as its material is. */
const subkeys = new WeakMap<KeyMaterial, Bytes>()

export async function indexMac(cipher: Cipher, hash: Hash, material: KeyMaterial, message: Bytes): Promise<Bytes> {
  const subkey = subkeys.get(material) ?? (await cipher.derive(revealMaterial(material), 'ekb1/index', 32))
  subkeys.set(material, subkey)
  return hash.hmac(subkey, message)
}
