/** Secrets that are bindings: asked for at the first request, by the Worker and by its object, and again while they cannot be had. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import { vaultClient } from '../support/vault.ts'
import type { Workerd } from '../support/workerd.ts'
import { startWorkerd } from '../support/workerd.ts'

const TOKEN = 'ek_of_no_importance'
const SHA256 = createHash('sha256').update(TOKEN).digest('hex')
let vault: DevVault
let folder: string
let running: Workerd

beforeAll(async () => {
  vault = await startDevVault({ port: 0, dataFile: null })
  await vaultClient(vault.address, 'root').write('keyring', {
    id: 'first001',
    key: 'some key of no importance 0123456789',
  })
  folder = mkdtempSync(join(tmpdir(), 'edge-keyring-secrets-store-'))
  running = await startWorkerd(folder, [
    { name: 'store', entry: join(import.meta.dirname, 'secrets-store-worker.ts') },
    {
      name: 'worker',
      entry: join(import.meta.dirname, '../../functions/cloudflare/worker.ts'),
      objectClass: 'KeyringObject',
      objects: { KEYRING_OBJECT: ['KeyringObject', 'worker'] },
      texts: {
        KEYRING_VAULT_HOST: vault.address,
        KEYRING_VAULT_MOUNT: 'secret',
        KEYRING_VAULT_PATH: 'keyring',
        KEYRING_API_TOKENS: JSON.stringify([{ name: 'test', sha256: SHA256, grants: ['admin'] }]),
      },
      entrypoints: {
        KEYRING_WRAPPING_KEYS: ['WrappingKeys', 'store'],
        KEYRING_VAULT_TOKEN: ['VaultToken', 'store'],
      },
    },
  ])
}, 60_000)
afterAll(async () => {
  await running.kill()
  await vault.close()
  rmSync(folder, { recursive: true })
})

async function call(method: string, path: string, body?: object) {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  const response = await fetch(running.url('worker') + path, { method, headers, ...sent })
  return { status: response.status, text: await response.text() }
}

it('a secret that the store does not give is named to callers, and asked for again', async () => {
  const refused = await call('GET', '/keyring')
  expect(refused.status).toBe(503)
  expect(refused.text).toContain('KEYRING_WRAPPING_KEYS')
  expect(refused.text).not.toContain('canary')
  // The Worker has read it now, and the object meets a failure of its own.
  expect(await call('POST', '/keyrings/default/sync', {})).toMatchObject({
    status: 503,
    text: expect.stringContaining('ERR_CONFIG_INVALID'),
  })
  expect((await call('POST', '/keyrings/default/sync', {})).status).toBe(204)
})

it('what is read serves Worker and object', async () => {
  const { text } = await call('POST', '/keyrings/default/encrypt', { plaintext: 'x' })
  const opened = await call('POST', '/keyrings/default/decrypt', { ciphertext: JSON.parse(text).ciphertext })
  expect(JSON.parse(opened.text)).toMatchObject({ plaintext: 'x' })
})
