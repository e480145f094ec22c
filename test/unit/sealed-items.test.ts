/** Wrapping keys are replaced: what is stored of a login goes along, and the status says what still needs which key. */
import { describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { KeyringError, unwrap } from '../../src/core/errors.ts'
import type { RecordStore } from '../../src/core/ports.ts'
import { itemSealer } from '../../src/crypto/seal-item.ts'
import type { WrappingKey } from '../../src/crypto/seal.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import type { LoginVault } from '../../src/vault/login/method.ts'
import { unwrapSecretId } from '../../src/vault/login/wrapped-secret-id.ts'
import { loginItems, sealedItems } from '../../src/vault/token/sealed-items.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world, wrappingKey } from '../support/authority.ts'
import { NOW } from '../support/observed.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const [W1, W2] = [wrappingKey('w1', 1), wrappingKey('w2', 2)]
const never = new AbortController().signal

const clock = { now: () => NOW, sleep: async () => {} }
const sealerOf = (...keys: WrappingKey[]) => itemSealer(nodeCipher, nodeHash, keys)
const itemsOn = (store: RecordStore, ...keys: WrappingKey[]) => sealedItems(store, clock, () => sealerOf(...keys))
const token = (expires: number | null, lease = 0) => ({
  generation: 1,
  token: { secret: 'the token', ttlMs: HOUR, expires, due: expires, renewable: true, type: 'service' },
  lease,
  failing: null,
  denied: null,
})
const idOf = async (store: RecordStore, name: string) =>
  new TextDecoder().decode((await store.get(name))?.bytes).split(' ')[1]

describe('what is stored of a login', () => {
  it('is sealed anew under the first wrapping key, so that the login lives on when the old one is dropped', async () => {
    const store = memoryStore()
    const asked: string[] = []
    const vault: Pick<LoginVault, 'post'> = {
      async post(segments) {
        asked.push(segments.join('/'))
        return segments.at(-1) === 'lookup'
          ? { data: { creation_path: 'auth/approle/role/r/secret-id' } }
          : { data: { secret_id: 'the secret id' } }
      },
    }
    const secretId = (...keys: WrappingKey[]) => {
      const items = loginItems(itemsOn(store, ...keys))
      const wrapped = { mount: 'approle', roleName: 'r', token: 'wrapping', vault: vault as LoginVault }
      return unwrapSecretId({ ...wrapped, parts: { items, clock } }, never)
    }
    await secretId(W1)
    expect(await itemsOn(store, W2, W1).sealAnew()).toEqual({ tokens: [], logins: ['w2'], isDone: true })
    expect(await secretId(W2)).toBe('the secret id')
    expect(asked).toEqual(['sys/wrapping/lookup', 'sys/wrapping/unwrap'])
  })

  it('is named before it is written, so that none is forgotten', async () => {
    const store = memoryStore()
    let isDown = false
    const flaky: RecordStore = {
      get: (name) => store.get(name),
      put: (name, ...rest) =>
        isDown && name === 'login/x'
          ? Promise.reject(new KeyringError('ERR_STORE_UNAVAILABLE', 'Down.'))
          : store.put(name, ...rest),
    }
    isDown = true
    await expect(itemsOn(flaky, W1).write('login/x', 1, 0)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    await store.put('login/x', await (await sealerOf(W1)).seal('login/x', '"kept"'), 0)
    await itemsOn(store, W2, W1).sealAnew()
    expect(await itemsOn(store, W2).read('login/x')).toMatchObject({ value: 'kept' })
  })

  it('of an earlier build is named when it is read', async () => {
    const store = memoryStore()
    await store.put('login/x', await (await sealerOf(W1)).seal('login/x', '"kept"'), 0)
    expect(await itemsOn(store, W1).read('login/x')).toEqual({ value: 'kept', version: 1 })
    await itemsOn(store, W2, W1).sealAnew()
    expect(await itemsOn(store, W2).read('login/x')).toEqual({ value: 'kept', version: 2 })
  })

  it('can be sealed anew half: the next look goes on, and says meanwhile what the old key is needed for', async () => {
    const store = memoryStore()
    for (const name of ['login/a', 'login/b', 'login/c']) await itemsOn(store, W1).write(name, name, 0)
    const dying: RecordStore = {
      get: (name) => store.get(name),
      put: (name, ...rest) =>
        name === 'login/b' ? Promise.reject(new KeyringError('ERR_STORE_UNAVAILABLE', 'x')) : store.put(name, ...rest),
    }
    await expect(itemsOn(dying, W2, W1).sealAnew()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    const ids = () => Promise.all(['login/a', 'login/b', 'login/c'].map((name) => idOf(store, name)))
    expect(await ids()).toEqual(['w2', 'w1', 'w1'])
    // Without the old key the index still names what needs it.
    expect(await itemsOn(store, W2).sealAnew()).toEqual({ tokens: [], logins: ['w2', 'w1'], isDone: true })
    expect(await itemsOn(store, W2, W1).sealAnew()).toMatchObject({ logins: ['w2'], isDone: true })
    expect(await ids()).toEqual(['w2', 'w2', 'w2'])
    const written = (await store.get('login/a'))?.version
    await itemsOn(store, W2, W1).sealAnew()
    expect((await store.get('login/a'))?.version).toBe(written)
  })

  it('needs no key when it is a token that has expired, or that does not open', async () => {
    const store = memoryStore()
    const items = itemsOn(store, W1)
    await items.write('token/live', token(NOW + HOUR), 0)
    await items.write('token/over', token(NOW), 0)
    await items.write('token/none', { ...token(NOW), token: null }, 0)
    expect(await itemsOn(store, W2, W1).sealAnew()).toEqual({ tokens: ['w2'], logins: [], isDone: true })
    expect([await idOf(store, 'token/live'), await idOf(store, 'token/over')]).toEqual(['w2', 'w1'])
    const sealed = await (await sealerOf(W1)).seal('token/live', JSON.stringify(token(NOW + HOUR)))
    await store.put('token/live', sealed, 2)
    expect(await itemsOn(store, W2).sealAnew()).toMatchObject({ tokens: [] })
  })

  it('is left alone while somebody is at work with it, who would lose what he brings', async () => {
    const store = memoryStore()
    const items = itemsOn(store, W1)
    await items.write('token/busy', token(NOW + HOUR, NOW + 20_000), 0)
    await items.write('login/wrapped/busy', { claimed: NOW - 1000 }, 0)
    await items.write('login/wrapped/dead', { claimed: NOW - DAY }, 0)
    const left = { tokens: ['w1'], logins: ['w1', 'w2'], isDone: false }
    expect(await itemsOn(store, W2, W1).sealAnew()).toEqual(left)
    expect((await store.get('login/wrapped/busy'))?.version).toBe(1)
  })

  it('says that the key is wrong when another one is given under its id, and is not written with that', async () => {
    const store = memoryStore()
    await itemsOn(store, W1).write('login/x', 'kept', 0)
    const other = itemsOn(store, wrappingKey('w1', 9))
    await expect(other.read('login/x')).rejects.toMatchObject({ code: 'ERR_WRAPPING_KEY_WRONG' })
    await expect(other.write('login/x', 'lost', 1)).rejects.toMatchObject({ code: 'ERR_WRAPPING_KEY_WRONG' })
    const stored = (await store.get('login/x')) ?? expect.unreachable()
    expect(stored.version).toBe(1)
    await store.put(
      'login/x',
      stored.bytes.map((byte, at) => (at === stored.bytes.length - 9 ? byte ^ 1 : byte)),
      1,
    )
    await expect(itemsOn(store, W1).read('login/x')).rejects.toMatchObject({ code: 'ERR_RECORD_INVALID' })
  })
})

describe('the status', () => {
  /** A login under `w1`, and a keyring under whatever keys. */
  async function deployed() {
    const on = world(['a:1'])
    const start = (...keys: WrappingKey[]) => {
      const own = { ...on, loginItems: itemsOn(on.store, ...keys) }
      Object.defineProperty(own, 'versions', { get: () => on.versions })
      const authority = authorityOn(own, keys)
      const needs = async () => {
        const { wrapping_keys: held, needed } = await (await keyringOn(on, keys, authority)).status()
        return { held: Object.fromEntries(held.map(({ id, needed_by: by }) => [id, by])), needed }
      }
      return { authority, needs }
    }
    await itemsOn(on.store, W1).write('login/wrapped/x', { secretId: 's' }, 0)
    await itemsOn(on.store, W1).write('token/x', token(NOW + 9 * DAY), 0)
    await start(W1).authority.sync('default', PLAIN_SYNC)
    return { on, start }
  }

  it('says which wrapping keys are needed by what, until the schedule has sealed everything under the first', async () => {
    const { on, start } = await deployed()
    const all = ['record', 'status', 'token', 'login']
    expect(await start(W1).needs()).toEqual({ held: { w1: all }, needed: [] })
    on.versions = new KeyringError('ERR_VAULT_SEALED', 'Sealed.')
    const next = start(W2, W1)
    expect((await next.needs()).held).toEqual({ w2: [], w1: all })
    await next.authority.syncIfDue('default')
    expect((await next.needs()).held).toEqual({ w2: ['status', 'token', 'login'], w1: ['record'] })
    on.clock.time += DAY
    await next.authority.syncIfDue('default')
    expect((await next.needs()).held).toEqual({ w2: all, w1: [] })
    expect(await itemsOn(on.store, W2).read('login/wrapped/x')).toMatchObject({ value: { secretId: 's' } })
  })

  it('does so with a sync too, and says what is needed of a key that was dropped too early', async () => {
    const { start } = await deployed()
    const early = start(W2, W1)
    await early.authority.sync('default', PLAIN_SYNC)
    expect((await early.needs()).held).toEqual({ w2: ['record', 'status', 'token', 'login'], w1: [] })
    const { on, start: again } = await deployed()
    await authorityOn(on, [W2, W1]).sync('default', PLAIN_SYNC)
    const late = again(W2)
    await late.authority.sync('default', PLAIN_SYNC)
    const { held, needed } = await late.needs()
    expect(held).toMatchObject({ w1: ['login'] })
    expect(needed).toEqual([expect.stringMatching(/^Add the wrapping key "w1" /)])
  })

  it('says so when nobody has looked at what is stored of the login', async () => {
    const on = world(['a:1'])
    await authorityOn(on).sync('default', PLAIN_SYNC)
    const status = unwrap(await authorityOn(on).status('default'))
    expect(status.sealedUnder).toEqual({ record: 'w1', status: 'w1', items: null })
    expect((await (await keyringOn(on, [W1, W2])).status()).wrapping_keys).toEqual([
      { id: 'w1', configured: true, first: true, needed_by: ['record', 'status', 'unchecked'] },
      { id: 'w2', configured: true, first: false, needed_by: ['unchecked'] },
    ])
  })
})
