/** The keys that a function which uses one keyring alone is given in place of the wrapping keys (docs/formats.md). */
import { fromBase64, toBase64 } from '../core/bytes.ts'
import type { Cipher } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import type { WrappingKey } from '../core/wrapping-key.ts'

/** The order stays. Keys that are derived already stay as they are, and those of other keyrings are left out. */
export async function deriveForKeyring(
  cipher: Cipher,
  keys: readonly WrappingKey[],
  keyring: string,
): Promise<readonly WrappingKey[]> {
  const usable = keys.filter((key) => key.keyring === null || key.keyring === keyring)
  return Promise.all(usable.map(async (key) => (key.keyring === null ? await derived(cipher, key, keyring) : key)))
}

async function derived(cipher: Cipher, { id, key }: WrappingKey, keyring: string): Promise<WrappingKey> {
  const raw = fromBase64(key.reveal())
  if (raw === null) throw new TypeError('A wrapping key that the settings did not check.')
  return { id, keyring, key: new Secret(toBase64(await cipher.derive(raw, `keyring/${keyring}`, 32))) }
}
