/** What only Workers can do: isolates beside one Durable Object and Workers KV, and each of them failing. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTestHarness } from 'wrangler'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import { toBase64 } from '../../src/core/bytes.ts'
import { isolate } from '../support/isolates.ts'
import type { FaultyProxy, VaultClient } from '../support/vault.ts'
import { faultyProxy, vaultClient } from '../support/vault.ts'
import type { Breakage } from './breakage.ts'

const TOKEN = 'ek_of_no_importance'
const SHA256 = createHash('sha256').update(TOKEN).digest('hex')
/** A keyring for each test, and one that the schedule has to itself: nobody has looked at it, so that it is cold in every isolate. */
const NAMES = Array.from({ length: 24 }, (_, index) => `ring-${index + 1}`)
const SOON = { timeout: 20_000 }
const DEFECT = { status: 500, body: { code: 'ERR_INTERNAL' } }
const outage = (code: string) => ({ status: 503, body: { code } })
const CRON = { cron: '* * * * *', scheduledTime: new Date() }

interface Env {
  readonly KEYRING_REPLICA: {
    get(name: string, type: 'arrayBuffer'): Promise<ArrayBuffer | null>
    put(name: string, bytes: ArrayBuffer | Uint8Array): Promise<void>
    delete(name: string): Promise<void>
  }
}

let vault: DevVault
let proxy: FaultyProxy
let secrets: VaultClient
let harness: ReturnType<typeof createTestHarness>
let env: Env
let used = 0

const COUNTING = { services: [{ binding: 'KEYRING_REPLICA', service: 'first', entrypoint: 'CountingKv' }] }
const WORKER = 'functions/cloudflare/worker.ts'

beforeAll(async () => {
  vault = await startDevVault({ port: 0, dataFile: null })
  proxy = await faultyProxy(vault.address)
  secrets = vaultClient(vault.address, 'root')
  const vars = {
    KEYRING_VAULT_HOST: proxy.address,
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: 'root',
    KEYRINGS: JSON.stringify(NAMES.map((name) => ({ name, path: name }))),
    KEYRING_WRAPPING_KEYS: `w1:${toBase64(new Uint8Array(32).fill(1))}`,
    KEYRING_API_TOKENS: JSON.stringify([{ name: 'test', sha256: SHA256, grants: ['admin'] }]),
  }
  const wrong = { ...vars, KEYRING_VAULT_HOST: 'canary-of-a-setting', KEYRING_VAULT_TOKEN: '' }
  harness = createTestHarness({
    workers: [
      isolate('first', 'test/workerd/worker.ts', vars),
      isolate('second', WORKER, vars),
      isolate('counted', WORKER, vars, COUNTING),
      isolate('alone', WORKER, vars, {}),
      isolate('wrong', WORKER, wrong),
    ],
  })
  await harness.listen()
  env = await harness.getWorker<Env>('first').getEnv()
}, 60_000)
afterAll(async () => {
  await harness.close()
  await proxy.close()
  await vault.close()
})
beforeEach(async () => {
  proxy.heal()
  await object.break(null)
  await object.refuse(false)
})

/** Asks the object itself: see test/workerd/worker.ts. */
async function control<T>(method: string, argument: unknown = null): Promise<T> {
  const response = await harness
    .getWorker('first')
    .fetch(`/object/${method}`, { method: 'POST', body: JSON.stringify(argument) })
  return (await response.json()) as T
}
const object = {
  /** Since the last look. */
  calls: () => control<string[]>('calls'),
  /** Of Workers KV by the isolate `counted`, since the last look. */
  reads: () => control<string[]>('reads'),
  break: (how: Breakage) => control('break', how),
  refuse: (refuses: boolean) => control('refuse', refuses),
  reset: () => control('reset'),
  defect: () => control('defect'),
  evict: () => harness.getWorker('first').evictDurableObject('KeyringObject', { name: 'keyring' }),
}

