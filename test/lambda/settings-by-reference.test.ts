/** The sync function with a token in Secrets Manager, which changes between its events; the HTTP function has nothing by reference. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import type { LambdaDeployment } from '../support/lambda/deployment.ts'
import { deployLambda } from '../support/lambda/deployment.ts'
import type { SecretsManager } from '../support/secrets-manager.ts'
import { secretsManagerDouble } from '../support/secrets-manager.ts'
import { vaultClient } from '../support/vault.ts'

const TOKEN = 'ek_of_no_importance'
const sync = {
  call: 'sync',
  keyring: 'default',
  options: { force: false, adopt: false, token: null },
  withinMs: 20_000,
}
let vault: DevVault
let aws: SecretsManager
let deployment: LambdaDeployment

beforeAll(async () => {
  vault = await startDevVault({ port: 0, dataFile: null })
  await vaultClient(vault.address, 'root').write('keyring', {
    id: 'first001',
    key: 'some key of no importance 0123456789',
  })
  aws = await secretsManagerDouble()
  deployment = await deployLambda({
    KEYRING_VAULT_HOST: vault.address,
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: '{vault://aws/edge-keyring/vault_token}',
    KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
    KEYRING_API_TOKENS: JSON.stringify([
      { name: 'admin', sha256: createHash('sha256').update(TOKEN).digest('hex'), grants: ['admin'] },
    ]),
    AWS_ENDPOINT_URL_SECRETS_MANAGER: aws.url,
  })
}, 60_000)
afterAll(async () => {
  await deployment.stop()
  await aws.close()
  await vault.close()
})

const code = (answer: unknown) => (answer as { error?: { code?: string } }).error?.code

it('asks for a secret at its first event, and again at the next while it cannot be read', async () => {
  expect(aws.asked()).toEqual([])
  expect(code((await deployment.sync.invoke(sync)).body)).toBe('ERR_CONFIG_INVALID')
  expect(deployment.output()).toMatch(
    /"setting":"KEYRING_VAULT_TOKEN","problem":"has a reference.*ResourceNotFoundException/,
  )
  aws.put('edge-keyring', { vault_token: 'root' })
  expect((await deployment.sync.invoke(sync)).body).toMatchObject({ ok: true })
  expect(aws.asked()).toHaveLength(2)
})

it('asks for nothing again while all is well, and goes on with another token when Vault refuses the one before', async () => {
  expect((await deployment.sync.invoke(sync)).body).toMatchObject({ ok: true })
  expect(aws.asked()).toEqual([])
  aws.put('edge-keyring', { vault_token: 'dead' })
  const scheduled = { source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} }
  await deployment.sync.invoke(scheduled)
  expect(aws.asked()).toEqual(['edge-keyring AWSCURRENT eu-central-1'])
  expect(code((await deployment.sync.invoke(sync)).body)).toBe('ERR_VAULT_DENIED')
  aws.put('edge-keyring', { vault_token: 'root' })
  expect((await deployment.sync.invoke(sync)).body).toMatchObject({ ok: true })
  expect(deployment.output()).not.toContain('canary-of-aws')
})

it('names a reference that is given to the HTTP function, which resolves none', async () => {
  const http = await deployment.startHttp({ KEYRING_WRAPPING_KEYS: '{vault://aws/edge-keyring/keys}' })
  expect((await fetch(`${http.url}/keyring`)).status).toBe(503)
  expect(http.instance.output()).toContain('has a reference {vault://…}, which nothing resolves here')
})
