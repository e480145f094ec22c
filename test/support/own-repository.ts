/** A repository of a user's own in an empty folder, where the built entries of the package are the only library. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import { nodeHash } from '../../functions/node-shared/cipher.ts'
import { newToken } from '../../src/auth/tokens.ts'
import { ENTRIES, buildEntries } from '../../tools/entries.ts'
import { settingsOf } from './settings.ts'

export async function ownRepository() {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-own-'))
  const root = join(folder, 'node_modules/edge-keyring')
  await buildEntries(root)
  const exports = Object.fromEntries(Object.entries(ENTRIES).map(([name, path]) => [`./${name}`, path]))
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'edge-keyring', version: '0.0.0', exports }))
  const data = { id: 'first001', key: 'k'.repeat(32) }
  const vault = await startDevVault({ port: 0, dataFile: null, seed: { mount: 'secret', path: 'keyring', data } })
  const token = await newToken(nodeHash)
  return {
    folder,
    token,
    settings: settingsOf(vault.address, token),
    remove: async () => {
      await vault.close()
      rmSync(folder, { recursive: true })
    },
  }
}
