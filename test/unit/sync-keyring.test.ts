/** The keyring for callers that cannot wait, and what they meet that others do not. */
import { describe, expect, it, vi } from 'vitest'
import { nodeCipher } from '../../functions/node-shared/cipher.ts'
import { decodeUtf8, utf8 } from '../../src/core/bytes.ts'
import { KeyringError, refusal } from '../../src/core/errors.ts'
import type { KeyringAuthority } from '../../src/core/operations.ts'
import { parseEk1 } from '../../src/crypto/ek1.ts'
import { webCipher, webHash } from '../../src/crypto/web.ts'
import type { KeyringParts } from '../../src/keyring/keyring.ts'
import { synchronous } from '../../src/keyring/synchronous.ts'
import type { World } from '../support/authority.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world } from '../support/authority.ts'

const CONTEXT = utf8('users.email')
const code = (expected: string) => expect.objectContaining({ code: expected })

/** An authority that can be cut off, and counts what it is asked. */
function line(on: World) {
  const inner = authorityOn(on)
  const state = { isCut: false, asked: [] as string[] }
  const authority: KeyringAuthority = {
    call: (message) => {
      state.asked.push(message.call)
      return state.isCut
        ? Promise.resolve(refusal('ERR_AUTHORITY_UNAVAILABLE', 'Cut off.') as never)
        : inner.call(message)
    },
  }
  return { inner, state, authority }
}

async function opened(more: Partial<KeyringParts> = {}) {
  const on = world(['a:1'])
  const { inner, state, authority } = line(on)
  const keyring = await keyringOn(on, undefined, authority, {
    freshness: { freshMs: 60_000, backgroundMs: 60_000, pauseMs: 5000 },
    ...more,
  })
  return { on, inner, state, keyring, sync: await synchronous(keyring) }
}