async function call(isolate: string, method: 'GET' | 'POST', path: string, body?: object) {
  const response = await harness.getWorker(isolate).fetch(path, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    warning: response.headers.get('keyring-warning'),
    body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
  }
}

/** A keyring of the test's own. `rotate` writes the next version to Vault. */
async function ring() {
  const name = NAMES[(used += 1) - 1] ?? expect.unreachable()
  let versions = 0
  const rotate = async () => {
    versions += 1
    await secrets.write(name, { id: `key-${versions}`, key: `key ${versions} of ${name}: 0123456789abcdefghij` })
  }
  await rotate()
  return {
    name,
    record: `keyring/${name}`,
    rotate,
    sync: (isolate = 'first') => call(isolate, 'POST', `/keyrings/${name}/sync`),
    show: (isolate = 'first') => call(isolate, 'GET', `/keyrings/${name}`),
    encrypt: (isolate = 'first') => call(isolate, 'POST', `/keyrings/${name}/encrypt`, { plaintext: 'x' }),
    decrypt: (isolate: string, ciphertext: unknown) =>
      call(isolate, 'POST', `/keyrings/${name}/decrypt`, { ciphertext }),
  }
}

/** Of seven keyrings and more the stamps are one item, written by the next look of the schedule. */
async function stampAll() {
  await env.KEYRING_REPLICA.delete('stamps')
  await harness.getWorker('first').scheduled(CRON)
}

const taken = async (record: string): Promise<Uint8Array> =>
  new Uint8Array((await env.KEYRING_REPLICA.get(record, 'arrayBuffer')) ?? expect.unreachable('The replica is empty.'))

/** Uses of other tests are printed when they are added up: only lines that hold the text. */
const logged = (text: string) =>
  harness
    .getLogs()
    .filter(({ message }) => message.includes(text))
    .map(({ message }): unknown => JSON.parse(message))
const audited = (code: string) => logged(`"code":"${code}"`)

/** It comes first, because a schedule looks at the keyrings of every test. */
describe('the schedule', () => {
  it('syncs what is due, and pushes to a replica that lags', async () => {
    const { show, record } = await ring()
    expect((await show()).body).toMatchObject({ active: null })
    await object.refuse(true)
    expect(await harness.getWorker('second').scheduled(CRON)).toMatchObject({ outcome: 'ok' })
    expect((await show()).body).toMatchObject({ active: 'key-1', replica: { lags: true } })
    await object.refuse(false)
    await harness.getWorker('second').scheduled(CRON)
    await harness.getWorker('second').scheduled(CRON)
    const { body } = await show()
    expect(body).toMatchObject({ replica: { revision: body['revision'], lags: false } })
    expect((await taken(record)).length).toBeGreaterThan(100)
  })
})

describe('two isolates', () => {
  it('agree after a sync: what one has synced, the other shows, and decrypts', async () => {
    const { sync, show, encrypt, decrypt, rotate } = await ring()
    expect(await sync('first')).toMatchObject({ status: 204 })
    expect((await show('second')).body).toMatchObject({ active: 'key-1' })
    await rotate()
    expect(await sync('second')).toMatchObject({ status: 204 })
    expect((await show('first')).body).toMatchObject({ active: 'key-2' })
    const { body } = await encrypt('second')
    expect(await decrypt('first', body['ciphertext'])).toMatchObject({ status: 200, body: { key_id: 'key-2' } })
  })

  it('each encrypt with the new key at once after a sync of their own', async () => {
    const { sync, encrypt, rotate } = await ring()
    await sync('second')
    expect((await encrypt('second')).body).toMatchObject({ key_id: 'key-1' })
    await rotate()
    await sync('second')
    expect((await encrypt('second')).body).toMatchObject({ key_id: 'key-2' })
  })

  it('learn of a key that they do not know from the authority when a value names it', async () => {
    const { sync, encrypt, decrypt, rotate } = await ring()
    await sync('first')
    expect((await encrypt('second')).body).toMatchObject({ key_id: 'key-1' })
    await rotate()
    await sync('first')
    const { body } = await encrypt('first')
    expect(await decrypt('second', body['ciphertext'])).toMatchObject({ status: 200, body: { key_id: 'key-2' } })
  })
})

