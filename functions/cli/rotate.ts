/** `edge-keyring rotate`: a new key at the source, or whether there could be one. */
import type { KeyringClient } from './client.ts'
import type { Outcome } from './command.ts'

export async function rotate(keyring: KeyringClient, dryRun: boolean): Promise<Outcome> {
  const done = await keyring.rotate(dryRun)
  const { rotated, version, active, rotations_left: left } = done
  const what = rotated
    ? `ok  version ${version} was written`
    : dryRun
      ? `ok  version ${version + 1} could be written`
      : `ok  version ${version} was written by somebody else`
  const more = left === null ? '' : `; ${left} more until Vault would prune a key`
  return { document: done, screen: `${what}; ${active ?? 'no key'} is active${more}\n` }
}
