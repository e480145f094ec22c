/** `edge-keyring encrypt`: from text or bytes to a ciphertext, with the active key. */
import type { KeyringClient } from './client.ts'
import type { Outcome } from './command.ts'
import { inputOr } from './input.ts'

export async function encrypt(
  keyring: KeyringClient,
  plaintext: string | undefined,
  context: string,
): Promise<Outcome> {
  const document = await keyring.encrypt(await inputOr(plaintext), context)
  return { document, screen: `${document.ciphertext}\n` }
}
