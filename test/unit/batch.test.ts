/** Batches: an item fails for itself, a keyring for all of them, and a key that is not there is asked for once. */
import { expect, it } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { askingOnce, rewrapped, settleEach } from '../../src/keyring/batch.ts'
import { PLAIN_SYNC, keyringOn, world } from '../support/authority.ts'

const NONE = new Uint8Array()
const sealed = (ciphertext: string) => ({ ciphertext, context: NONE })

async function synced() {
  const keyring = await keyringOn(world(['k1:1', 'k2:2']))
  await keyring.sync(PLAIN_SYNC)
  return keyring
}

it('asks for a key that is not there once, however many values name it', async () => {
  const keyring = await synced()
  const { ciphertext } = await keyring.encrypt('x', NONE)
  const named = (id: string) => sealed(ciphertext.replace(/^ek1\.\w+/, `ek1.${id}`))
  const tried: string[] = []
  const work = (item: ReturnType<typeof sealed>) => {
    tried.push(item.ciphertext)
    return keyring.decrypt(item.ciphertext, item.context)
  }
  const items = [named('gone'), named('gone'), sealed(ciphertext), named('away'), named('gone')]
  const results = await settleEach(items, askingOnce(work))
  expect(results.map((result) => (result.ok ? 'ok' : result.error.code))).toEqual([
    'ERR_KEY_NOT_FOUND',
    'ERR_KEY_NOT_FOUND',
    'ok',
    'ERR_KEY_NOT_FOUND',
    'ERR_KEY_NOT_FOUND',
  ])
  expect(tried).toEqual([items[0], items[2], items[3]].map((item) => item?.ciphertext))
})

it('fails as a whole when the keyring cannot encrypt', async () => {
  const keyring = await keyringOn(world(['k1:1']))
  const encrypting = settleEach(['x', 'y'], (text) => keyring.encrypt(text, NONE))
  await expect(encrypting).rejects.toMatchObject({ code: 'ERR_NO_ACTIVE_KEY' })
})

it('lets a defect through as it is', async () => {
  const defect = new TypeError('canary')
  await expect(settleEach([1], () => Promise.reject(defect))).rejects.toBe(defect)
  await expect(
    settleEach([1], () => {
      throw defect
    }),
  ).rejects.toBe(defect)
})

it('keeps the order of its items, whether they wait or not', async () => {
  const results = await settleEach([1, 2, 3], (item) => {
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
