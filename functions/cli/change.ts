/** `edge-keyring remove` and `compromise`: what changes one key for good. */
import type { KeyringClient } from './client.ts'
import type { Outcome } from './command.ts'

export async function remove(keyring: KeyringClient, id: string, force: boolean): Promise<Outcome> {
  await keyring.change({ op: 'remove', id, force })
  return { document: { keyring: keyring.name, removed: id }, screen: `ok  removed ${id}\n` }
}

export async function compromise(keyring: KeyringClient, id: string, force: boolean): Promise<Outcome> {
  await keyring.change({ op: 'compromise', id, force })
  return { document: { keyring: keyring.name, compromised: id }, screen: `ok  compromised ${id}\n` }
}
