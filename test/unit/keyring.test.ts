import { describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { utf8 } from '../../src/core/bytes.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { KeyringError, REMEDIES, refusal } from '../../src/core/errors.ts'
import type { RecordStore, SharedStore } from '../../src/core/ports.ts'
import { sealers } from '../../src/crypto/seal.ts'
import { verifyRecord } from '../../src/keyring/record.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world, wrappingKey } from '../support/authority.ts'
import { withRead } from '../support/verbs.ts'

const NONE = utf8('')
const SEALED = new KeyringError('ERR_VAULT_SEALED', 'Vault is sealed.')
const recordOf = async (store: RecordStore): Promise<Bytes> =>
  (await store.get('keyring/default'))?.bytes ?? expect.unreachable()
const code = (expected: string) => expect.objectContaining({ code: expected })

async function overwrite(store: RecordStore, name: string, bytes: Bytes): Promise<void> {
  const version = (await store.get(name))?.version ?? 0
  expect(await store.put(name, bytes, version)).not.toBe('conflict')
}

describe('a sync', () => {
  it('asks for the metadata alone when nothing is new, and writes no record', async () => {
    const on = world(['a:1', 'b:2'])
    const keyring = await keyringOn(on)
    expect(await keyring.sync(PLAIN_SYNC)).toMatchObject({ changed: true, requests: 3 })
    const before = await on.store.get('keyring/default')
    expect(await keyring.sync(PLAIN_SYNC)).toMatchObject({ changed: false, requests: 1 })
    expect(on.asked).toEqual(['observe', 2, 1, 'observe'])
    expect(await on.store.get('keyring/default')).toBe(before)
  })

  it('joins one under way', async () => {
    const on = world(['a:1'])
    const authority = authorityOn(on)
    const results = await Promise.all([1, 2, 3].map(() => authority.sync('default', PLAIN_SYNC)))
    expect(results.every(({ ok }) => ok)).toBe(true)
    expect(on.asked).toEqual(['observe', 1])
  })

  it('does not join when the caller brings a token of its own', async () => {
    const on = world(['a:1'])
    const authority = authorityOn(on)
    await Promise.all([
      authority.sync('default', PLAIN_SYNC),
      authority.sync('default', { ...PLAIN_SYNC, token: 'mine' }),
    ])
    expect(on.asked.filter((what) => what === 'observe')).toHaveLength(2)
  })

  it('keeps the last good state when the source fails, and the keyring in use', async () => {
    const on = world(['a:1'])
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    const { ciphertext } = await keyring.encrypt(utf8('x'), NONE)
    on.versions = SEALED
    await expect(keyring.sync(PLAIN_SYNC)).rejects.toThrow(code('ERR_VAULT_SEALED'))
    const fresh = await keyringOn(on)
    expect((await fresh.decrypt(ciphertext, NONE)).keyId).toBe('a')
    expect(await fresh.status()).toMatchObject({
      active: 'a',
      last_error: { code: 'ERR_VAULT_SEALED', failures: 1 },
      needed: [SEALED.remedy],
    })
  })

  it('decides again on a conflict with what it has read', async () => {
    const on = world(['a:1'])
    const racing: SharedStore = {
      ...on.store,
      put: (name, bytes, expected) =>
        name.startsWith('keyring/') ? raced(name, bytes, expected) : on.store.put(name, bytes, expected),
    }
    let others = 3
    const raced = async (name: string, bytes: Bytes, expected: number) => {
      if (others-- <= 0) return on.store.put(name, bytes, expected)
      await on.store.put(name, bytes, expected)
      return 'conflict' as const
    }
    const keyring = await keyringOn({ ...on, store: racing })
    await keyring.sync(PLAIN_SYNC)
    expect((await keyring.record())?.active).toBe('a')
    expect(on.asked).toEqual(['observe', 1])
  })

  it('gives up after five conflicts', async () => {
    const on = world(['a:1'])
    const keyring = await keyringOn({ ...on, store: { ...on.store, put: async () => 'conflict' } })
    await expect(keyring.sync(PLAIN_SYNC)).rejects.toThrow(code('ERR_SYNC_CONTENDED'))
  })

  it('stores the keys and says so when the first current version is unusable', async () => {
    const on = world(['a:1', 'malformed'])
    const keyring = await keyringOn(on)
    await expect(keyring.sync(PLAIN_SYNC)).rejects.toThrow(code('ERR_ACTIVE_UNUSABLE'))
    expect((await keyring.record())?.keys.map(({ id }) => id)).toEqual(['a'])
    await expect(keyring.encrypt(NONE, NONE)).rejects.toThrow(code('ERR_NO_ACTIVE_KEY'))
  })

  it('that never was is told from a keyring without an active key, by the sentence and by what to do', async () => {
    const on = world(['a:1', 'malformed'])
    const keyring = await keyringOn(on)
    const { needed } = await keyring.status()
    await expect(keyring.encrypt(NONE, NONE)).rejects.toMatchObject({
      code: 'ERR_NO_ACTIVE_KEY',
      message: 'Keyring "default" has never been synced.',
      remedy: needed[0],
    })
    await expect(keyring.sync(PLAIN_SYNC)).rejects.toThrow(code('ERR_ACTIVE_UNUSABLE'))
    await expect(keyring.encrypt(NONE, NONE)).rejects.toMatchObject({
      code: 'ERR_NO_ACTIVE_KEY',
      message: 'Keyring "default" has no active key.',
      remedy: REMEDIES.ERR_NO_ACTIVE_KEY,
    })
  })

  it('of a caller with a token leaves no failure behind', async () => {
    const on = world(SEALED)
    const keyring = await keyringOn(on)
    await expect(keyring.sync({ ...PLAIN_SYNC, token: 'mine' })).rejects.toThrow(code('ERR_VAULT_SEALED'))
    expect((await keyring.status()).last_error).toBeNull()
  })
})

describe('the stored record', () => {
  it('is refused with any one bit altered', async () => {
    const on = world(['a:1'])
    await (await keyringOn(on)).sync(PLAIN_SYNC)
    const good = await recordOf(on.store)
    const set = await sealers(nodeCipher, nodeHash, [wrappingKey('w1', 1)], 'default')
    await expect(verifyRecord(set, 'default', good)).resolves.toBeDefined()
    for (let bit = 0; bit < good.length * 8; bit += 1) {
      const altered = good.slice()
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await expect(verifyRecord(set, 'default', altered)).rejects.toBeInstanceOf(KeyringError)
    }
  })

  it('is refused in the place of another keyring', async () => {
    const on = world(['a:1'])
    const authority = authorityOn(on, undefined, ['default', 'orders'])
    await authority.sync('default', PLAIN_SYNC)
    await authority.sync('orders', PLAIN_SYNC)
    await overwrite(on.store, 'keyring/default', (await on.store.get('keyring/orders'))?.bytes ?? NONE)
    expect(await authority.read('default', 0)).toMatchObject({ ok: false, error: { code: 'ERR_RECORD_INVALID' } })
  })

  it('is refused when it was put back to an earlier revision while a process runs: what it has decrypts, and encrypts no more', async () => {
    const on = world(['a:1'])
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    const earlier = await recordOf(on.store)
    on.versions = ['a:1', 'b:2']
    await keyring.sync(PLAIN_SYNC)
    const { ciphertext } = await keyring.encrypt(NONE, NONE)
    await overwrite(on.store, 'keyring/default', earlier)
    on.clock.time += 2000
    expect((await keyring.decrypt(ciphertext, NONE)).keyId).toBe('b')
    await expect(keyring.encrypt(NONE, NONE)).rejects.toThrow(code('ERR_SNAPSHOT_STALE'))
    expect(keyring.warning).toBe('ERR_RECORD_ROLLED_BACK')
    await expect(keyring.sync(PLAIN_SYNC)).rejects.toThrow(code('ERR_RECORD_ROLLED_BACK'))
    expect((await (await keyringOn(on)).record())?.active).toBe('a')
  })

  it('has a revision that is raised by every put, also under a clock that stands still', async () => {
    const on = world(['a:1'])
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    const first = (await keyring.record())?.revision ?? 0
    on.versions = ['a:1', 'b:2']
    await keyring.sync(PLAIN_SYNC)
    expect((await keyring.record())?.revision).toBe(first + 1)
  })

  it('keeps 1,000 keys with ids of 64 characters, 200 tombstones and 200 skipped versions within its limit', async () => {
    const id = (number: number) => String(number).padStart(64, 'k')
    const on = world(Array.from({ length: 1000 }, (_, index) => `${id(index)}:${index}`))
    const keyring = await keyringOn(on)
    const authority = authorityOn(on)
    await authority.sync('default', PLAIN_SYNC)
    on.versions = [
      ...(on.versions as string[]),
      ...Array.from({ length: 400 }, (_, index) => (index < 200 ? 'malformed' : `${id(1000 + index)}:${1000 + index}`)),
    ]
    await authority.sync('default', PLAIN_SYNC)
    for (let index = 200; index < 399; index += 1)
      await authority.change('default', { op: 'remove', id: id(1000 + index), force: true })
    const bytes = await recordOf(on.store)
    expect((await keyring.record())?.keys.length).toBeGreaterThanOrEqual(1000)
    expect(bytes.length).toBeLessThanOrEqual(350 * 1024)
  })
})

describe('wrapping keys', () => {
  const [old, next] = [wrappingKey('w1', 1), wrappingKey('w2', 2)]

  it('open by id; the first listed seals the whole record at the next write', async () => {
    const on = world(['a:1'])
    await (await keyringOn(on, [old])).sync(PLAIN_SYNC)
    const keyring = await keyringOn(on, [next, old])
    const { ciphertext } = await keyring.encrypt(utf8('x'), NONE)
    on.versions = ['a:1', 'b:2']
    await keyring.sync(PLAIN_SYNC)
    const only = await keyringOn(on, [next])
    expect((await only.decrypt(ciphertext, NONE)).keyId).toBe('a')
    expect((await only.encrypt(NONE, NONE)).keyId).toBe('b')
  })

  it('that are missing are named', async () => {
    const on = world(['a:1'])
    await (await keyringOn(on, [old])).sync(PLAIN_SYNC)
    await expect((await keyringOn(on, [next])).record()).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_WRAPPING_KEY_MISSING', facts: { keyring: 'default', wrappingKey: 'w1' } }),
    )
  })

  it('can be held by one keyring alone: its derived key opens that record and nothing else', async () => {
    const on = world(['a:1'])
    const authority = authorityOn(on, [old], ['default', 'orders'])
    await authority.sync('default', PLAIN_SYNC)
    await authority.sync('orders', PLAIN_SYNC)
    const raw = await nodeCipher.derive(new Uint8Array(Buffer.alloc(32, 1)), 'keyring/default', 32)
    const derived = {
      ...wrappingKey('w1', 0, 'default'),
      key: { reveal: () => Buffer.from(raw).toString('base64') } as (typeof old)['key'],
    }
    const holder = authorityOn(on, [derived], ['default', 'orders'])
    expect((await (await keyringOn(on, [derived], holder)).encrypt(NONE, NONE)).keyId).toBe('a')
    expect(await holder.read('orders', 0)).toMatchObject({ ok: false, error: { code: 'ERR_WRAPPING_KEY_MISSING' } })
    const claiming = authorityOn(on, [{ ...derived, keyring: 'orders' }], ['orders'])
    expect(await claiming.read('orders', 0)).toMatchObject({ ok: false, error: { code: 'ERR_WRAPPING_KEY_WRONG' } })
  })
})

