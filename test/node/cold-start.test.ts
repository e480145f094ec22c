/** What the first encrypt of an instance that has just started costs while Vault is down. */
import { mkdtempSync, rmSync } from 'node:fs'
import { StatementSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import { openInstance } from '../../functions/node/instance.ts'
import { parseConfig } from '../../src/config/config.ts'
import { faultyProxy, vaultClient } from '../support/vault.ts'

it('the first encrypt of a cold instance reads one item of SQLite once, and asks Vault nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  const vault = await startDevVault({ port: 0, dataFile: null })
  const proxy = await faultyProxy(vault.address)
  await vaultClient(vault.address, 'root').write('keyring', { id: 'first001', key: 'cold 0123456789abcdef0123456789' })
  const parsed = parseConfig(
    {
      KEYRING_VAULT_HOST: proxy.address,
      KEYRING_VAULT_MOUNT: 'secret',
      KEYRING_VAULT_PATH: 'keyring',
      KEYRING_VAULT_TOKEN: 'root',
      KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
      KEYRING_API_TOKEN: 'of-no-importance',
    },
    'node',
  )
  const config = (parsed.ok ? parsed.config : null) ?? expect.unreachable()
  const open = () => openInstance(config, { database: join(folder, 'db'), auditFile: join(folder, 'audit') })
  const encrypt = async ({ app }: ReturnType<typeof open>) => {
    const headers = { authorization: 'Bearer of-no-importance', 'content-type': 'application/json' }
    const asked = { method: 'POST', headers, body: '{"plaintext":"x"}' }
    return (await app.fetch(new Request('http://localhost/keyrings/default/encrypt', asked))).json()
  }
  const warm = open()
  await (await warm.keyring('default')).sync({ force: false, adopt: false, token: null })
  await warm.close()

  proxy.spoil(/./, 'cut')
  proxy.seen.length = 0
  const cold = open()
  const asked = vi.spyOn(StatementSync.prototype, 'get')
  expect(await encrypt(cold)).toMatchObject({ key_id: 'first001' })
  const reads = asked.mock.calls.filter(([name]) => name !== undefined)
  expect([reads, proxy.seen]).toEqual([[['keyring/default']], []])
  asked.mockRestore()
  await cold.close()
  await proxy.close()
  await vault.close()
  rmSync(folder, { recursive: true })
})
