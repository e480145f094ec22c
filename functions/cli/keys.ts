/** `edge-keyring keys`: a table of the keys that there are. */
import { command, keyringArgs, withKeyring } from './command.ts'
import type { StatusBody } from './schema.ts'

export const keys = command({
  meta: { name: 'keys', description: 'List the keys, never their material.' },
  args: keyringArgs,
  run: ({ args }) =>
    withKeyring(args, async (keyring) => {
      const { keys: document } = await keyring.status()
      return { document, screen: document.length === 0 ? 'no keys yet: edge-keyring sync\n' : table(document) }
    }),
})

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
