/** `edge-keyring keys`: a table of the keys that there are. */
import type { KeyringClient } from './client.ts'
import type { Outcome } from './command.ts'
import { commandLine } from './remedies.ts'
import type { StatusBody } from './schema.ts'

export async function keys(keyring: KeyringClient): Promise<Outcome> {
  const { keys: document } = await keyring.status()
  const none = `no keys yet: ${commandLine('sync', keyring.name)}\n`
  return { document, screen: document.length === 0 ? none : table(document) }
}

function table(keys: StatusBody['keys']): string {
  const rows = keys.map(({ id, state, source, versions, created, weak }) => [
    id,
    state,
    source,
    versions.join(','),
    `${created}${weak ? '  weak' : ''}`,
  ])
  const lines = [['ID', 'STATE', 'AT SOURCE', 'VERSIONS', 'CREATED'], ...rows]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines.map((line) => `${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}\n`).join('')
}