/** Whatever has begun behind is over. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('a keyring for callers that cannot wait', () => {
  it('gives back at once what either way has encrypted', async () => {
    const { keyring, sync } = await opened()
    await keyring.sync(PLAIN_SYNC)
    const one = sync.encrypt('grüße', CONTEXT)
    const other = await keyring.encrypt('grüße', CONTEXT)
    expect([one.keyId, other.keyId]).toEqual(['a', 'a'])
    for (const { ciphertext } of [one, other]) {
      expect(decodeUtf8(sync.decrypt(ciphertext, CONTEXT).plaintext)).toBe('grüße')
      expect(decodeUtf8((await keyring.decrypt(ciphertext, CONTEXT)).plaintext)).toBe('grüße')
    }
    expect(() => sync.decrypt(one.ciphertext, utf8('users.name'))).toThrow(code('ERR_DECRYPT_FAILED'))
    expect(() => sync.decrypt('ek1.a', CONTEXT)).toThrow(code('ERR_CIPHERTEXT_INVALID'))
    expect(() => sync.encrypt('\uD800', CONTEXT)).toThrow(code('ERR_TEXT_INVALID'))
  })

  it('shares the beginnings of nonces with the one that can wait, and both are reset together', async () => {
    const { keyring, sync } = await opened()
    await keyring.sync(PLAIN_SYNC)
    const prefix = ({ ciphertext }: { ciphertext: string }) => parseEk1(ciphertext).payload.subarray(16, 28).join()
    const before = prefix(sync.encrypt('x', CONTEXT))
    expect(prefix(await keyring.encrypt('x', CONTEXT))).toBe(before)
    keyring.reset()
    expect(prefix(sync.encrypt('x', CONTEXT))).not.toBe(before)
  })

  it('goes by a cipher of its own where that of the keyring answers later', async () => {
    const { keyring, sync } = await opened({ cipher: webCipher, hash: webHash })
    await keyring.sync(PLAIN_SYNC)
    const { ciphertext } = await keyring.encrypt('x', CONTEXT)
    expect(() => sync.encrypt('x', CONTEXT)).toThrow(TypeError)
    const own = await synchronous(keyring, nodeCipher)
    expect(decodeUtf8(own.decrypt(ciphertext, CONTEXT).plaintext)).toBe('x')
    const made = own.encrypt('y', CONTEXT).ciphertext
    expect(decodeUtf8((await keyring.decrypt(made, CONTEXT)).plaintext)).toBe('y')
    const before = parseEk1(made).payload.subarray(16, 28).join()
    keyring.reset()
    expect(parseEk1(own.encrypt('y', CONTEXT).ciphertext).payload.subarray(16, 28).join()).not.toBe(before)
  })

  it('makes no promise where nothing waits, also for those who could', async () => {
    const { keyring } = await opened()
    await keyring.sync(PLAIN_SYNC)
    const made = keyring.encrypt('x', CONTEXT)
    expect(made).not.toBeInstanceOf(Promise)
    expect(keyring.decrypt((await made).ciphertext, CONTEXT)).not.toBeInstanceOf(Promise)
  })
})

describe('beyond the freshness bound', () => {
  it('it refuses, and the refresh that it begins serves the next call', async () => {
    const { on, inner, sync, state } = await opened()
    await inner.sync('default', PLAIN_SYNC)
    expect(() => sync.encrypt('x', CONTEXT)).toThrow(code('ERR_SNAPSHOT_STALE'))
    await settled()
    const { ciphertext } = sync.encrypt('x', CONTEXT)
    on.clock.time += 60_001
    expect(() => sync.encrypt('x', CONTEXT)).toThrow(code('ERR_SNAPSHOT_STALE'))
    expect(() => sync.decrypt(ciphertext, CONTEXT)).toThrow(code('ERR_SNAPSHOT_STALE'))
    await settled()
    expect(state.asked).toEqual(['read', 'read'])
    expect(sync.decrypt(ciphertext, CONTEXT).keyId).toBe('a')
    expect(sync.encrypt('x', CONTEXT).keyId).toBe('a')
  })

  it('steady use does not meet it, since a refresh begins before', async () => {
    const { on, keyring, sync, state } = await opened()
    await keyring.sync(PLAIN_SYNC)
    for (let times = 0; times < 20; times += 1) {
      on.clock.time += 20_000
      expect(sync.encrypt('x', CONTEXT).keyId).toBe('a')
      await settled()
    }
    expect(state.asked.filter((call) => call === 'read')).toHaveLength(10)
  })

  it('what is held goes on decrypting when the refresh fails, and encrypts nothing', async () => {
    const { on, keyring, sync, state } = await opened()
    await keyring.sync(PLAIN_SYNC)
    const { ciphertext } = sync.encrypt('x', CONTEXT)
    on.clock.time += 60_001
    state.isCut = true
    expect(() => sync.decrypt(ciphertext, CONTEXT)).toThrow(code('ERR_SNAPSHOT_STALE'))
    await settled()
    expect(sync.decrypt(ciphertext, CONTEXT).keyId).toBe('a')
    expect(() => sync.encrypt('x', CONTEXT)).toThrow(code('ERR_SNAPSHOT_STALE'))
  })

  it('a loop of refusals begins one refresh in the pause', async () => {
    const { on, keyring, sync, state } = await opened()
    await keyring.sync(PLAIN_SYNC)
    on.clock.time += 60_001
    state.isCut = true
    state.asked.length = 0
    for (let times = 0; times < 50; times += 1) {
      expect(() => sync.encrypt('x', CONTEXT)).toThrow(code('ERR_SNAPSHOT_STALE'))
      await settled()
    }
    expect(state.asked).toEqual(['read'])
    on.clock.time += 5000
    expect(() => sync.encrypt('x', CONTEXT)).toThrow(code('ERR_SNAPSHOT_STALE'))
    await settled()
    expect(state.asked).toEqual(['read', 'read'])
  })

  it('a refresh that is a defect is not an unhandled rejection, and goes where the platform waits for it', async () => {
    const waited = vi.fn<(work: Promise<void>) => void>()
    const { keyring, on, sync } = await opened({ background: waited })
    await keyring.sync(PLAIN_SYNC)
    on.clock.time += 60_001
    on.store.get = () => Promise.reject(new TypeError('A defect.'))
    expect(() => sync.encrypt('x', CONTEXT)).toThrow(code('ERR_SNAPSHOT_STALE'))
    expect(waited).toHaveBeenCalledTimes(1)
    await expect(waited.mock.calls[0]?.[0]).resolves.toBeUndefined()
  })
})

describe('what cannot be said at once', () => {
  it('is whether there is a key of an id that is not held; it is there once it was looked for behind', async () => {
    const { on, inner, keyring, sync } = await opened()
    await keyring.sync(PLAIN_SYNC)
    on.versions = ['a:1', 'b:2']
    await inner.sync('default', PLAIN_SYNC)
    const other = await opened({ authority: inner })
    await other.keyring.record()
    const { ciphertext } = other.sync.encrypt('x', CONTEXT)
    expect(() => sync.decrypt(ciphertext, CONTEXT)).toThrow(code('ERR_KEY_UNVERIFIED'))
    await settled()
    expect(sync.decrypt(ciphertext, CONTEXT).keyId).toBe('b')
  })

  it('is nothing of a keyring that was never synced', async () => {
    const { keyring, sync } = await opened()
    await keyring.record()
    expect(() => sync.encrypt('x', CONTEXT)).toThrow(code('ERR_NO_ACTIVE_KEY'))
    expect(() => sync.decrypt(`ek1.a.${'A'.repeat(75)}`, CONTEXT)).toThrow(code('ERR_KEY_UNVERIFIED'))
  })

  it('is whether the last sync is too old, until that was asked behind', async () => {
    const { keyring, sync } = await opened({ maxStalenessMs: 1_000_000 })
    await keyring.sync(PLAIN_SYNC)
    expect(() => sync.encrypt('x', CONTEXT)).toThrow(code('ERR_SNAPSHOT_STALE'))
    await settled()
    expect(sync.encrypt('x', CONTEXT).keyId).toBe('a')
  })
})

it('failures of a keyring are rejections, whether anything was waited for or not', async () => {
  const { keyring } = await opened()
  await keyring.sync(PLAIN_SYNC)
  await expect(keyring.decrypt('nothing', CONTEXT)).rejects.toThrow(KeyringError)
  await expect(keyring.encrypt('\uD800', CONTEXT)).rejects.toThrow(KeyringError)
})
