/** `edge-keyring/node` beside the server's SQLite file, which another connection writes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openKeyring } from '../../functions/node/library.ts'
import { nodeCipher } from '../../functions/node-shared/cipher.ts'
import type { SqliteStore } from '../../functions/node/sqlite-store.ts'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { deriveFor } from '../../src/crypto/derive.ts'
import type { World } from '../support/authority.ts'
import { PLAIN_SYNC, authorityOn, world, wrappingKey } from '../support/authority.ts'

const START = Date.UTC(2026, 5, 1)
const keyOf = (fill: number): string => `w1:${Buffer.alloc(32, fill).toString('base64')}`

describe('a keyring beside a server on SQLite', () => {
  let folder: string
  let path: string
  let store: SqliteStore
  let on: World

  /** Of whoever syncs. */
  const sync = async (...versions: readonly string[]) => {
    on.versions = versions
    expect(await authorityOn(on).sync('default', PLAIN_SYNC)).toMatchObject({ ok: true })
  }
  const open = () => openKeyring({ KEYRING_DATABASE: path, KEYRING_WRAPPING_KEYS: keyOf(1) })

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now: START })
    folder = mkdtempSync(join(tmpdir(), 'edge-keyring-library-'))
    path = join(folder, 'keyring.sqlite')
    store = sqliteStore(path)
    on = world([], store)
    Object.defineProperty(on.clock, 'time', { get: () => Date.now(), set: () => {} })
    await sync('k1:1')
  })
  afterEach(() => {
    store.close()
    vi.useRealTimers()
    rmSync(folder, { recursive: true })
  })

  it('follows what another process syncs, within a second', async () => {
    await using keyring = await open()
    const { ciphertext, keyId } = await keyring.encrypt('x')
    await sync('k1:1', 'k2:2')
    vi.setSystemTime(START + 1001)
    expect([keyId, (await keyring.encrypt('x')).keyId]).toEqual(['k1', 'k2'])
    expect((await keyring.decrypt(ciphertext)).text).toBe('x')
  })

  it('finds at once that nothing was written to its record, however long it was left alone', async () => {
    await using keyring = await open()
    const { ciphertext } = keyring.sync.encrypt('x')
    await store.put('keyring/other', new Uint8Array([1]), 0)
    vi.setSystemTime(START + 60_000)
    expect([keyring.sync.decrypt(ciphertext).text, keyring.sync.encrypt('y').keyId]).toEqual(['x', 'k1'])
  })

  it('refuses at once what may have changed, and has it for the next call', async () => {
    await using keyring = await open()
    await sync('k1:1', 'k2:2')
    vi.setSystemTime(START + 1001)
    expect(() => keyring.sync.encrypt('x')).toThrow(expect.objectContaining({ code: 'ERR_SNAPSHOT_STALE' }))
    await vi.waitUntil(() => isQuiet(() => keyring.sync.encrypt('x')))
    expect(keyring.sync.encrypt('x').keyId).toBe('k2')
  })

  it('is kept warm for those who cannot wait', async () => {
    await using keyring = await open()
    await sync('k1:1', 'k2:2')
    vi.advanceTimersByTime(800)
    await new Promise((resolve) => setImmediate(resolve))
    vi.setSystemTime(START + 1500)
    expect(keyring.sync.encrypt('x').keyId).toBe('k2')
  })

  it('leaves no timer when it is closed', async () => {
    const before = vi.getTimerCount()
    const keyring = await open()
    expect(vi.getTimerCount()).toBe(before + 1)
    await keyring.close()
    expect(vi.getTimerCount()).toBe(before)
  })

  it('makes no file where there is none, and says what is wrong at the start', async () => {
    const settings = { KEYRING_DATABASE: join(folder, 'none.sqlite'), KEYRING_WRAPPING_KEYS: keyOf(1) }
    await expect(openKeyring(settings)).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: expect.stringContaining('none.sqlite does not exist.'),
      remedy: expect.stringMatching(/^Give the path/),
    })
    await expect(
      openKeyring({ ...settings, KEYRING_DATABASE: path, KEYRING_WRAPPING_KEYS: keyOf(2) }),
    ).rejects.toMatchObject({ code: 'ERR_WRAPPING_KEY_WRONG' })
    await expect(openKeyring({ ...settings, KEYRING_DATABASE: '', KEYRING_DATABSE: path })).rejects.toThrow(
      'KEYRING_DATABSE looks like KEYRING_DATABASE, misspelt',
    )
    await expect(openKeyring({})).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringMatching(/KEYRING_WRAPPING_KEYS is required.*KEYRING_DATABASE is required/),
    })
    await expect(openKeyring({ ...settings, KEYRING_DATABASE: path }, { keyring: 'orders' })).rejects.toMatchObject({
      code: 'ERR_KEYRING_NOT_FOUND',
    })
  })

  it('says of what no server has made that it is another file, and never to move it away', async () => {
    const openOn = (file = '') => openKeyring({ KEYRING_DATABASE: file, KEYRING_WRAPPING_KEYS: keyOf(1) })
    const [own, text, empty] = ['own.sqlite', 'text', 'empty'].map((name) => join(folder, name))
    for (const version of [0, 7]) {
      const other = new DatabaseSync(own ?? '')
      other.exec(`CREATE TABLE IF NOT EXISTS mine (id INTEGER); PRAGMA user_version = ${version}`)
      other.close()
      await expect(openOn(own)).rejects.toMatchObject(OTHER_FILE)
    }
    writeFileSync(text ?? '', 'KEYRING_DATABASE=x\n'.repeat(100))
    writeFileSync(empty ?? '', '')
    for (const file of [text, empty, folder]) await expect(openOn(file)).rejects.toMatchObject(OTHER_FILE)
  })

  it('needs no more than the key that was derived for the keyring', async () => {
    const [derived] = await deriveFor(nodeCipher, [wrappingKey('w1', 1)], 'keyring/default')
    const KEYRING_WRAPPING_KEYS = `w1/keyring/default:${derived?.key.reveal()}`
    await using keyring = await openKeyring({ KEYRING_DATABASE: path, KEYRING_WRAPPING_KEYS })
    expect((await keyring.encrypt('x')).keyId).toBe('k1')
  })

  it('encrypts no more when the last sync is older than the operator allows, and decrypts on', async () => {
    const settings = { KEYRING_DATABASE: path, KEYRING_WRAPPING_KEYS: keyOf(1), KEYRING_MAX_STALENESS: '60' }
    await using keyring = await openKeyring(settings)
    const { ciphertext } = await keyring.encrypt('x')
    vi.setSystemTime(START + 120_000)
    await expect(keyring.encrypt('x')).rejects.toMatchObject({ code: 'ERR_SNAPSHOT_STALE' })
    expect(() => keyring.sync.encrypt('x')).toThrow(expect.objectContaining({ code: 'ERR_SNAPSHOT_STALE' }))
    expect([(await keyring.decrypt(ciphertext)).text, keyring.sync.decrypt(ciphertext).text]).toEqual(['x', 'x'])
  })

  it('decrypts when it is opened after that, too', async () => {
    const settings = { KEYRING_DATABASE: path, KEYRING_WRAPPING_KEYS: keyOf(1), KEYRING_MAX_STALENESS: '60' }
    const before = await openKeyring(settings)
    const { ciphertext } = await before.encrypt('x')
    await before.close()
    vi.setSystemTime(START + 120_000)
    await using keyring = await openKeyring(settings)
    expect([(await keyring.decrypt(ciphertext)).text, keyring.sync.decrypt(ciphertext).text]).toEqual(['x', 'x'])
    await expect(keyring.encrypt('x')).rejects.toMatchObject({ code: 'ERR_SNAPSHOT_STALE' })
    expect(() => keyring.sync.encrypt('x')).toThrow(expect.objectContaining({ code: 'ERR_SNAPSHOT_STALE' }))
  })

  it('is closed as often as somebody likes', async () => {
    await using keyring = await open()
    await keyring.close()
    await expect(keyring.close()).resolves.toBeUndefined()
  })

  it.each([
    ['that throws', () => Promise.reject(new Error('canary'))],
    [
      'that throws at once',
      () => {
        throw new Error('canary')
      },
    ],
    ['that gives text', async () => 'canary'],
    ['that gives nothing', async () => undefined],
  ])('decrypts on beside a store of its own %s, and says so in words of ours', async (_, get) => {
    const given = { get: (name: string) => store.get(name) }
    await using keyring = await openKeyring({ KEYRING_WRAPPING_KEYS: keyOf(1) }, { store: given })
    const { ciphertext } = await keyring.encrypt('x')
    given.get = get as never
    vi.setSystemTime(START + 2000)
    expect([(await keyring.decrypt(ciphertext)).text, keyring.sync.decrypt(ciphertext).text]).toEqual(['x', 'x'])
    const refused = await keyring.encrypt('x').catch((error: unknown) => error)
    expect(refused).toMatchObject({
      code: 'ERR_SNAPSHOT_STALE',
      message: expect.stringContaining('ERR_STORE_UNAVAILABLE'),
    })
    expect(String(refused)).not.toContain('canary')
  })

  it.each([60, true, {}])('refuses a setting that is %o, which is no text', async (value) => {
    const settings = { KEYRING_DATABASE: path, KEYRING_WRAPPING_KEYS: keyOf(1), KEYRING_MAX_STALENESS: value }
    await expect(openKeyring(settings)).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: 'KEYRING_MAX_STALENESS must be text.',
    })
  })

  it('takes a store that it is given', async () => {
    await using keyring = await openKeyring({ KEYRING_WRAPPING_KEYS: keyOf(1) }, { store })
    expect((await keyring.encrypt('x')).keyId).toBe('k1')
  })
})

const OTHER_FILE = {
  code: 'ERR_STORE_UNAVAILABLE',
  message: expect.stringContaining('is none that a server has made.'),
  remedy: expect.stringMatching(/^Give the path/),
}

const isQuiet = (work: () => unknown): boolean => {
  try {
    work()
    return true
  } catch (error) {
    if (error instanceof KeyringError) return false
    throw error
  }
}
