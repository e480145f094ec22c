/** The library over a keyring in memory: what it answers, what it refuses, and what it tells of it. */
import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { testKeyring } from '../../functions/node-shared/testing.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Result } from '../../src/core/errors.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { toHex } from '../../src/core/bytes.ts'
import { parseEk1 } from '../../src/crypto/ek1.ts'
import { column, columnSync } from '../../src/fields/fields.ts'
import { lookups } from '../../src/fields/lookups.ts'
import type { UseEvent } from '../../src/library/library.ts'
import { inspect } from '../../src/library/library.ts'
import { SettingsReading, usingConfig } from '../../src/library/settings.ts'

const codeOf = (work: () => unknown): unknown => {
  try {
    return work()
  } catch (error) {
    return error instanceof KeyringError ? error.code : error
  }
}

describe('a keyring in the process', () => {
  it('encrypts text and bytes, and gives back either', async () => {
    await using keyring = await testKeyring()
    const { ciphertext, keyId } = await keyring.encrypt('grüße', 'orders/17')
    expect([keyId, await keyring.decrypt(ciphertext, 'orders/17')]).toMatchObject(['test-1', { text: 'grüße' }])
    const bytes = new Uint8Array([0xff, 0, 1])
    const opened = await keyring.decrypt((await keyring.encrypt(Buffer.from(bytes), bytes)).ciphertext, bytes)
    expect([...opened.plaintext]).toEqual([...bytes])
    expect(codeOf(() => opened.text)).toBe('ERR_TEXT_INVALID')
    expect(inspect(ciphertext)).toEqual({ form: 'ek1', keyId: 'test-1', bytes: 7 })
  })

  it('refuses what was altered, another context, and what is no value at all', async () => {
    const keyring = await testKeyring()
    const { ciphertext } = await keyring.encrypt('x', 'a')
    await expect(keyring.decrypt(ciphertext, 'b')).rejects.toMatchObject({ code: 'ERR_DECRYPT_FAILED' })
    await expect(keyring.decrypt('ek1.other.AAAA', 'b')).rejects.toMatchObject({ code: 'ERR_CIPHERTEXT_INVALID' })
    await expect(keyring.decrypt(ciphertext.replace('test-1', 'test-9'), 'a')).rejects.toMatchObject({
      code: 'ERR_KEY_NOT_FOUND',
    })
    await expect(keyring.encrypt(7 as never)).rejects.toMatchObject({ code: 'ERR_REQUEST_INVALID' })
    await expect(keyring.encrypt('x', '\ud800')).rejects.toMatchObject({ code: 'ERR_TEXT_INVALID' })
    await expect(keyring.decrypt(null as never)).rejects.toMatchObject({ code: 'ERR_CIPHERTEXT_INVALID' })
  })

  it('rewraps what an earlier key has encrypted', async () => {
    const keyring = await testKeyring()
    const { ciphertext } = await keyring.encrypt('x', 'a')
    expect(await keyring.needsRewrap(ciphertext)).toBe(false)
    expect(await keyring.rotate()).toBe('test-2')
    expect(await keyring.needsRewrap(ciphertext)).toBe(true)
    const next = await keyring.rewrap(ciphertext, 'a')
    expect([next.keyId, (await keyring.decrypt(next.ciphertext, 'a')).text]).toEqual(['test-2', 'x'])
    await keyring.remove('test-1')
    await expect(keyring.decrypt(ciphertext, 'a')).rejects.toMatchObject({ code: 'ERR_KEY_NOT_FOUND' })
  })

  it('answers each item of a batch by itself', async () => {
    const keyring = await testKeyring()
    const sealed = await keyring.encryptBatch([
      { plaintext: 'a' },
      { plaintext: '\ud800' },
      { plaintext: 'b', context: 'c' },
    ])
    expect(sealed).toMatchObject([{ ok: true }, { ok: false, error: { code: 'ERR_TEXT_INVALID' } }, { ok: true }])
    const items = sealed.flatMap((each) => (each.ok ? [each.value] : []))
    await keyring.rotate()
    expect(await keyring.decryptBatch(items)).toMatchObject([
      { ok: true, value: { text: 'a' } },
      { ok: false, error: { code: 'ERR_DECRYPT_FAILED' } },
    ])
    expect(await keyring.rewrapBatch(items)).toMatchObject([{ ok: true, value: { keyId: 'test-2' } }, { ok: false }])
  })

  it('answers what is no item as one that has no value, and lists that are no array', async () => {
    const keyring = await testKeyring()
    const codes = (results: readonly Result<unknown>[]) => results.map((result) => result.ok || result.error.code)
    const [sealed] = await keyring.encryptBatch([{ plaintext: 'a' }])
    const [one, none] = [sealed?.ok ? sealed.value : null, 'ERR_CIPHERTEXT_INVALID']
    const plain = [{ plaintext: 'a' }, null, undefined, 5] as never
    expect(codes(await keyring.encryptBatch(plain))).toEqual([true, ...Array(3).fill('ERR_REQUEST_INVALID')])
    expect(codes(await keyring.decryptBatch([one, null, undefined, 5] as never))).toEqual([true, none, none, none])
    expect(codes(await keyring.rewrapBatch([one, null] as never))).toEqual([true, none])
    for (const none of [null, undefined, { plaintext: 'a' }, 5] as never[])
      await expect(keyring.encryptBatch(none)).rejects.toMatchObject({ code: 'ERR_REQUEST_INVALID' })
    await expect(keyring.encrypt('a', null as never)).rejects.toThrow('A context is neither text nor bytes.')
    expect(codes(await keyring.encryptBatch(new Set([{ plaintext: 'a' }, { plaintext: 'b' }]) as never))).toEqual([
      true,
      true,
    ])
  })

  it('says that it was closed, by whatever it is used', async () => {
    const events: UseEvent[] = []
    const keyring = await testKeyring({ audit: (event) => void events.push(event) })
    const [{ sync }, { ciphertext }] = [keyring, await keyring.encrypt('x')]
    await keyring.close()
    const closed = expect.objectContaining({
      code: 'ERR_STORE_UNAVAILABLE',
      message: 'The keyring was closed.',
    })
    const uses = [
      () => keyring.encrypt('x'),
      () => keyring.decrypt(ciphertext),
      () => keyring.rewrap(ciphertext),
      () => keyring.encryptBatch([{ plaintext: 'x' }]),
      () => keyring.decryptBatch([{ ciphertext }]),
      () => keyring.needsRewrap(ciphertext),
      () => keyring.index('test-1', new Uint8Array()),
    ]
    for (const use of uses) await expect(use()).rejects.toEqual(closed)
    expect(() => sync.encrypt('x')).toThrow(closed)
    expect(() => sync.decrypt(ciphertext)).toThrow(closed)
    await keyring.close()
    const told = events.filter(({ code }) => code === 'ERR_STORE_UNAVAILABLE').map(({ action }) => action)
    expect(told).toEqual(['encrypt', 'decrypt', 'rewrap', 'encrypt', 'decrypt', 'encrypt', 'decrypt'])
  })

  it('of tests takes no name, id or removal that a deployment would refuse', async () => {
    const keyring = await testKeyring()
    const refused = (code: string) => expect.objectContaining({ code })
    await expect(testKeyring({ keyring: 'no name' })).rejects.toEqual(refused('ERR_REQUEST_INVALID'))
    await expect(keyring.rotate('a b')).rejects.toEqual(refused('ERR_REQUEST_INVALID'))
    await expect(keyring.rotate('test-1')).rejects.toEqual(refused('ERR_REQUEST_INVALID'))
    await expect(keyring.remove('other')).rejects.toEqual(refused('ERR_KEY_NOT_FOUND'))
    await expect(keyring.remove('test-1')).rejects.toEqual(refused('ERR_KEY_ACTIVE'))
    for (const id of [null, 5])
      await expect(keyring.rotate(id as never)).rejects.toEqual(refused('ERR_REQUEST_INVALID'))
    await expect(testKeyring({ keyring: null as never })).rejects.toEqual(refused('ERR_REQUEST_INVALID'))
    expect([await keyring.rotate('2026-01'), await keyring.rotate('test-4'), await keyring.rotate()]).toEqual([
      '2026-01',
      'test-4',
      'test-5',
    ])
  })

  it('tells a class of errors of its own from ours', () => {
    class Mine extends KeyringError {}
    expect([
      new Mine('ERR_INTERNAL', 'x') instanceof Mine,
      new KeyringError('ERR_INTERNAL', 'x') instanceof Mine,
    ]).toEqual([true, false])
    expect(new Mine('ERR_INTERNAL', 'x')).toBeInstanceOf(KeyringError)
  })

  it('does the same at once for codecs that cannot wait', async () => {
    const keyring = await testKeyring()
    const { ciphertext } = keyring.sync.encrypt('x', 'a')
    expect([keyring.sync.decrypt(ciphertext, 'a').text, (await keyring.decrypt(ciphertext, 'a')).text]).toEqual([
      'x',
      'x',
    ])
    await keyring.rotate()
    expect([keyring.sync.encrypt('y').keyId, keyring.sync.decrypt(ciphertext, 'a').text]).toEqual(['test-2', 'x'])
    expect(codeOf(() => keyring.sync.decrypt(ciphertext, 'b'))).toBe('ERR_DECRYPT_FAILED')
    expect(codeOf(() => keyring.sync.decrypt(ciphertext.replace('test-1', 'test-9')))).toBe('ERR_KEY_UNVERIFIED')
  })

  it('serves codecs that cannot wait by its face for them alone', async () => {
    const keyring = await testKeyring()
    expect(() => columnSync(keyring as never, 'users.email')).toThrow('columnSync takes keyring.sync.')
    const { seal, open } = columnSync(keyring.sync, 'users.email')
    expect(open(seal('ann'))).toBe('ann')
  })

  it('serves fields and look-ups', async () => {
    const keyring = await testKeyring()
    const email = column(keyring, 'users.email')
    expect(await email.open(await email.seal('ann@example.org'))).toBe('ann@example.org')
    const find = lookups(keyring, { 'users.email': { keys: ['test-1'], bits: 128, normalise: 'lower' } })
    const stored = await find.index('users.email', 'Ann@Example.org')
    expect((await find.where('users.email', 'ann@example.org')).index).toEqual([stored])
  })

  it('tells the sink of each use, with outcomes and without values', async () => {
    const events: UseEvent[] = []
    const keyring = await testKeyring({ audit: (event) => void events.push(event) })
    const { ciphertext } = await keyring.encrypt('canary', 'context-canary')
    await keyring.decrypt(ciphertext, 'b').catch(() => {})
    keyring.sync.decrypt(ciphertext, 'context-canary')
    codeOf(() => keyring.sync.decrypt('x'))
    await keyring.decryptBatch([{ ciphertext }, { ciphertext }, { ciphertext, context: 'context-canary' }])
    expect(events).toMatchObject([
      { action: 'encrypt', keyring: 'default', keyId: 'test-1', count: 1, outcome: 'ok', code: null },
      { action: 'decrypt', keyId: null, outcome: 'failed', code: 'ERR_DECRYPT_FAILED' },
      { action: 'decrypt', keyId: 'test-1', outcome: 'ok' },
      { action: 'decrypt', outcome: 'failed', code: 'ERR_CIPHERTEXT_INVALID' },
      { action: 'decrypt', outcome: 'failed', code: 'ERR_DECRYPT_FAILED', count: 2 },
      { action: 'decrypt', keyId: 'test-1', outcome: 'ok', count: 1 },
    ])
    expect(JSON.stringify(events)).not.toContain('canary')
  })

  it('draws other nonces in each copy of a process whose image is restored before it is opened', async () => {
    const copy = async () => {
      const drawn = vi.spyOn(crypto, 'getRandomValues').mockImplementation((bytes) => bytes)
      const keyring = await testKeyring()
      const values = [await keyring.encrypt('x'), keyring.sync.encrypt('x')]
      drawn.mockRestore()
      return values.map(({ ciphertext }) => toHex(parseEk1(ciphertext).payload.subarray(16, 40)))
    }
    const [one, other] = [await copy(), await copy()]
    expect(one).not.toEqual(other)
    expect(new Set([...one, ...other].map((nonce) => nonce.slice(0, 24))).size).toBe(2)
  })

  it('draws all of each nonce where it must not be linked', async () => {
    const prefixes = async (unlinkable: boolean) => {
      const keyring = await testKeyring({ unlinkable })
      const values = await keyring.encryptBatch([{ plaintext: 'a' }, { plaintext: 'b' }])
      return new Set(
        values.map(
          (each) =>
            each.ok && Buffer.from(each.value.ciphertext.slice(11), 'base64url').subarray(16, 28).toString('hex'),
        ),
      ).size
    }
    expect([await prefixes(false), await prefixes(true)]).toEqual([1, 2])
  })
})