describe('the object', () => {
  it('is not called by an encrypt or decrypt from a fresh snapshot', async () => {
    const { sync, encrypt, decrypt } = await ring()
    await sync('second')
    const { body } = await encrypt('second')
    await object.calls()
    for (let request = 0; request < 5; request += 1) {
      expect(await encrypt('second')).toMatchObject({ status: 200, warning: null })
      expect(await decrypt('second', body['ciphertext'])).toMatchObject({ status: 200 })
    }
    expect(await object.calls()).toEqual([])
  })

  it('has uses of a key in the audit log, added up', async () => {
    const { sync, encrypt, name } = await ring()
    await sync('second')
    harness.clearLogs()
    for (let times = 0; times < 3; times += 1) await encrypt('second')
    const counts = () =>
      logged('"action":"encrypt"')
        .map((line) => line as { keyring: string; count: number })
        .filter(({ keyring }) => keyring === name)
    await expect.poll(() => counts().reduce((sum, { count }) => sum + count, 0), { timeout: 10_000 }).toBe(3)
  })

  it('is called once for a list of the keys', async () => {
    await secrets.write('keyring', { id: 'listed01', key: 'a key that is listed: 0123456789abcdefghij' })
    await call('second', 'POST', '/keyring/vault/sync')
    await object.calls()
    expect(await call('second', 'GET', '/keyring')).toMatchObject({ body: { ids: ['listed01'], active: 'listed01' } })
    expect(await object.calls()).toEqual(['read'])
  })

  it.each<[Breakage, object, object]>([
    ['abort', outage('ERR_AUTHORITY_UNAVAILABLE'), outage('ERR_KEY_UNVERIFIED')],
    ['throw', DEFECT, DEFECT],
  ])('that fails (%s) takes nothing away', async (how, atSync, atUnknownKey) => {
    const { sync, encrypt, show, decrypt } = await ring()
    await sync('second')
    const { body } = await encrypt('second')
    await object.break(how)
    expect(await encrypt('second')).toMatchObject({ status: 200, warning: null })
    expect(await decrypt('second', body['ciphertext'])).toMatchObject({ status: 200 })
    const refused = await sync('second')
    expect(refused).toMatchObject(atSync)
    const foreign = String(body['ciphertext']).replace('key-1', 'key-9')
    expect(await decrypt('second', foreign)).toMatchObject(atUnknownKey)
    await object.break(null)
    expect(await show('second')).toMatchObject({ status: 200, warning: null })
    expect(JSON.stringify(refused)).not.toContain('canary')
  })

  it('that cannot be reached is missed by nobody in a cold isolate either: the replica answers while its stamp is young', async () => {
    const { sync, encrypt, decrypt } = await ring()
    await sync('first')
    await stampAll()
    const { body } = await encrypt('first')
    await object.break('abort')
    expect(await encrypt('second')).toMatchObject({ status: 200, warning: null, body: { key_id: 'key-1' } })
    expect(await decrypt('second', body['ciphertext'])).toMatchObject({ status: 200 })
    expect(await encrypt('alone')).toMatchObject({ status: 503, body: { code: 'ERR_AUTHORITY_UNAVAILABLE' } })
  })

  it('is not called, nor Vault, by the first encrypt of a cold isolate: record and stamp are one read of Workers KV each, at once', async () => {
    const { sync, encrypt, record } = await ring()
    await sync('first')
    await stampAll()
    proxy.spoil(/./, 'cut')
    proxy.seen.length = 0
    await object.calls()
    expect(await encrypt('counted')).toMatchObject({ status: 200, warning: null, body: { key_id: 'key-1' } })
    expect(await object.reads()).toEqual([record, 'stamps', 'answered', 'answered'])
    expect([await object.calls(), proxy.seen]).toEqual([[], []])
  })

  it('that cannot be reached leaves decryption alone to a cold isolate without a stamp', async () => {
    const { sync, encrypt, decrypt } = await ring()
    await sync('first')
    const { body } = await encrypt('first')
    await env.KEYRING_REPLICA.delete('stamps')
    await object.break('abort')
    expect(await encrypt('second')).toMatchObject({ status: 503, body: { code: 'ERR_SNAPSHOT_STALE' } })
    expect(await decrypt('second', body['ciphertext'])).toMatchObject({
      status: 200,
      warning: 'ERR_AUTHORITY_UNAVAILABLE',
    })
  })

  it('answers a defect of its own with a code, and names it in the log without its text', async () => {
    harness.clearLogs()
    expect(await object.defect()).toMatchObject({ ok: false, error: { code: 'ERR_INTERNAL' } })
    expect(logged('"defect"')).toMatchObject([{ level: 'error', request: 'object', defect: 'TypeError' }])
  })

  it('evicted keeps its record', async () => {
    const { sync, show } = await ring()
    await sync('first')
    await object.evict()
    expect((await show('second')).body).toMatchObject({ active: 'key-1' })
  })

  it.each([
    ['aborted', 'ERR_AUTHORITY_UNAVAILABLE', () => object.reset()],
    // An object with an event under way is evicted when that has ended: here at the deadline for Vault, 5 s.
    ['evicted', 'ERR_VAULT_TIMEOUT', () => object.evict()],
  ])(
    '%s in the middle of a sync leaves the last good record, and the next sync goes on',
    async (_how, code, end) => {
      const { name, sync, show, encrypt, rotate } = await ring()
      await sync('first')
      await rotate()
      proxy.spoil(`/data/${name}`, 'hang')
      proxy.seen.length = 0
      const cut = sync('second')
      await expect.poll(() => proxy.seen.map(({ path }) => path).join(), SOON).toContain(`/data/${name}`)
      await end()
      proxy.heal()
      expect(await cut).toMatchObject({ body: { code } })
      expect((await encrypt('second')).body).toMatchObject({ key_id: 'key-1' })
      expect((await show('second')).body).toMatchObject({ active: 'key-1' })
      expect(await sync('second')).toMatchObject({ status: 204 })
      expect((await show('first')).body).toMatchObject({ active: 'key-2' })
    },
    60_000,
  )
})

