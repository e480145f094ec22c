/** A server whose secrets change while it runs: it takes them without a start, and says what it does not take. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import type { NodeServer } from '../support/node-server.ts'
import { nodeServer } from '../support/node-server.ts'
import type { SecretsManager } from '../support/secrets-manager.ts'
import { secretsManagerDouble } from '../support/secrets-manager.ts'
import type { VaultClient } from '../support/vault.ts'
import { vaultClient } from '../support/vault.ts'

const KEY = (name: string) => `${name}: some key material of no importance 0123456789`
const [FIRST = '', SECOND = ''] = [1, 2].map((byte) => Buffer.alloc(32, byte).toString('base64'))
const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-by-reference-'))
let vault: DevVault
let secrets: VaultClient
let aws: SecretsManager
let server: NodeServer | null = null
let databases = 0

beforeAll(async () => {
  vault = await startDevVault({ port: 0, dataFile: null })
  secrets = vaultClient(vault.address, 'root')
  await secrets.write('keyring', { id: 'first001', key: KEY('first') })
  aws = await secretsManagerDouble()
})
afterEach(async () => {
  await server?.end('SIGKILL')
  server = null
})
afterAll(async () => {
  await vault.close()
  await aws.close()
  rmSync(folder, { recursive: true })
})

async function start(settings: Record<string, string>): Promise<NodeServer> {
  server = await nodeServer({
    KEYRING_VAULT_HOST: vault.address,
    KEYRING_DATABASE: join(folder, `${(databases += 1)}.sqlite`),
    AWS_ENDPOINT_URL_SECRETS_MANAGER: aws.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'AKIATESTTESTTESTTEST',
    AWS_SECRET_ACCESS_KEY: 'any',
    ...settings,
  })
  return server
}

/** As an agent writes its sink. */
function sink(text: string): string {
  const path = join(folder, 'sink')
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
  return `{vault://fs${path}}`
}

it('goes on with the token that an agent has written, at the first sync that the one before fails', async () => {
  const running = await start({ KEYRING_VAULT_TOKEN: sink('root\n') })
  sink('dead\n')
  const denied = { checks: expect.arrayContaining([expect.objectContaining({ code: 'ERR_VAULT_DENIED' })]) }
  expect((await running.call('/keyrings/default/doctor')).body).toMatchObject(denied)
  sink('root\n')
  await secrets.write('keyring', { id: 'second02', key: KEY('second') })
  expect((await running.call('/keyrings/default/sync', {})).status).toBe(204)
  expect((await running.call('/keyring/active')).body).toEqual({ id: 'second02' })
})

it('keeps its wrapping keys where the list lacks one that is needed, and says so; takes a whole one, and goes on with both', async () => {
  aws.put('ring', { keys: `w1:${FIRST}` })
  const running = await start({
    KEYRING_VAULT_TOKEN: sink('root'),
    KEYRING_WRAPPING_KEYS: '{vault://aws/ring/keys}',
  })
  const status = async () => (await running.call('/keyrings/default')).body
  const { body: sealed } = await running.call('/keyrings/default/encrypt', { plaintext: 'before' })
  for (let put = 0; put < 2; put += 1) aws.put('ring', { keys: `w2:${SECOND}` })
  sink('dead')
  /** The doctor's look. */
  await running.call('/keyrings/default/doctor')
  const ids = async () => ((await status())['wrapping_keys'] as { id: string }[]).map(({ id }) => id)
  expect(running.said()).toContain('is not taken: it lacks an id that is still needed')
  expect(await ids()).toEqual(['w1'])
  aws.put('ring', { keys: `w2:${SECOND},w1:${FIRST}` })
  sink('root')
  /** What fails at Vault is looked into. */
  await running.call('/keyrings/default/sync', {})
  expect(await ids()).toEqual(['w2', 'w1'])
  const opened = await running.call('/keyrings/default/decrypt', { ciphertext: sealed['ciphertext'] })
  expect(opened.body).toMatchObject({ plaintext: 'before' })
  expect((await running.call('/keyrings/default/sync', {})).status).toBe(204)
  expect(running.said() + running.wrote()).not.toContain(SECOND)
})

it('does not start with a reference that cannot be read, and names the setting and the exception alone', async () => {
  const failed = await start({ KEYRING_VAULT_TOKEN: '{vault://aws/c4n4ry/token}' }).catch(
    (error: Error) => error.message,
  )
  expect(failed).toMatch(/KEYRING_VAULT_TOKEN.*does not answer \(ResourceNotFoundException\)/)
  expect(failed).not.toMatch(/c4n4ry|canary/)
})
