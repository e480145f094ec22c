/** What ends soon, as callers of a deployment and a monitor hear of it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import { runCli } from '../support/cli.ts'
import { API_TOKEN, nodeServer } from '../support/node-server.ts'
import type { NodeServer } from '../support/node-server.ts'
import { keyString } from '../support/syncing.ts'
import { vaultClient } from '../support/vault.ts'

let folder: string
let vault: DevVault
let server: NodeServer

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  vault = await startDevVault({ port: 0, dataFile: null })
  await vaultClient(vault.address, 'root').write('keyring', { id: 'one', key: keyString('one') })
  const ends = new Date(Date.now() + 5 * 86_400_000).toISOString()
  server = await nodeServer({
    KEYRING_VAULT_HOST: vault.address,
    KEYRING_DATABASE: join(folder, 'db'),
    KEYRING_API_TOKENS: JSON.stringify([{ name: 'ci', sha256: 'a'.repeat(64), grants: ['read'], expires_at: ends }]),
  })
})
afterAll(async () => {
  await server.end('SIGTERM')
  await vault.close()
  rmSync(folder, { recursive: true })
})

it('is in a header, for those with a credential alone', async () => {
  expect(await server.call('/keyring')).toMatchObject({ status: 200, warning: 'api-token;days=7' })
  expect(await server.call('/readyz')).toMatchObject({ status: 200, warning: null })
})

it('ends a check of the status with exit status 1, and its remedy is said', async () => {
  const env = { EDGE_KEYRING_URL: `http://127.0.0.1:${server.port}`, EDGE_KEYRING_TOKEN: API_TOKEN }
  const checked = await runCli(['status', '--check'], { cwd: folder, env })
  expect(checked).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^ends .*"ci".*\(within 7 days\)\nneeded .*KEYRING_API_TOKENS/m),
  })
  expect((await runCli(['status'], { cwd: folder, env })).code).toBe(0)
})
