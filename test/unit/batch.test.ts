/** Batches: an item fails for itself, a keyring for all of them, and a key that is not there is asked for once. */
import { expect, it, vi } from 'vitest'
import { nodeNonces } from '../../functions/node-shared/nonces.ts'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { parseEk1 } from '../../src/crypto/ek1.ts'
import { rewrapped, settleEach } from '../../src/keyring/batch.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world } from '../support/authority.ts'

const NONE = new Uint8Array()
const sealed = (ciphertext: string) => ({ ciphertext, context: NONE })

async function synced() {
  const keyring = await keyringOn(world(['k1:1', 'k2:2']), undefined, undefined, { nonces: nodeNonces })
  await keyring.sync(PLAIN_SYNC)
  return keyring
}

it('asks for a key that is not there once, however many values name it', async () => {
  const keyring = await synced()
  const { ciphertext } = await keyring.encrypt('x', NONE)
  const named = (id: string) => sealed(ciphertext.replace(/^ek1\.\w+/, `ek1.${id}`))
  const tried = vi.spyOn(keyring, 'decrypt')
  const items = [named('gone'), named('gone'), sealed(ciphertext), named('away'), named('gone')]
  const results = await settleEach(keyring, items, (batch, item) => batch.decrypt(item.ciphertext, item.context))
  expect(results.map((result) => (result.ok ? 'ok' : result.error.code))).toEqual([
    'ERR_KEY_NOT_FOUND',
    'ERR_KEY_NOT_FOUND',
    'ok',
    'ERR_KEY_NOT_FOUND',
    'ERR_KEY_NOT_FOUND',
  ])
  expect(tried.mock.calls.map(([text]) => text)).toEqual([items[0], items[2], items[3]].map((item) => item?.ciphertext))
})

it('takes what is no value for none, whatever was missing before', async () => {
  const keyring = await synced()
  const { ciphertext } = await keyring.encrypt('x', NONE)
  const items = [ciphertext.replace(/^ek1\.\w+/, 'ek1.gone'), 'ek9.gone.AA', 'ek1.gone.@', 'ek1.gone.AA']
  const results = await settleEach(keyring, items, (batch, text) => batch.decrypt(text, NONE))
  expect(results.map((result) => (result.ok ? 'ok' : result.error.code))).toEqual([
    'ERR_KEY_NOT_FOUND',
    ...items.slice(1).map(() => 'ERR_CIPHERTEXT_INVALID'),
  ])
})

it('finds the active key once, and draws the ends of all nonces together, none of which is left for later', async () => {
  const keyring = await synced()
  await keyring.encrypt('before', NONE)
  const [keys, drawn] = [vi.spyOn(keyring, 'encrypting'), vi.spyOn(crypto, 'getRandomValues')]
  const texts = Array.from({ length: 100 }, (_, index) => `value ${index}`)
  const results = await settleEach(keyring, texts, (batch, text) => batch.encrypt(text, NONE))
  expect(drawn.mock.calls.map(([bytes]) => bytes?.byteLength)).toEqual([100 * 12])
  expect(keys).toHaveBeenCalledTimes(1)
  const values = results.map((result) => (result.ok ? result.value.ciphertext : result.error.code))
  expect(new Set(values.map((value) => toHex(parseEk1(value).payload.subarray(16, 40)))).size).toBe(100)
  const opened = await Promise.all(values.map((value) => keyring.decrypt(value, NONE)))
  expect(opened.map(({ plaintext }) => Buffer.from(plaintext).toString())).toEqual(texts)
  drawn.mockRestore()
})

it('draws no more at a time than the platform gives', async () => {
  const keyring = await synced()
  const drawn = vi.spyOn(crypto, 'getRandomValues')
  const results = await settleEach(keyring, Array.from({ length: 6000 }).fill('x'), (batch) => batch.encrypt('x', NONE))
  const lengths = drawn.mock.calls.map(([bytes]) => bytes?.byteLength ?? 0)
  drawn.mockRestore()
  expect(Math.max(...lengths)).toBeLessThanOrEqual(65_536)
  expect(new Set(results.map((result) => (result.ok ? result.value.ciphertext : result.error.code))).size).toBe(6000)
})

it('draws for each value where nothing may be ahead', async () => {
  const keyring = await keyringOn(world(['k1:1']))
  await keyring.sync(PLAIN_SYNC)
  await keyring.encrypt('before', NONE)
  const drawn = vi.spyOn(crypto, 'getRandomValues')
  await settleEach(keyring, ['a', 'b', 'c'], (batch, text) => batch.encrypt(text, NONE))
  expect(drawn.mock.calls.map(([bytes]) => bytes?.byteLength)).toEqual([12, 12, 12])
  drawn.mockRestore()
})

