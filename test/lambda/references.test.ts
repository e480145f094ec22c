import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import { nodeCipher } from '../../functions/node-shared/cipher.ts'
import { openReferences } from '../../functions/lambda/resolving.ts'
import { deriveFor } from '../../src/crypto/derive.ts'
import { wrappingKey } from '../support/authority.ts'
import type { LambdaDeployment } from '../support/lambda/deployment.ts'
import { deployLambda } from '../support/lambda/deployment.ts'
import type { Faults } from '../support/lambda/faults.ts'
import { awsEnvironment } from '../support/lambda/table.ts'
import { faultsBefore } from '../support/lambda/faults.ts'
import { settingsOf } from '../support/settings.ts'
import type { FaultyProxy, VaultClient } from '../support/vault.ts'
import { faultyProxy, vaultClient } from '../support/vault.ts'

const ADMIN = 'ek_lambda_admin'
const READER = 'ek_lambda_reader'
const SCHEDULED = { source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} }
const VAULTS_SCHEDULED = { schedule: 'vaults' }
const PASSWORD = '{vault://hashicorp-vault/password/pass1}'
const OTHER_FIELD = '{vault://hashicorp-vault/password/pass2}'

/** In decK's form. The login is for the sync function alone. */
function vaultsAt(address: string, login: Readonly<Record<string, string>> = {}): string {
  const { hostname: host, port } = new URL(address)
  const config = { protocol: 'http', host, port: Number(port), kv: 'v2', ttl: 60, ...login }
  return JSON.stringify({
    vaults: [
      { name: 'hcv', prefix: 'hashicorp-vault', config },
      { name: 'hcv', prefix: 'broken-one', config: { ...config, ttl: 1 } },
      { name: 'env', prefix: 'environment', config: { prefix: 'SECRET_' } },
      { name: 'fs', prefix: 'files', config: { prefix: '/etc' } },
    ],
  })
}

const API_TOKENS = JSON.stringify(
  [
    { name: 'admin', token: ADMIN, grants: ['admin'] },
    { name: 'reader', token: READER, grants: ['resolve:hashicorp-vault/password/pass1'] },
  ].map(({ token, ...rest }) => ({ ...rest, sha256: createHash('sha256').update(token).digest('hex') })),
)

type Http = Awaited<ReturnType<LambdaDeployment['startHttp']>>

async function call({ url }: Http, path: string, body?: object, token = ADMIN) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  const response = await fetch(url + path, { headers, ...sent })
  return { cache: response.headers.get('x-cache'), body: (await response.json()) as Record<string, unknown> }
}

interface Answered {
  readonly value?: string
  readonly error?: { readonly code: string }
}

/** Values, or codes where there are none. */
async function resolve(http: Http, references: readonly string[], { token = ADMIN, refresh = false } = {}) {
  const { cache, body } = await call(http, '/secrets/resolve', { references, refresh }, token)
  return { cache, values: (body['secrets'] as Answered[]).map(({ value, error }) => value ?? error?.code) }
}

