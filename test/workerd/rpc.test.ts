/** The keyring by a service binding, between two Workers on the bare runtime: what the binding's props grant, and nothing else. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { Workerd } from '../support/workerd.ts'
import { startWorkerd } from '../support/workerd.ts'

const TOKEN = 'ek_of_no_importance'
const CANARY = 'canary-of-a-plaintext'
const SERVICE = ['KeyringService', 'main'] as const
/** What the caller's deployment says of it. */
const BINDINGS = {
  ALL: [...SERVICE, { name: 'all', grants: ['encrypt', 'decrypt', 'rewrap'] }],
  WRITER: [...SERVICE, { name: 'writer', grants: ['encrypt:default'] }],
  MOVER: [...SERVICE, { name: 'mover', grants: ['rewrap:default'] }],
  BARE: [...SERVICE],
  EMPTY: [...SERVICE, {}],
  ODD: [...SERVICE, { grants: 'admin' }],
} as const

let vault: DevVault
let workerd: Workerd
const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-rpc-'))

beforeAll(async () => {
  const seed = { mount: 'secret', path: 'keyring', data: { id: 'first001', key: 'of no importance 0123456789abcdef' } }
  vault = await startDevVault({ port: 0, dataFile: null, seed })
  const sha256 = createHash('sha256').update(TOKEN).digest('hex')
  const texts = {
    KEYRING_VAULT_HOST: vault.address,
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: 'root',
    KEYRINGS: '[{"name":"orders","path":"orders"}]',
    KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
    KEYRING_API_TOKENS: JSON.stringify([{ name: 'test', sha256, grants: ['admin'] }]),
  }
  const entry = join(import.meta.dirname, '../../functions/cloudflare/worker.ts')
  const main = { entry, objectClass: 'KeyringObject', objects: { KEYRING_OBJECT: ['KeyringObject', 'main'] } } as const
  const wrong = {
    ...main,
    texts: {},
    objectClass: 'KeyringObject',
    objects: { KEYRING_OBJECT: ['KeyringObject', 'wrong'] },
  } as const
  workerd = await startWorkerd(folder, [
    { name: 'main', ...main, texts },
    { name: 'wrong', ...wrong },
    {
      name: 'caller',
      entry: join(import.meta.dirname, 'rpc-worker.ts'),
      entrypoints: { ...BINDINGS, WRONG: ['KeyringService', 'wrong', { grants: ['admin'] }] },
    },
  ])
  await http('keyrings/default/sync', {})
}, 60_000)
afterAll(async () => {
  await workerd.kill()
  await vault.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Answer {
  readonly ok: boolean
  readonly value: Record<string, unknown>
}

async function http(path: string, body: object): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const response = await fetch(`${workerd.url('main')}/${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
  return response.status === 204 ? {} : ((await response.json()) as Record<string, unknown>)
}

async function ask(binding: keyof typeof BINDINGS | 'WRONG', method: string, asked: unknown): Promise<Answer> {
  const body = JSON.stringify(asked)
  const response = await fetch(`${workerd.url('caller')}/${binding}/${method}`, { method: 'POST', body })
  return (await response.json()) as Answer
}

const refused = (code: string) => ({
  ok: false,
  error: { code, message: expect.stringMatching(/\.$/), remedy: expect.stringMatching(/\w/) },
})
const bytesOf = (text: string) => ({ bytes: [...Buffer.from(text)] })

describe('a binding with grants', () => {
  it('encrypts, rewraps and decrypts text and bytes, in a context', async () => {
    for (const [plaintext, context] of [
      [CANARY, 'orders/17'],
      [bytesOf(CANARY), bytesOf('orders/17')],
    ]) {
      const made = await ask('ALL', 'encrypt', { plaintext, context })
      expect(made).toMatchObject({
        ok: true,
        value: { keyId: 'first001', ciphertext: expect.stringMatching(/^ek1\./) },
      })
      const again = await ask('ALL', 'rewrap', { ciphertext: made.value['ciphertext'], context })
      expect(again.value['ciphertext']).not.toBe(made.value['ciphertext'])
      const opened = await ask('ALL', 'decrypt', { ciphertext: again.value['ciphertext'], context: 'orders/17' })
      expect(opened).toEqual({
        ok: true,
        value: { keyId: 'first001', plaintext: { ...bytesOf(CANARY), buffer: CANARY.length } },
      })
    }
  })

  it('makes the values that HTTP takes', async () => {
    const { value } = await ask('WRITER', 'encrypt', { keyring: 'default', plaintext: CANARY, context: 'c' })
    const opened = await http('keyrings/default/decrypt', { ciphertext: value['ciphertext'], context: 'c' })
    expect(opened['plaintext']).toBe(CANARY)
  })

  it('takes batches, whose items fail for themselves', async () => {
    const items = Array.from({ length: 1000 }, (_, index) => ({ plaintext: `value ${index}`, context: `${index}` }))
    const made = (await ask('ALL', 'encryptBatch', { items })).value as unknown as Answer[]
    const sealed = made.map(({ value }, index) => ({ ciphertext: value['ciphertext'], context: `${index}` }))
    const again = (await ask('ALL', 'rewrapBatch', { items: sealed })).value as unknown as Answer[]
    const mixed = again.map(({ value }, index) => ({
      ciphertext: value['ciphertext'],
      context: index === 1 ? 'another' : `${index}`,
    }))
    const opened = (await ask('ALL', 'decryptBatch', { items: [...mixed, {}] })).value as unknown as Answer[]
    expect(opened).toHaveLength(1001)
    expect(opened[0]).toMatchObject({ ok: true, value: { plaintext: bytesOf('value 0') } })
    expect(opened[1]).toMatchObject(refused('ERR_DECRYPT_FAILED'))
    expect(opened[1000]).toMatchObject(refused('ERR_REQUEST_INVALID'))
    expect(opened.filter(({ ok }) => ok)).toHaveLength(999)
  })

  it.each<[keyof typeof BINDINGS, string, object]>([
    ['WRITER', 'decrypt', { ciphertext: 'ek1.first001.AAAA' }],
    ['WRITER', 'rewrap', { ciphertext: 'ek1.first001.AAAA' }],
    ['WRITER', 'encrypt', { keyring: 'orders', plaintext: 'x' }],
    ['WRITER', 'encrypt', { keyring: 'missing', plaintext: 'x' }],
    ['WRITER', 'decryptBatch', { items: [{ ciphertext: 'ek1.first001.AAAA' }] }],
    ['MOVER', 'encrypt', { plaintext: 'x' }],
    ['MOVER', 'decryptBatch', { items: [{ ciphertext: 'x' }] }],
  ])('%s may do no more: %s of %o is refused', async (binding, method, asked) => {
    expect(await ask(binding, method, asked)).toMatchObject(refused('ERR_FORBIDDEN'))
  })
})

it.each(['BARE', 'EMPTY', 'ODD'] as const)('a binding whose props name no grants has none: %s', async (binding) => {
  for (const method of ['encrypt', 'decrypt', 'rewrap', 'encryptBatch', 'decryptBatch', 'rewrapBatch'])
    expect(await ask(binding, method, { plaintext: 'x', ciphertext: 'x', items: [] })).toMatchObject(
      refused('ERR_FORBIDDEN'),
    )
})

it.each<[string, unknown, string]>([
  ['encrypt', null, 'ERR_REQUEST_INVALID'],
  ['encrypt', { plaintext: 7 }, 'ERR_REQUEST_INVALID'],
  ['encrypt', { plaintext: 'x', context: { toString: 'x' } }, 'ERR_REQUEST_INVALID'],
  ['encrypt', { plaintext: 'x', context: 'x'.repeat(9000) }, 'ERR_BODY_TOO_LARGE'],
  ['encrypt', { keyring: 'missing', plaintext: 'x' }, 'ERR_KEYRING_NOT_FOUND'],
  ['encrypt', { keyring: ['default'], plaintext: 'x' }, 'ERR_KEYRING_NOT_FOUND'],
  ['encrypt', { keyring: 'orders', plaintext: 'x' }, 'ERR_NO_ACTIVE_KEY'],
  ['encryptBatch', { keyring: 'orders', items: [{ plaintext: 'x' }] }, 'ERR_NO_ACTIVE_KEY'],
  ['decrypt', { ciphertext: 'ek2.x.AAAA' }, 'ERR_CIPHERTEXT_INVALID'],
  ['decryptBatch', { items: [] }, 'ERR_REQUEST_INVALID'],
  ['rewrapBatch', { items: 'all' }, 'ERR_REQUEST_INVALID'],
])('%s of %o answers a code, and throws nothing', async (method, asked, code) => {
  expect(await ask('ALL', method, asked)).toMatchObject(refused(code))
})

it('reaches nothing but the verbs', async () => {
  for (const method of ['env', 'ctx', 'do', 'sync', 'constructor'])
    expect(await ask('ALL', method, {})).toMatchObject({ thrown: expect.any(String) })
})

it('says that the settings are wrong', async () => {
  expect(await ask('WRONG', 'encrypt', { plaintext: 'x' })).toMatchObject(refused('ERR_CONFIG_INVALID'))
})
