/** `edge-keyring export` and `import`: the sealed record, as it is stored, out of a keyring and back into one. */
import { readFileSync } from 'node:fs'
import type { KeyringClient } from './client.ts'
import type { Outcome } from './command.ts'
import { failed } from './failure.ts'
import { inputOr } from './input.ts'

export async function printRecord(keyring: KeyringClient): Promise<Outcome> {
  const record = await keyring.export()
  return { document: { keyring: keyring.name, record }, screen: record }
}

/** @param file '-' = standard input. */
export async function bringBack(keyring: KeyringClient, file: string, force: boolean): Promise<Outcome> {
  const document = await keyring.import(await bytesOf(file), force)
  const { added, removed, active } = document
  const some = (ids: readonly string[]) => `${ids.length}${ids.length === 0 ? '' : ` (${ids.join(', ')})`}`
  return {
    document,
    screen: `ok  keys added: ${some(added)}; removed: ${some(removed)}; ${active ?? 'no key'} is active\n`,
  }
}

async function bytesOf(file: string): Promise<Uint8Array> {
  if (file === '-') return inputOr(undefined)
  try {
    return readFileSync(file)
  } catch (error) {
    throw failed('ERR_USAGE', `The file cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}