describe('Workers KV', () => {
  it('holds the sealed record and nothing that names a token or shows a key', async () => {
    const { sync, record } = await ring()
    await sync('first')
    const text = new TextDecoder().decode(await taken(record))
    expect(text).toMatch(/^ekr1 w1 [\w-]{43}\n\{"keyring":/)
    expect(text).not.toMatch(/root|0123456789abcdefghij|ek_/)
  })

  it('that is empty sends a cold isolate to the authority', async () => {
    const { sync, encrypt, record } = await ring()
    await sync('first')
    await env.KEYRING_REPLICA.delete(record)
    await object.calls()
    expect(await encrypt('second')).toMatchObject({ status: 200, warning: null })
    expect(await object.calls()).toEqual(['read'])
  })

  it('that is older than its stamp sends a cold isolate to the authority', async () => {
    const { sync, encrypt, rotate, record } = await ring()
    await sync('first')
    const stale = await taken(record)
    await rotate()
    await sync('first')
    await stampAll()
    await env.KEYRING_REPLICA.put(record, stale)
    await object.calls()
    expect((await encrypt('second')).body).toMatchObject({ key_id: 'key-2' })
    expect(await object.calls()).toEqual(['read'])
  })

  it('that refuses is told of in the log, by name, and harms no sync', async () => {
    const { sync, show, encrypt, record } = await ring()
    await object.refuse(true)
    expect(await sync('first')).toMatchObject({ status: 204 })
    expect((await show('second')).body).toMatchObject({ replica: { revision: 0, lags: true } })
    expect((await encrypt('second')).body).toMatchObject({ key_id: 'key-1' })
    expect(logged(`"record":"${record}"`)).toMatchObject([{ level: 'warn', replica: 'set', error: 'Error' }])
    expect(JSON.stringify(harness.getLogs())).not.toContain('canary-of-kv')
  })

  it.each<[string, (own: Uint8Array, other: Uint8Array) => Uint8Array]>([
    ['altered', (own) => own.map((byte, index) => (index === own.length - 3 ? byte ^ 1 : byte))],
    ['of another keyring', (_own, other) => other],
  ])('whose record is %s is a security event, and the authority is asked', async (_what, spoil) => {
    const [own, other] = [await ring(), await ring()]
    await own.sync('first')
    await other.sync('first')
    await env.KEYRING_REPLICA.put(own.record, spoil(await taken(own.record), await taken(other.record)))
    harness.clearLogs()
    expect(await own.encrypt('second')).toMatchObject({ status: 200, body: { key_id: 'key-1' } })
    expect(audited('ERR_REPLICA_INVALID')).toMatchObject([
      { action: 'replica', keyring: own.name, outcome: 'refused', caller: null },
    ])
  })

  it('that is ahead of the authority is a security event, and the authority has the last word', async () => {
    const { name, sync, encrypt, record, rotate } = await ring()
    await sync('first')
    const sql = await harness.getWorker('first').getDurableObjectStorage('KeyringObject', { name: 'keyring' })
    const [before] = await sql.exec('SELECT hex(bytes) AS bytes FROM record WHERE name = ?', record)
    await rotate()
    await sync('first')
    await sql.exec(
      'UPDATE record SET version = version + 1, bytes = unhex(?) WHERE name = ?',
      before?.['bytes'],
      record,
    )
    await object.evict()
    harness.clearLogs()
    await encrypt('second')
    await expect.poll(async () => (await encrypt('second')).body, SOON).toMatchObject({ key_id: 'key-1' })
    expect(audited('ERR_REPLICA_INVALID')).toMatchObject([{ action: 'replica', keyring: name, outcome: 'refused' }])
  })

  it('is not needed: without the binding the Worker works', async () => {
    const { sync, encrypt, show } = await ring()
    expect(await sync('alone')).toMatchObject({ status: 204 })
    expect(await encrypt('alone')).toMatchObject({ status: 200, warning: null })
    expect((await show('alone')).body).toMatchObject({ active: 'key-1' })
  })
})

describe('a wrong configuration', () => {
  it('answers 503 with the names; what is wrong with them is in the log alone', async () => {
    harness.clearLogs()
    const { status, body } = await call('wrong', 'GET', '/keyring')
    expect([status, body['code'], body['settings']]).toEqual([
      503,
      'ERR_CONFIG_INVALID',
      'KEYRING_VAULT_HOST, KEYRING_VAULT_TOKEN',
    ])
    expect(await call('wrong', 'GET', '/healthz')).toMatchObject({ status: 200 })
    expect(await call('wrong', 'GET', '/readyz')).toMatchObject({ status: 503 })
    expect(await harness.getWorker('wrong').scheduled(CRON)).toMatchObject({ outcome: 'ok' })
    const lines = logged('"setting"')
    expect(lines).toMatchObject([
      { setting: 'KEYRING_VAULT_HOST', problem: expect.stringMatching(/^must be/) },
      { setting: 'KEYRING_VAULT_TOKEN', problem: expect.stringMatching(/^is required/) },
    ])
    expect(JSON.stringify(lines)).not.toMatch(/"time":"1970|canary/)
    expect(JSON.stringify(body)).not.toMatch(/must be|is required|canary/)
  })
})