it.each([
  ['a Set', () => new Set(['a', 'b', 'c'])],
  ['values of a Map', () => new Map(['a', 'b', 'c'].entries()).values()],
  ['what says a length of its own', () => ({ length: 1.5, [Symbol.iterator]: () => ['a', 'b', 'c'].values() })],
])('draws for each value of %s', async (_, items) => {
  for (const nonces of [nodeNonces, { ...nodeNonces, unlinkable: true }, undefined]) {
    const keyring = await keyringOn(world(['k1:1']), undefined, undefined, nonces && { nonces })
    await keyring.sync(PLAIN_SYNC)
    const results = await settleEach(keyring, items() as never, (batch, text: string) => batch.encrypt(text, NONE))
    const ends = results.map((result) =>
      result.ok ? toHex(parseEk1(result.value.ciphertext).payload.subarray(28, 40)) : result.error.code,
    )
    expect(new Set([...ends, '0'.repeat(24)]).size).toBe(4)
  }
})

it('hears of another active key when it takes long, and draws anew', async () => {
  const on = world(['k1:1'])
  const keyring = await keyringOn(on, undefined, undefined, { nonces: nodeNonces })
  await keyring.sync(PLAIN_SYNC)
  const drawn = vi.spyOn(crypto, 'getRandomValues')
  const lengths: (number | undefined)[][] = []
  const results = await settleEach(keyring, ['first', 'second'], async (batch, text) => {
    drawn.mockClear()
    const { keyId } = await batch.encrypt(text, NONE)
    lengths.push(drawn.mock.calls.map(([bytes]) => bytes?.byteLength))
    on.versions = ['k1:1', 'k2:2']
    await keyring.sync(PLAIN_SYNC)
    on.clock.time += 1001
    return keyId
  })
  // Each key has a prefix, and the ends of two values are 24 bytes.
  expect(lengths).toEqual([
    [12, 24],
    [12, 24],
  ])
  drawn.mockRestore()
  expect(results).toEqual(['k1', 'k2'].map((value) => ({ ok: true, value })))
})

it('uses a key no longer than one value alone would, however long it was held before', async () => {
  const on = world(['k1:1'])
  const keyring = await keyringOn(on, undefined, undefined, { nonces: nodeNonces })
  await keyring.sync(PLAIN_SYNC)
  on.clock.time += 999
  const results = await settleEach(keyring, ['first', 'second'], async (batch, text) => {
    const { keyId } = await batch.encrypt(text, NONE)
    on.versions = ['k1:1', 'k2:2']
    await authorityOn(on).sync('default', PLAIN_SYNC)
    on.clock.time += 1
    return keyId
  })
  expect(results).toEqual(['k1', 'k2'].map((value) => ({ ok: true, value })))
})

it('fails as a whole when the keyring cannot encrypt', async () => {
  const keyring = await keyringOn(world(['k1:1']))
  const encrypting = settleEach(keyring, ['x', 'y'], (batch, text) => batch.encrypt(text, NONE))
  await expect(encrypting).rejects.toMatchObject({ code: 'ERR_NO_ACTIVE_KEY' })
})

it('lets a defect through as it is', async () => {
  const [keyring, defect] = [await synced(), new TypeError('canary')]
  await expect(settleEach(keyring, [1], () => Promise.reject(defect))).rejects.toBe(defect)
  await expect(
    settleEach(keyring, [1], () => {
      throw defect
    }),
  ).rejects.toBe(defect)
})

it('keeps the order of its items, whether they wait or not', async () => {
  const keyring = await synced()
  const results = await settleEach(keyring, [1, 2, 3], (_, item) => {
    if (item === 2) throw new KeyringError('ERR_TEXT_INVALID', 'No.')
    return item === 1 ? Promise.resolve('first') : 'third'
  })
  expect(results).toMatchObject([
    { ok: true, value: 'first' },
    { ok: false, error: { code: 'ERR_TEXT_INVALID' } },
    { ok: true, value: 'third' },
  ])
})

it('rewraps to the active key in the same context', async () => {
  const keyring = await synced()
  const { ciphertext } = await keyring.encrypt('a value', utf8('here'))
  const again = await rewrapped(keyring, { ciphertext, context: utf8('here') })
  expect([again.keyId, again.ciphertext === ciphertext]).toEqual(['k2', false])
  const { plaintext } = await keyring.decrypt(again.ciphertext, utf8('here'))
  expect(Buffer.from(plaintext).toString()).toBe('a value')
  const elsewhere = async () => rewrapped(keyring, { ciphertext, context: utf8('there') })
  await expect(elsewhere()).rejects.toMatchObject({ code: 'ERR_DECRYPT_FAILED' })
})
