/** `edge-keyring reseal`: everything stored of a keyring goes under the first wrapping key, and it is said what still needs another. */
import type { KeyringClient } from './client.ts'
import type { Outcome } from './command.ts'
import { keysInWords } from './status.ts'

/** The exit status is 1 while another key is needed: the one who takes keys out may be a script. */
export async function resealKeyring(keyring: KeyringClient): Promise<Outcome> {
  const document = await keyring.reseal()
  const { done, wrapping_keys: keys } = document
  const lines = keysInWords(keys).map((line) => `wrapping key  ${line}\n`)
  const last = done ? 'ok  sealed anew\n' : 'not yet: another wrapping key is still needed; try again in a minute\n'
  return { document, screen: lines.join('') + last, exit: done ? 0 : 1 }
}
