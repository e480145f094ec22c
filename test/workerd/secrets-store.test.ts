/** Secrets that are bindings: asked for at the first request, by the Worker and by its object, again while they cannot be had, and again later. */
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
const [FIRST, SECOND, THIRD, FOURTH] = [1, 2, 3, 4].map((byte) => Buffer.alloc(32, byte).toString('base64'))
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
      entry: join(import.meta.dirname, 'timed-worker.ts'),
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
        KEYRING_VAULTS: ['Vaults', 'store'],
      },
    },
  ])
}, 60_000)
afterAll(async () => {
  await running.kill()
  await vault.close()
  rmSync(folder, { recursive: true })
})

const put = (service: string, path: string, body: string) => fetch(running.url(service) + path, { method: 'PUT', body })
const given = (name: 'WrappingKeys' | 'VaultToken' | 'Vaults' | 'failures', text: string) =>
  put('store', `/${name}`, text)
const later = (ms = 60_000) => put('worker', '/test/clock', String(ms))
const scheduled = () => put('worker', '/test/scheduled', '')

async function call(method: string, path: string, body?: object) {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  const response = await fetch(running.url('worker') + path, { method, headers, ...sent })
  return { status: response.status, text: await response.text() }
}
const sync = () => call('POST', '/keyrings/default/sync', {})
async function status() {
  const { text } = await call('GET', '/keyrings/default')
  return JSON.parse(text) as { needed: string[]; wrapping_keys: { id: string; configured: boolean }[] }
}
/** Those that the Worker has. */
const ids = async () => (await status()).wrapping_keys.flatMap(({ id, configured }) => (configured ? [id] : []))

it('a secret that the store does not give is named to callers, and asked for again', async () => {
  await given('WrappingKeys', `w1:${FIRST}`)
  await given('VaultToken', 'root')
  await given('failures', '2')
  const refused = await call('GET', '/keyring')
  expect(refused.status).toBe(503)
  expect(refused.text).toContain('KEYRING_WRAPPING_KEYS')
  expect(refused.text).not.toContain('canary')
  // The Worker reads it now, and the object meets a failure of its own.
  expect((await call('GET', '/healthz')).status).toBe(200)
  await given('failures', '1')
  expect(await sync()).toMatchObject({ status: 503, text: expect.stringContaining('ERR_CONFIG_INVALID') })
  expect((await sync()).status).toBe(204)
})

it('what is read serves Worker and object', async () => {
  const { text } = await call('POST', '/keyrings/default/encrypt', { plaintext: 'x' })
  const opened = await call('POST', '/keyrings/default/decrypt', { ciphertext: JSON.parse(text).ciphertext })
  expect(JSON.parse(opened.text)).toMatchObject({ plaintext: 'x' })
})

it('a token that has changed is taken with the schedule, and at the sync that the one before fails', async () => {
  await given('VaultToken', 'dead')
  expect((await sync()).status).toBe(204)
  await later()
  await scheduled()
  expect(await sync()).toMatchObject({ status: 502, text: expect.stringContaining('ERR_VAULT_DENIED') })
  await given('VaultToken', 'root')
  await later(5000)
  expect((await sync()).status).toBe(204)
})

it('a list of wrapping keys without one that is needed is refused by both, and the status says so; a whole one is taken', async () => {
  await given('WrappingKeys', `w2:${SECOND}`)
  await later()
  await scheduled()
  const refused =
    'KEYRING_WRAPPING_KEYS is not taken: it lacks an id that is still needed, "w1"; the list of before stays'
  expect(await status()).toMatchObject({ needed: [refused] })
  expect(await ids()).toEqual(['w1'])
  await given('WrappingKeys', `w2:${SECOND},w1:${FIRST}`)
  await later()
  await scheduled()
  expect(await ids()).toEqual(['w2', 'w1'])
  expect(await status()).toMatchObject({ needed: [] })
  expect((await sync()).status).toBe(204)
})

it('requests alone let the Worker look again, once a minute, behind them', async () => {
  await given('WrappingKeys', `w2:${SECOND},w1:${FIRST},w3:${THIRD}`)
  expect(await ids()).toEqual(['w2', 'w1'])
  await later()
  await expect.poll(ids).toEqual(['w2', 'w1', 'w3'])
})

it('an answer that failed lets the Worker look sooner', async () => {
  await given('WrappingKeys', `w4:${FOURTH},w2:${SECOND},w1:${FIRST},w3:${THIRD}`)
  await vaultClient(vault.address, 'root').write('keyring', {
    id: 'second02',
    key: 'another key of no importance 012345',
  })
  // Long enough for the object's look, and too short for the Worker's.
  await later(55_000)
  await scheduled()
  expect(await ids()).not.toContain('w4')
  expect(await sync()).toMatchObject({ status: 500, text: expect.stringContaining('ERR_WRAPPING_KEY_MISSING') })
  await expect.poll(async () => (await call('GET', '/keyring/active')).text).toContain('second02')
})

it('vaults behind references may be a secret too, and are taken with the schedule', async () => {
  const resolve = () => call('POST', '/secrets/resolve', { references: ['{vault://hcv-prod/app/db}'] })
  await vaultClient(vault.address, 'root').write('app', { db: 'one' })
  const config = { host: '127.0.0.1', port: vault.port, kv: 'v2', token: 'root', ttl: 60 }
  await given('Vaults', JSON.stringify([{ name: 'hcv', prefix: 'hcv-prod', config }]))
  expect((await resolve()).text).toContain('ERR_REFERENCE_VAULT_UNKNOWN')
  await later()
  await scheduled()
  expect((await resolve()).text).toContain('"value":"one"')
})
