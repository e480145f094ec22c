/** References on workerd: the object asks the vaults and keeps what they say, and isolates go by its copy in Workers KV. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTestHarness } from 'wrangler'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import { toBase64 } from '../../src/core/bytes.ts'
import { REPLICA, isolate } from '../support/isolates.ts'
import type { SecretsManager } from '../support/secrets-manager.ts'
import { secretsManagerDouble } from '../support/secrets-manager.ts'
import type { FaultyProxy, VaultClient } from '../support/vault.ts'
import { faultyProxy, vaultClient } from '../support/vault.ts'
import type { Breakage } from './breakage.ts'

const token = (name: string, ...grants: string[]) => ({
  name,
  sha256: createHash('sha256').update(`ek_${name}`).digest('hex'),
  grants,
})
const CRON = { cron: '* * * * *', scheduledTime: new Date() }
/** Isolates that have resolved nothing yet, one for each test that wants one. */
const COLD = Array.from({ length: 7 }, (_, index) => `cold-${index + 1}`)
const TWO_PERIODS = 1_200_000

interface Env {
  readonly KEYRING_REPLICA: {
    get(name: string, type: 'arrayBuffer'): Promise<ArrayBuffer | null>
    put(name: string, bytes: ArrayBuffer): Promise<void>
    list(): Promise<{ keys: { name: string; expiration?: number }[] }>
  }
}

let vault: DevVault
let proxy: FaultyProxy
let manager: SecretsManager
let secrets: VaultClient
let harness: ReturnType<typeof createTestHarness>
let env: Env
let used = 0

/** All but the first have a clock that a test moves. */
const worker = (name: string, vars: Record<string, string>) =>
  isolate(name, `test/workerd/${name === 'first' ? 'worker' : 'timed-worker'}.ts`, vars)

const hcv = (prefix: string, config: object) => ({
  name: 'hcv',
  prefix,
  config: { host: '127.0.0.1', port: Number(new URL(proxy.address).port), kv: 'v2', token: 'root', ...config },
})

beforeAll(async () => {
  vault = await startDevVault({ port: 0, dataFile: null })
  proxy = await faultyProxy(vault.address)
  manager = await secretsManagerDouble()
  secrets = vaultClient(vault.address, 'root')
  const vars = {
    KEYRING_VAULT_HOST: proxy.address,
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: 'root',
    KEYRING_WRAPPING_KEYS: `w1:${toBase64(new Uint8Array(32).fill(1))}`,
    KEYRING_API_TOKENS: JSON.stringify([token('admin', 'admin'), token('app', 'resolve:hcv/app/*', 'resolve:env/**')]),
    KEYRING_VAULTS: JSON.stringify({
      vaults: [
        hcv('hcv-prod', { ttl: 3600, resurrect_ttl: 3600 }),
        hcv('hcv-soon', { ttl: 60 }),
        hcv('hcv-gone', { ttl: 3600 }),
      ],
    }),
    KONG_VAULT_HCV_HOST: '127.0.0.1',
    KONG_VAULT_HCV_PORT: new URL(proxy.address).port,
    KONG_VAULT_HCV_KV: 'v2',
    KONG_VAULT_HCV_TOKEN: 'root',
    KONG_VAULT_HCV_TTL: '3600',
    KONG_VAULT_ENV_PREFIX: 'APP_',
    KONG_VAULT_AWS_REGION: 'eu-west-1',
    KONG_VAULT_AWS_ENDPOINT_URL: manager.url,
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE000000',
    AWS_SECRET_ACCESS_KEY: 'of no importance',
    APP_GREETING: 'hello',
    OTHER: 'canary-of-another-variable',
  }
  /** Of an application, which has the key and the replica. */
  const own = { KEYRING_WRAPPING_KEYS: vars.KEYRING_WRAPPING_KEYS }
  const resolving = (name: string, more: object) =>
    isolate(name, 'test/workerd/resolving-worker.ts', own, { ...REPLICA, ...more })
  const service = {
    binding: 'KEYRING',
    service: 'first',
    entrypoint: 'KeyringService',
    props: { grants: ['resolve:**'] },
  }
  harness = createTestHarness({
    workers: [
      ...['first', 'warm', ...COLD].map((name) => worker(name, vars)),
      resolving('app', { services: [service] }),
      resolving('app-alone', {}),
    ],
  })
  await harness.listen()
  env = await harness.getWorker<Env>('first').getEnv()
}, 60_000)
afterAll(async () => {
  await harness.close()
  await proxy.close()
  await vault.close()
  await manager.close()
})
beforeEach(async () => {
  proxy.heal()
  proxy.seen.length = 0
  await object.break(null)
  await object.calls()
})

