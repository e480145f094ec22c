/** A bundle that lacks a part: what needs the part fails as a defect of ours, and what does not need it works. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import { buildLambda } from '../../tools/build-lambda.ts'
import { authority } from '../support/certificates.ts'
import { deployLambda } from '../support/lambda/deployment.ts'
import { vaultClient } from '../support/vault.ts'
import { settingsOf } from '../support/settings.ts'

const TOKEN = 'ek_lambda_admin'
const SCHEDULED = { source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} }

const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-broken-'))
let vault: DevVault
let file: string

beforeAll(async () => {
  vault = await startDevVault({ port: 0, dataFile: null })
  await vaultClient(vault.address, 'root').write('keyring', { id: 'k1', key: 'of no importance: 0123456789abcdef' })
  file = (await buildLambda('sync', folder)).file
  for (const name of readdirSync(join(folder, 'sync')))
    if (name.startsWith('undici-')) rmSync(join(folder, 'sync', name))
}, 60_000)
afterAll(async () => {
  await vault.close()
  rmSync(folder, { recursive: true })
})

async function deploy(more: Record<string, string>) {
  const settings = {
    ...settingsOf(vault.address, TOKEN),
    ...more,
  }
  const deployment = await deployLambda(settings, { sync: file })
  onTestFinished(() => deployment.stop())
  const { url } = await deployment.startHttp()
  const call = async (method: string, path: string) => {
    const response = await fetch(url + path, { method, headers: { authorization: `Bearer ${TOKEN}` } })
    const text = await response.text()
    return { status: response.status, body: text === '' ? null : (JSON.parse(text) as unknown) }
  }
  return { deployment, call }
}

it.each([
  ['with settings of TLS', true],
  ['without', false],
])(
  'without undici, a sync is a defect, %s: no outage in answer, status or schedule, and its cause is in the log',
  async (_name, isTls) => {
    const { cert } = await authority('An authority')
    const tls = { KEYRING_VAULT_HOST: 'https://localhost:1', KEYRING_VAULT_CACERT: cert }
    const { call, deployment } = await deploy(isTls ? tls : {})
    expect(await call('POST', '/keyring/vault/sync')).toMatchObject({ status: 500, body: { code: 'ERR_INTERNAL' } })
    expect(await call('GET', '/keyrings/default')).toMatchObject({
      status: 200,
      body: {
        last_error: { code: 'ERR_INTERNAL', failures: 1 },
        needed: expect.arrayContaining([expect.stringContaining('the log')]),
      },
    })
    const missing = /"level":"error","request":"[^"]+","defect":"Error","code":"ERR_MODULE_NOT_FOUND","frames":\["at /
    expect(deployment.sync.output()).toMatch(missing)
    expect(deployment.output()).not.toMatch(/UNREACHABLE|Cannot find module/)
  },
)

it('without undici, the schedule fails as a function does, and says which keyring', async () => {
  const { cert } = await authority('An authority')
  const tls = { KEYRING_VAULT_HOST: 'https://localhost:1', KEYRING_VAULT_CACERT: cert }
  const { deployment } = await deploy(tls)
  expect(await deployment.sync.invoke(SCHEDULED)).toMatchObject({ failed: true })
  expect(deployment.sync.output()).toMatch(/"request":"schedule","defect":"Error","code":"ERR_MODULE_NOT_FOUND"/)
  expect(deployment.sync.output()).toMatch(/"keyring":"default","outcome":"failed","code":"ERR_INTERNAL"/)
})