describe('use', () => {
  it('shows what another process has written within a second', async () => {
    const on = world(['a:1'])
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    on.versions = ['a:1', 'b:2']
    await (await keyringOn(on)).sync(PLAIN_SYNC)
    expect((await keyring.record())?.active).toBe('a')
    on.clock.time += 1000
    expect((await keyring.record())?.active).toBe('b')
  })

  it('asks the authority before it says that a key is unknown', async () => {
    const on = world(['a:1'])
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    on.versions = ['a:1', 'b:2']
    const other = await keyringOn(on)
    await other.sync(PLAIN_SYNC)
    const { ciphertext } = await other.encrypt(utf8('x'), NONE)
    expect((await keyring.decrypt(ciphertext, NONE)).keyId).toBe('b')
    await expect(keyring.decrypt(ciphertext.replace('.b.', '.zz.'), NONE)).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
  })

  it('does not say "unknown" when the authority cannot be asked', async () => {
    const on = world(['a:1'])
    const authority = authorityOn(on)
    const keyring = await keyringOn(on, undefined, authority)
    await keyring.sync(PLAIN_SYNC)
    const { ciphertext } = await keyring.encrypt(utf8('x'), NONE)
    const gone = refusal('ERR_STORE_UNAVAILABLE', 'Gone.')
    const read: typeof authority.read = async (name, known) => (known === 0 ? authority.read(name, known) : gone)
    const cut = await keyringOn(on, undefined, withRead(authority, read))
    expect((await cut.decrypt(ciphertext, NONE)).keyId).toBe('a')
    await expect(cut.decrypt(ciphertext.replace('.a.', '.zz.'), NONE)).rejects.toThrow(code('ERR_KEY_UNVERIFIED'))
  })

  it('never encrypts with a key that was removed or compromised', async () => {
    const on = world(['a:1', 'b:2'])
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    const { ciphertext } = await keyring.encrypt(utf8('x'), NONE)
    await keyring.change({ op: 'compromise', id: 'b', force: true })
    await expect(keyring.encrypt(NONE, NONE)).rejects.toThrow(code('ERR_NO_ACTIVE_KEY'))
    expect((await keyring.decrypt(ciphertext, NONE)).keyId).toBe('b')
    await keyring.change({ op: 'remove', id: 'b', force: true })
    await expect(keyring.decrypt(ciphertext, NONE)).rejects.toThrow(code('ERR_KEY_NOT_FOUND'))
  })

  it('says when nothing has been noted though a sync was due: the schedule is gone, or what it does cannot be written', async () => {
    const on = world(['a:1'])
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    on.clock.time += 600_000 + 14 * 60_000
    expect((await keyring.status()).needed).toEqual([])
    on.clock.time += 60_000
    expect((await keyring.status()).needed).toEqual([
      expect.stringMatching(/^Nothing has been noted since a sync was due/),
    ])
    await keyring.sync(PLAIN_SYNC)
    expect((await keyring.status()).needed).toEqual([])
  })

  it('says what is needed when every sync succeeds and the current version does not become active', async () => {
    const on = world(['a:1'])
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    on.versions = ['a:1', 'malformed']
    await keyring.sync(PLAIN_SYNC)
    expect((await keyring.status()).needed).toEqual([
      expect.stringMatching(/^Version 2, .* and "a" stays active\. Write a new version .* under a new "id"/),
    ])
    on.versions = SEALED
    await expect(keyring.sync(PLAIN_SYNC)).rejects.toThrow(code('ERR_VAULT_SEALED'))
    expect((await keyring.status()).needed).toEqual([SEALED.remedy])
    on.versions = ['a:1', 'malformed', 'c:3']
    await keyring.sync(PLAIN_SYNC)
    expect((await keyring.status()).needed).toEqual([])
  })

  it('says what is needed when the source stays behind, which a standby does not for a minute', async () => {
    const on = world(['a:1', 'b:2'])
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    on.versions = ['a:1']
    await keyring.sync(PLAIN_SYNC)
    on.clock.time += 59_999
    await keyring.sync(PLAIN_SYNC)
    expect((await keyring.status()).needed).toEqual([])
    on.clock.time += 1
    await keyring.sync(PLAIN_SYNC)
    expect((await keyring.status()).needed).toEqual([expect.stringMatching(/^Vault shows version 1 .*"force": true/)])
    await keyring.sync({ ...PLAIN_SYNC, force: true })
    expect((await keyring.status()).needed).toEqual([])
  })

  it('says what is needed before the first sync', async () => {
    const keyring = await keyringOn(world(['a:1']))
    expect(await keyring.record()).toBeNull()
    expect((await keyring.status()).needed).toEqual([
      'Sync for the first time: edge-keyring sync --keyring default, or POST /keyrings/default/sync.',
    ])
  })
})