const KEY = Buffer.alloc(32, 7).toString('base64')
const VAULT = {
  KEYRING_VAULT_HOST: 'https://vault.example',
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_VAULT_TOKEN: 'of-no-importance',
  KEYRING_DATABASE: 'x.sqlite',
  KEYRING_API_TOKEN: 'of-no-importance',
}

function read(settings: Readonly<Record<string, string>>) {
  const reading = new SettingsReading(settings)
  const config = usingConfig(reading)
  reading.needs('KEYRING_WRAPPING_KEYS', 'any')
  try {
    reading.end()
    return config
  } catch (error) {
    return (error as Error).message
  }
}

/** By one library or another. */
const READ = [
  'KEYRING_WRAPPING_KEYS',
  'KEYRING_SYNC_PERIOD',
  'KEYRING_MAX_STALENESS',
  'KEYRING_MAX_RECORD_AGE',
  'KEYRING_TABLE',
  'KEYRING_SECRETS_TABLE',
  'KEYRING_SYNC_FUNCTION',
  'KEYRING_DATABASE',
]

/** What the service makes of the same. */
function served(settings: Readonly<Record<string, string>>) {
  const parsed = parseConfig({ ...VAULT, ...settings }, 'node')
  return parsed.ok ? parsed.config : null
}

describe('the settings of a library', () => {
  it.each([
    { KEYRING_WRAPPING_KEYS: `w1:${KEY}` },
    { KEYRING_WRAPPING_KEYS: `w1:${KEY}, w2/keyring/default:${KEY},w2/secrets/hcv:${KEY}`, KEYRING_SYNC_PERIOD: '0' },
    { KEYRING_WRAPPING_KEYS: `w1:${KEY}`, KEYRINGS: '[{"name":"orders","path":"x"}]', KEYRING_MAX_STALENESS: '3600' },
    { KEYRING_WRAPPING_KEYS: `w1:${KEY}`, KEYRING_MAX_RECORD_AGE: '172800', KEYRING_SYNC_PERIOD: '86400' },
  ])('are read as the service reads them: %o', (settings) => {
    const config = served(settings)
    expect(config).not.toBeNull()
    expect(config).toMatchObject(read(settings) as object)
  })

  it.each([
    ['KEYRING_MAX_STALENES', 'KEYRING_MAX_STALENESS'],
    ['KEYRING_MAX_STALNESES', 'KEYRING_MAX_STALENESS'],
    ['KEYRING_MAX_STALNESS', 'KEYRING_MAX_STALENESS'],
    ['KEYRING_SYNC_PEROID', 'KEYRING_SYNC_PERIOD'],
    ['KEYRING_RECORD_AGE', undefined],
    ['KEYRING_X', undefined],
  ])('has a name that is misspelt: %s means %s', (name, meant) => {
    const message = read({ KEYRING_WRAPPING_KEYS: `w1:${KEY}`, [name]: '600' })
    if (meant === undefined) expect(message).toBeInstanceOf(Object)
    else expect(message).toBe(`${name} looks like ${meant}, misspelt.`)
  })

  it('has no name that is another setting of the deployment', () => {
    const names = [...readFileSync('docs/settings.md', 'utf8').matchAll(/`(KEYRING_\w+)`/g)].map(
      ([, name = '']) => name,
    )
    expect(names.length).toBeGreaterThan(50)
    const reading = new SettingsReading(Object.fromEntries(names.map((name) => [name, 'x'])))
    for (const name of READ) reading.value(name, String, '')
    expect(() => reading.end()).not.toThrow()
  })

  it.each([
    {},
    { KEYRING_WRAPPING_KEYS: '' },
    { KEYRING_WRAPPING_KEYS: 'w1' },
    { KEYRING_WRAPPING_KEYS: `w1:${KEY.slice(1)}` },
    { KEYRING_WRAPPING_KEYS: `w 1:${KEY}` },
    { KEYRING_WRAPPING_KEYS: `w1:${KEY},w1:${KEY}` },
    { KEYRING_WRAPPING_KEYS: `w1:${KEY},w1/keyring/default:${KEY}` },
    { KEYRING_WRAPPING_KEYS: `w1/vault/default:${KEY}` },
    { KEYRING_WRAPPING_KEYS: `w1/keyring/a b:${KEY}` },
    { KEYRING_WRAPPING_KEYS: `"w1:${KEY}"` },
    { KEYRING_WRAPPING_KEYS: '{vault://aws/keys}' },
    { KEYRING_WRAPPING_KEYS: `w1:${KEY}`, KEYRING_SYNC_PERIOD: '86401' },
    { KEYRING_WRAPPING_KEYS: `w1:${KEY}`, KEYRING_SYNC_PERIOD: '1.5' },
    { KEYRING_WRAPPING_KEYS: `w1:${KEY}`, KEYRING_MAX_STALENESS: '59' },
    { KEYRING_WRAPPING_KEYS: `w1:${KEY}`, KEYRINGS: '{' },
    { KEYRING_WRAPPING_KEYS: `w1:${KEY}`, KEYRINGS: '[{"name":"default","path":"x"}]' },
    { KEYRING_WRAPPING_KEYS: `w1:${KEY}`, KEYRINGS: '[{"name":"a","path":"x"},{"name":"a","path":"y"}]' },
  ])('are refused as there, by name and not by value: %o', (settings) => {
    const message = read(settings)
    expect(served(settings)).toBeNull()
    expect(message).toEqual(expect.stringMatching(/^KEYRING/))
    expect(message).not.toContain(KEY.slice(1))
  })
})