/** Asks the object itself: see test/workerd/worker.ts. */
async function control<T>(method: string, argument: unknown = null): Promise<T> {
  const init = { method: 'POST', body: JSON.stringify(argument) }
  return (await (await harness.getWorker('first').fetch(`/object/${method}`, init)).json()) as T
}
const object = {
  /** Since the last look. */
  calls: () => control<string[]>('calls'),
  break: (how: Breakage) => control('break', how),
}
const cold = (): string => COLD[(used += 1) - 1] ?? expect.unreachable()
const scheduled = () => harness.getWorker('first').scheduled(CRON)
const later = (isolate: string, ms: number) =>
  harness.getWorker(isolate).fetch('/test/clock', { method: 'PUT', body: String(ms) })
const copy = async (vault: string) =>
  (await env.KEYRING_REPLICA.get(`secrets/${vault}`, 'arrayBuffer')) ?? expect.unreachable('There is no copy.')

async function resolve(isolate: string, references: readonly string[], caller = 'admin', refresh = false) {
  const response = await harness.getWorker(isolate).fetch('/secrets/resolve', {
    method: 'POST',
    headers: { authorization: `Bearer ek_${caller}`, 'content-type': 'application/json' },
    body: JSON.stringify({ references, refresh }),
  })
  const { secrets: all = [] } = (await response.json()) as { secrets?: { value?: string; error?: { code: string } }[] }
  return { status: response.status, said: all.map(({ value, error }) => value ?? error?.code) }
}
const one = async (isolate: string, reference: string, refresh = false) =>
  (await resolve(isolate, [reference], 'admin', refresh)).said[0]

describe('a reference', () => {
  it('is resolved from Vault, from the texts among the bindings, and from Secrets Manager', async () => {
    await secrets.write('app', { db: 'one' })
    manager.put('prod/db', { password: 'of-aws' })
    const references = ['{vault://hcv/app/db}', '{vault://env/greeting}', '{vault://aws/prod%252Fdb/password}']
    expect(await resolve('warm', references)).toEqual({
      status: 200,
      said: ['one', 'hello', 'of-aws'],
    })
    expect(manager.asked()).toEqual(['prod/db AWSCURRENT eu-west-1'])
  })

  it('is resolved for whom it is granted, and looks like no other to the rest', async () => {
    const references = [
      '{vault://hcv/app/db}',
      '{vault://hcv/keyring/id}',
      '{vault://hcv/none/x}',
      '{vault://hcv/app/x/y}',
    ]
    const { said } = await resolve('warm', references, 'app')
    expect(said).toEqual(['one', 'ERR_FORBIDDEN', 'ERR_FORBIDDEN', 'ERR_FORBIDDEN'])
    expect(proxy.seen).toEqual([])
  })

  it.each(['..', '%2e%2e', '%252e%252e', '%252E%252e%252fsys'])('with dots (%s) leaves no request', async (dots) => {
    const { said } = await resolve('warm', [`{vault://hcv/app/${dots}/keyring/id}`])
    expect(said).toEqual(['ERR_REFERENCE_INVALID'])
    expect(proxy.seen).toEqual([])
  })

  it('gives no binding that is not for references', async () => {
    const references = ['{vault://env/../other}', '{vault://env/keyring_vault_token}']
    expect((await resolve('warm', references)).said).toEqual(['ERR_REFERENCE_INVALID', 'ERR_SECRET_NOT_FOUND'])
  })
})

describe('the schedule', () => {
  it('brings a new version to an isolate within its ttl, and asks once for it', async () => {
    await secrets.write('soon', { pass: 'one' })
    expect(await one('warm', '{vault://hcv-soon/soon/pass}')).toBe('one')
    await secrets.write('soon', { pass: 'two' })
    proxy.seen.length = 0
    await scheduled()
    expect(proxy.seen.filter(({ path }) => path.includes('soon'))).toHaveLength(1)
    expect(await one(cold(), '{vault://hcv-soon/soon/pass}')).toBe('two')
  })
})

