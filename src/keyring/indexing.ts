/** HMACs under the keys of a keyring, for the indexes of `src/fields`. Whoever serves makes none, and does not load this. */
import type { Bytes } from '../core/bytes.ts'
import type { Cipher, Hash } from '../core/ports.ts'
import { indexMac } from '../crypto/blind-index.ts'
import type { UsableKeyring } from './usable.ts'

export const indexing = (
  keyring: UsableKeyring,
  { cipher, hash }: { readonly cipher: Cipher; readonly hash: Hash },
) => ({
  /** @throws `ERR_KEY_NOT_FOUND`, `ERR_KEY_UNVERIFIED`. */
  async index(id: string, message: Bytes): Promise<Bytes> {
    const { material } = await keyring.key(id)
    return indexMac(cipher, hash, material, message)
  },
})
