/** The functions that ask Vault, with secrets in Secrets Manager which change between their events; the HTTP function has nothing by reference. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import type { LambdaDeployment } from '../support/lambda/deployment.ts'
import { deployLambda } from '../support/lambda/deployment.ts'
import type { SecretsManager } from '../support/secrets-manager.ts'
import { secretsManagerDouble } from '../support/secrets-manager.ts'
import { settingsOf } from '../support/settings.ts'
import { vaultClient } from '../support/vault.ts'

const [FIRST, SECOND] = [1, 2].map((byte) => Buffer.alloc(32, byte).toString('base64'))
const TOKEN = 'ek_of_no_importance'
const sync = {
  call: 'sync',
  keyring: 'default',
  options: { force: false, adopt: false, token: null },
  withinMs: 20_000,
}
/** With a token of the caller's own. */
const ofCaller = { ...sync, options: { ...sync.options, token: 'dead' } }
const scheduled = { source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} }
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
    ...settingsOf(vault.address, TOKEN),
    KEYRING_VAULT_TOKEN: '{vault://aws/edge-keyring/vault_token}',
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
  await deployment.sync.invoke(scheduled)
  expect(aws.asked()).toEqual(['edge-keyring AWSCURRENT eu-central-1'])
  aws.put('edge-keyring', { vault_token: 'root' })
  expect((await deployment.sync.invoke(sync)).body).toMatchObject({ ok: true })
  expect(aws.asked()).toEqual(['edge-keyring AWSCURRENT eu-central-1'])
  expect(code((await deployment.sync.invoke(ofCaller)).body)).toBe('ERR_VAULT_DENIED')
  expect(aws.asked()).toEqual([])
  expect(deployment.output()).not.toContain('canary-of-aws')
})

it('rotates with a login of its own by reference, at the next call when that one changes: none is carried out twice', async () => {
  aws.put('rotation', { vault_token: 'dead' })
  const rotate = await deployment.startRotate({ KEYRING_ROTATION_VAULT_TOKEN: '{vault://aws/rotation/vault_token}' })
  expect((await rotate.invoke(sync)).body).toMatchObject({
    ok: true,
  })
  aws.put('rotation', { vault_token: 'root' })
  const event = { call: 'rotate', keyring: 'default', dryRun: false, withinMs: 20_000 }
  expect(code((await rotate.invoke(event)).body)).toBe('ERR_VAULT_DENIED')
  expect((await rotate.invoke(event)).body).toMatchObject({ ok: true, value: { rotated: true, version: 2 } })
})

it('keeps its wrapping keys where the list lacks one that is needed, and says so; takes those of both versions', async () => {
  aws.put('ring', { keys: `w1:${FIRST}` })
  const rotate = await deployment.startRotate({ KEYRING_WRAPPING_KEYS: '{vault://aws/ring/keys}' })
  const http = await deployment.startHttp({ KEYRING_WRAPPING_KEYS: `w2:${SECOND},w1:${FIRST}` })
  const status = async () => {
    const response = await fetch(`${http.url}/keyrings/default`, { headers: { authorization: `Bearer ${TOKEN}` } })
    return (await response.json()) as { needed: string[]; wrapping_keys: { id: string; needed_by: string[] }[] }
  }
  /** What the record is sealed under once there is a new version. */
  const sealedUnder = async (id: string, by = rotate) => {
    await vaultClient(vault.address, 'root').write('keyring', { id, key: `${id} of no importance 0123456789` })
    expect((await by.invoke(sync)).body).toMatchObject({ ok: true })
    return (await status()).wrapping_keys.find(({ needed_by: by }) => by.includes('record'))?.id
  }
  expect(await sealedUnder('third003')).toBe('w1')
  for (let put = 0; put < 2; put += 1) aws.put('ring', { keys: `w2:${SECOND}` })
  await rotate.invoke(scheduled)
  expect(rotate.output()).toContain('is not taken: it lacks an id that is still needed, \\"w1\\"')
  const refused = expect.stringContaining(
    'KEYRING_WRAPPING_KEYS is not taken: it lacks an id that is still needed, "w1"',
  )
  expect((await status()).needed).toContainEqual(refused)
  expect(await sealedUnder('fourth04')).toBe('w1')
  aws.put('ring', { keys: `w1:${FIRST}` })
  aws.put('ring', { keys: `w2:${SECOND}` })
  const ahead = await deployment.startRotate({ KEYRING_WRAPPING_KEYS: `w2:${SECOND},w1:${FIRST}` })
  expect(await sealedUnder('fifth005', ahead)).toBe('w2')
  /** It meets a record that its keys do not open, and looks. */
  expect(await sealedUnder('sixth006')).toBe('w2')
  expect(deployment.output()).not.toContain(SECOND)
})

it('names a reference that is given to the HTTP function, which resolves none', async () => {
  const http = await deployment.startHttp({ KEYRING_WRAPPING_KEYS: '{vault://aws/edge-keyring/keys}' })
  expect((await fetch(`${http.url}/keyring`)).status).toBe(503)
  expect(http.instance.output()).toContain('has a reference, which nothing resolves here')
})
