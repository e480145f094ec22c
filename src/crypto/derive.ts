/** The keys that a function with one purpose is given in place of the wrapping keys (docs/formats.md). */
import { toBase64 } from '../core/bytes.ts'
import type { Cipher } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import type { WrappingKey } from '../core/wrapping-key.ts'
import { derivedKey, isFor } from './wrapping.ts'

/** The order stays. Keys that are derived already stay as they are, and those for other purposes are left out. */
export function deriveFor(cipher: Cipher, keys: readonly WrappingKey[], purpose: string): Promise<WrappingKey[]> {
  const derived = async (key: WrappingKey): Promise<WrappingKey> => {
    const root = await derivedKey(cipher, key, purpose)
    return { id: key.id, purpose, key: new Secret(toBase64(root)) }
  }
  return Promise.all(keys.filter(isFor(purpose)).map(derived))
}
