/** From when a key may be removed, as the server itself says it: whoever else has the store may still encrypt with it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import { keyString } from '../support/syncing.ts'
import { nodeServer } from '../support/node-server.ts'
import { vaultClient } from '../support/vault.ts'

it('a key may be removed 31 s after it stopped being active: a second, and 30 s for work under way and clocks', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  const vault = await startDevVault({ port: 0, dataFile: null })
  const write = (id: string) => vaultClient(vault.address, 'root').write('keyring', { id, key: keyString(id) })
  await write('one')
  const server = await nodeServer({ KEYRING_VAULT_HOST: vault.address, KEYRING_DATABASE: join(folder, 'db') })
  try {
    await write('two')
    const before = Date.now()
    expect(await server.call('/keyring/vault/sync', {})).toMatchObject({ status: 204 })
    const after = Date.now()
    const refused = await server.call('/keyring/remove', { id: 'one' })
    expect(refused).toMatchObject({ status: 409, code: 'ERR_KEY_IN_USE' })
    const stopped = Date.parse(String(refused.body['allowedFrom'])) - 31_000
    expect([stopped >= before, stopped <= after]).toEqual([true, true])
  } finally {
    await server.end('SIGKILL')
    await vault.close()
    rmSync(folder, { recursive: true })
  }
})
