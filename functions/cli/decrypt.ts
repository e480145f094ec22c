/** `edge-keyring decrypt`: from a ciphertext to the plaintext, whether that is text or bytes. */
import { decodeUtf8, toBase64 } from '../../src/core/bytes.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import type { KeyringClient } from './client.ts'
import type { Outcome } from './command.ts'
import { inputOr } from './input.ts'

export async function decrypt(
  keyring: KeyringClient,
  ciphertext: string | undefined,
  context: string,
): Promise<Outcome> {
  const value = decodeUtf8(await inputOr(ciphertext))?.trim() ?? ''
  const { plaintext, key_id } = await keyring.decrypt(value, context)
  return { document: { ...textOrBase64(plaintext), key_id }, screen: plaintext }
}

function textOrBase64(bytes: Bytes): { plaintext: string; encoding: 'text' | 'base64' } {
  const text = decodeUtf8(bytes)
  return text === null ? { plaintext: toBase64(bytes), encoding: 'base64' } : { plaintext: text, encoding: 'text' }
}