describe('references on Lambda', () => {
  let vault: DevVault
  /** The way to Vault, where requests are counted. */
  let way: FaultyProxy
  /** The way to the Invoke API. */
  let invoking: FaultyProxy
  /** The way of the HTTP functions to the tables. */
  let table: Faults
  let secrets: VaultClient
  let deployment: LambdaDeployment

  beforeAll(async () => {
    vault = await startDevVault({ port: 0, dataFile: null })
    way = await faultyProxy(vault.address)
    secrets = vaultClient(vault.address, 'root')
    await secrets.write('keyring', { id: 'first001', key: 'some key material of no importance 0123456789' })
    const readable = ['password', 'second', 'none', 'short'].map(
      (path) => `path "secret/data/${path}" { capabilities = ["read"] }`,
    )
    deployment = await deployLambda({
      ...settingsOf(vault.address, ADMIN),
      KEYRING_API_TOKENS: API_TOKENS,
      KEYRING_VAULTS: vaultsAt(way.address, { token: await secrets.tokenFor(readable.join(' ')) }),
      SECRET_OF_PROCESS: 'from the environment',
    })
    invoking = await faultyProxy(deployment.invokeUrl)
    table = await faultsBefore(deployment.endpoint)
  }, 60_000)
  afterEach(() => {
    way.heal()
    invoking.heal()
  })
  afterAll(async () => {
    await deployment.stop()
    for (const each of [way, invoking, table, vault]) await each.close()
  })

  /** What has happened since. */
  const forget = () => {
    for (const each of [way.seen, invoking.seen, table.asked]) each.length = 0
  }
  const counts = () => ({ reads: table.asked.length, invocations: invoking.seen.length, vault: way.seen.length })
  const cold = (more: Readonly<Record<string, string>> = {}) =>
    deployment.startHttp({
      KEYRING_VAULTS: vaultsAt(way.address),
      AWS_ENDPOINT_URL_DYNAMODB: table.url,
      AWS_ENDPOINT_URL_LAMBDA: invoking.address,
      ...more,
    })

  it('one is resolved by the sync function, and then known to the instance', async () => {
    await secrets.write('password', { pass1: 'old', pass2: 'old too' })
    const http = await cold()
    expect(await resolve(http, [PASSWORD])).toEqual({ cache: 'MISS', values: ['old'] })
    expect(await resolve(http, ['{vault://environment/of-process}'])).toMatchObject({
      values: ['from the environment'],
    })
    forget()
    expect(await resolve(http, [PASSWORD])).toEqual({ cache: 'HIT', values: ['old'] })
    expect(counts()).toEqual({ reads: 0, invocations: 0, vault: 0 })
  })

  it('a cold instance answers from the table, one read for each secret, while Vault and the sync function are gone', async () => {
    await secrets.write('password', { pass1: 'old', pass2: 'old too' })
    await secrets.write('second', { field: 'another' })
    const all = [PASSWORD, '{vault://hashicorp-vault/second/field}', OTHER_FIELD]
    await resolve(await cold(), all)
    way.spoil('', 'cut')
    invoking.spoil('', 'cut')
    const http = await cold()
    forget()
    expect(await resolve(http, all)).toEqual({ cache: 'MISS', values: ['old', 'another', 'old too'] })
    expect(counts()).toEqual({ reads: 2, invocations: 0, vault: 0 })
  })

  it.each([
    // The first, because the keyring is due until it was synced once.
    ['the schedule of vaults alone', VAULTS_SCHEDULED, false],
    ['the schedule', SCHEDULED, true],
  ])('a new version comes with the event of %s, one request to Vault for a secret', async (name, event, isOfAll) => {
    await secrets.write('password', { pass1: 'old', pass2: 'old too' })
    await resolve(await cold(), [PASSWORD, OTHER_FIELD], { refresh: false })
    await secrets.write('password', { pass1: name, pass2: 'new too' })
    const before = deployment.sync.output().length
    forget()
    expect(await deployment.sync.invoke(event)).toEqual({ failed: false, body: null })
    expect(way.seen.filter(({ path }) => path.includes('password'))).toHaveLength(1)
    const lines = () => deployment.sync.output().slice(before)
    await expect.poll(lines).toMatch(/"vault":"hashicorp-vault".*"outcome":"refreshed"/)
    way.spoil('', 'cut')
    expect(await resolve(await cold(), [PASSWORD, OTHER_FIELD])).toMatchObject({ values: [name, 'new too'] })
    expect(invoking.seen).toEqual([])
    expect(lines().includes('"keyring":"default","outcome":"synced"')).toBe(isOfAll)
  })

  it('by force the instance that asked has it at once', async () => {
    await secrets.write('password', { pass1: 'before' })
    const http = await cold()
    await resolve(http, [PASSWORD])
    await secrets.write('password', { pass1: 'forced' })
    expect(await resolve(http, [PASSWORD], { refresh: true })).toEqual({ cache: 'MISS', values: ['forced'] })
    const { body } = await call(http, '/secrets/resolve', { references: [PASSWORD], refresh: true })
    expect(body).toMatchObject({ code: 'ERR_RATE_LIMITED' })
  })

  it('a secret that was deleted ends, and is asked for again when it is wanted', async () => {
    await secrets.write('short', { field: 'lived' })
    const short = '{vault://hashicorp-vault/short/field}'
    expect(await resolve(await cold(), [short])).toMatchObject({ values: ['lived'] })
    await secrets.deleteMetadata('short')
    await deployment.sync.invoke(SCHEDULED)
    const http = await cold()
    expect(await resolve(http, [short])).toEqual({ cache: null, values: ['ERR_SECRET_NOT_FOUND'] })
    await secrets.write('short', { field: 'again' })
    expect(await resolve(http, [short])).toMatchObject({ values: ['again'] })
  })

  it('what there is not, what the login may not read, what no grant covers and a vault that is broken stop nothing else', async () => {
    await secrets.write('password', { pass1: 'here' })
    await secrets.write('private', { field: 'x' })
    const http = await cold()
    const all = [
      PASSWORD,
      '{vault://hashicorp-vault/none/field}',
      '{vault://hashicorp-vault/private/field}',
      '{vault://broken-one/password/pass1}',
      '{vault://files/hostname/}',
      '{vault://nowhere/password/pass1}',
      '{vault://hashicorp-vault/password/none}',
    ]
    expect((await resolve(http, all, { refresh: false })).values.slice(1)).toEqual([
      'ERR_SECRET_NOT_FOUND',
      'ERR_SECRET_FORBIDDEN',
      'ERR_REFERENCE_VAULT_UNKNOWN',
      'ERR_REFERENCE_VAULT_UNKNOWN',
      'ERR_REFERENCE_VAULT_UNKNOWN',
      'ERR_SECRET_UNUSABLE',
    ])
    forget()
    const [granted, ...others] = (await resolve(http, all, { token: READER })).values
    expect(granted).not.toMatch(/^ERR_/)
    expect(new Set(others)).toEqual(new Set(['ERR_FORBIDDEN']))
    expect(counts()).toMatchObject({ invocations: 0, vault: 0 })
    for (const each of [http.instance, deployment.sync]) {
      await expect.poll(() => each.output()).toMatch(/not used: vaults\.broken-one\.config\.ttl: must be 0/)
      expect(each.output()).toMatch(/not used: vaults\.files: cannot be used on Lambda/)
    }
  })

  it('while the sync function is gone, what nobody has asked for says so, and what is kept does not', async () => {
    await secrets.write('password', { pass1: 'kept' })
    await resolve(await cold(), [PASSWORD])
    await deployment.sync.invoke(SCHEDULED)
    invoking.spoil('', 'cut')
    const http = await cold()
    const unknown = '{vault://hashicorp-vault/unasked/field}'
    expect(await resolve(http, [PASSWORD, unknown])).toEqual({
      cache: 'MISS',
      values: ['kept', 'ERR_AUTHORITY_UNAVAILABLE'],
    })
    expect(await resolve(http, [PASSWORD], { refresh: true })).toMatchObject({ values: ['kept'] })
  })

  it('an HTTP function with the key that was derived for one vault opens this one, and reads nothing but items', async () => {
    await secrets.write('password', { pass1: 'sealed' })
    await resolve(await cold(), [PASSWORD])
    await deployment.sync.invoke(SCHEDULED)
    const [derived] = await deriveFor(nodeCipher, [wrappingKey('w1', 1)], 'secrets/hashicorp-vault')
    const http = await cold({ KEYRING_WRAPPING_KEYS: `w1/secrets/hashicorp-vault:${derived?.key.reveal()}` })
    forget()
    expect(await resolve(http, [PASSWORD, '{vault://environment/of-process}'])).toMatchObject({
      values: ['sealed', 'ERR_WRAPPING_KEY_MISSING'],
    })
    expect(new Set(table.asked)).toEqual(new Set(['GetItem']))
  })

  it('the list of what is kept, and the vaults, are shown without values and logins', async () => {
    await secrets.write('password', { pass1: 'never listed' })
    const http = await cold()
    await resolve(http, [PASSWORD])
    const list = JSON.stringify((await call(http, '/secrets?after=hashicorp-vault:')).body)
    expect(list).toContain('"reference":"{vault://hashicorp-vault/password/}"')
    expect(list).not.toMatch(/never listed|old/)
    const { body } = await call(http, '/vaults/hashicorp-vault')
    expect(body).toMatchObject({ name: 'hcv', config: { kv: 'v2', ttl: 60 } })
  })

  it('a function of an application has them from the table, while all of the deployment is gone', async () => {
    await secrets.write('password', { pass1: 'for an application', pass2: 'too' })
    const http = await cold()
    await resolve(http, [PASSWORD], { refresh: false })
    await deployment.sync.invoke(SCHEDULED)
    const [derived] = await deriveFor(nodeCipher, [wrappingKey('w1', 1)], 'secrets/hashicorp-vault')
    const own = {
      ...awsEnvironment(table.url),
      KEYRING_SECRETS_TABLE: deployment.secretsTable,
      KEYRING_WRAPPING_KEYS: `w1/secrets/hashicorp-vault:${derived?.key.reveal()}`,
    }
    forget()
    await using references = await openReferences(own)
    expect(await references.resolveAll({ a: PASSWORD, b: OTHER_FIELD })).toEqual({ a: 'for an application', b: 'too' })
    expect(counts()).toEqual({ reads: 2, invocations: 0, vault: 0 })
    const unasked = `{vault://hashicorp-vault/second/x#${await secrets.write('second', { x: 'asked for' })}}`
    await expect(references.resolve(unasked)).rejects.toMatchObject({
      code: 'ERR_AUTHORITY_UNAVAILABLE',
    })
    const asking = { ...own, EDGE_KEYRING_URL: http.url, EDGE_KEYRING_TOKEN: ADMIN }
    expect(await (await openReferences(asking)).resolve(unasked)).toBe('asked for')
    await expect(openReferences({ ...own, KEYRING_SECRETS_TABLE: '' })).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringMatching(/^KEYRING_TABLE is required/),
    })
  })

  it('an HTTP function whose list of vaults is none says so, and goes on with keyrings', async () => {
    const http = await cold({ KEYRING_VAULTS: '{vault://aws/edge-keyring/vaults}' })
    expect(http.instance.output()).toContain('not used: KEYRING_VAULTS: must be a JSON list of vaults')
    expect(await resolve(http, [PASSWORD])).toMatchObject({ values: ['ERR_REFERENCE_VAULT_UNKNOWN'] })
    expect((await call(http, '/healthz')).body).toBeDefined()
  })
})