describe('an isolate that has just begun', () => {
  it('answers with Vault stopped and without the object, and goes on when that is down', async () => {
    await secrets.write('kept', { pass: 'one' })
    expect(await one('warm', '{vault://hcv-prod/kept/pass}')).toBe('one')
    await scheduled()
    proxy.spoil('', 'cut')
    await object.calls()
    const isolate = cold()
    expect(await one(isolate, '{vault://hcv-prod/kept/pass}')).toBe('one')
    expect(await object.calls()).toEqual([])
    await object.break('abort')
    await later(isolate, TWO_PERIODS + 60_000)
    const both = ['{vault://hcv-prod/kept/pass}', '{vault://hcv-prod/other/pass}']
    expect((await resolve(isolate, both)).said).toEqual(['one', 'ERR_AUTHORITY_UNAVAILABLE'])
  })

  it('believes an old copy that was put back for two periods, and not that a secret is there which Vault deleted', async () => {
    await secrets.write('gone', { pass: 'one' })
    expect(await one('warm', '{vault://hcv-gone/gone/pass}')).toBe('one')
    await scheduled()
    const old = await copy('hcv-gone')
    await secrets.deleteMetadata('gone')
    expect(await one('warm', '{vault://hcv-gone/gone/pass}', true)).toBe('ERR_SECRET_NOT_FOUND')
    await scheduled()
    expect(await one(cold(), '{vault://hcv-gone/gone/pass}')).toBe('ERR_SECRET_NOT_FOUND')
    await env.KEYRING_REPLICA.put('secrets/hcv-gone', old)
    const [early, late] = [cold(), cold()]
    await later(early, TWO_PERIODS - 60_000)
    expect(await one(early, '{vault://hcv-gone/gone/pass}')).toBe('one')
    await later(late, TWO_PERIODS + 60_000)
    expect(await one(late, '{vault://hcv-gone/gone/pass}')).toBe('ERR_SECRET_NOT_FOUND')
  })

  it('does not believe what was altered', async () => {
    await secrets.write('altered', { pass: 'one' })
    await one('warm', '{vault://hcv-prod/altered/pass}')
    const bytes = new Uint8Array(await copy('hcv-prod'))
    bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 1
    await env.KEYRING_REPLICA.put('secrets/hcv-prod', bytes.buffer)
    await object.calls()
    expect(await one(cold(), '{vault://hcv-prod/altered/pass}')).toBe('one')
    expect(await object.calls()).toEqual(['resolve'])
  })
})

describe('what the object keeps', () => {
  it('outlives it: another one answers with Vault stopped', async () => {
    await secrets.write('stored', { pass: 'one' })
    expect(await one('warm', '{vault://hcv-prod/stored/pass}')).toBe('one')
    await harness.getWorker('first').evictDurableObject('KeyringObject', { name: 'keyring' })
    proxy.spoil('', 'cut')
    expect(await one(cold(), '{vault://hcv-prod/stored/pass}')).toBe('one')
  })

  it('is copied with an end, after which Workers KV forgets it', async () => {
    const { keys } = await env.KEYRING_REPLICA.list()
    const ends = keys.filter(({ name }) => name.startsWith('secrets/')).map(({ expiration }) => expiration)
    expect(ends.some((end) => (end ?? 0) > Date.now() / 1000)).toBe(true)
  })
})

describe('a Worker of an application', () => {
  const ask = async (name: string, reference: string) =>
    (await harness.getWorker(name).fetch('/', { method: 'POST', body: reference })).text()
  const PRODUCT = '{vault://hcv-prod/product/pass}'

  it('has its secrets from the copy, and from the Worker that syncs what is not there', async () => {
    await secrets.write('product', { pass: 'one' })
    await one('warm', PRODUCT)
    await secrets.write('product', { pass: 'fresh' })
    // The next look writes a copy.
    await one('warm', PRODUCT, true)
    await scheduled()
    await secrets.write('unasked', { a: 'asked for' })
    await object.calls()
    const [alone, beside] = [await ask('app-alone', PRODUCT), await ask('app', PRODUCT)]
    expect([alone, beside, await object.calls()]).toEqual(['fresh', 'fresh', []])
    expect(await ask('app', '{vault://hcv-prod/unasked/a}')).toBe('asked for')
    expect(await object.calls()).toEqual(['resolve'])
  })

  it('goes on while neither the object nor Vault answers, also past the time of the copy; without a service it has what the copy has', async () => {
    proxy.spoil('', 'cut')
    await object.break('throw')
    expect(await ask('app-alone', PRODUCT)).toBe('fresh')
    await later('app-alone', TWO_PERIODS + 60_000)
    expect(await ask('app-alone', PRODUCT)).toBe('fresh')
    await later('app', TWO_PERIODS + 60_000)
    expect(await ask('app', PRODUCT)).toBe('fresh')
    expect(await ask('app-alone', '{vault://hcv-prod/unasked/b}')).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })
})

/** How many names a minute brings: test/unit/secrets.test.ts, where a clock stands still. */
describe('a flood of new references', () => {
  it('has Vault asked once for each name, for ten of a request at a time', async () => {
    const names = Array.from({ length: 100 }, (_, at) => `{vault://hcv/none-${at}/x}`)
    const { said } = await resolve('warm', [...names, ...names])
    expect(said).toEqual(Array<string>(200).fill('ERR_SECRET_NOT_FOUND'))
    expect(proxy.seen.filter(({ path }) => path.includes('none-'))).toHaveLength(100)
    expect(proxy.mostAtOnce).toBeLessThanOrEqual(10)
  })
})
