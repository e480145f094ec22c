/** What is stored of a login, and what references gave, is sealed under labels of their own. */
import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { wrappingKeys } from '../../src/config/wrapping-keys.ts'
import { toBase64, utf8 } from '../../src/core/bytes.ts'
import { Secret } from '../../src/core/secret.ts'
import { deriveFor } from '../../src/crypto/derive.ts'
import { itemSealer, secretsOf } from '../../src/crypto/seal-item.ts'
import type { WrappingKey } from '../../src/crypto/seal.ts'
import { sealers } from '../../src/crypto/seal.ts'
import { itemName, openState } from '../../src/secrets/state.ts'
import { systemClock } from '../../src/core/clock.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { sealedItems } from '../../src/vault/token/sealed-items.ts'
import { wrappingKey } from '../support/authority.ts'
import { CIPHERS } from '../support/ciphers.ts'
import vector from '../vectors/ekt1.json' with { type: 'json' }
import secret from '../vectors/ekx1.json' with { type: 'json' }

const textOf = ({ id, purpose, key }: WrappingKey) => `${id}/${purpose}:${key.reveal()}`

for (const { name, cipher, hash } of CIPHERS)
  describe(`items under ${name}`, () => {
    const open = (...ids: number[]) =>
      itemSealer(
        cipher,
        hash,
        ids.map((id) => wrappingKey(`w${id}`, id)),
      )
    /** What a function gets that only uses one keyring. */
    const derived = async () => {
      const root = await cipher.derive(new Uint8Array(32).fill(1), 'keyring/default', 32)
      return { id: 'w1', purpose: 'keyring/default', key: new Secret(toBase64(root)) }
    }

    it('open under their name and no other, and show nothing', async () => {
      const sealer = await open(1)
      const stored = await sealer.seal('token/a', 'the token')
      expect(await sealer.open('token/a', stored)).toBe('the token')
      expect(new TextDecoder().decode(stored)).toMatch(/^ekt1 w1 [\w-]{43}\n[\w-]+$/)
      await expect(sealer.open('token/b', stored)).rejects.toMatchObject({ code: 'ERR_RECORD_INVALID' })
    })

    it('do not open when one byte was altered, wherever it is', async () => {
      const sealer = await open(1)
      const stored = await sealer.seal('token/a', 'x')
      for (let at = 0; at < stored.length; at += 1) {
        const altered = stored.map((byte, index) => (index === at ? byte ^ 1 : byte))
        await expect(sealer.open('token/a', altered)).rejects.toMatchObject({ name: 'KeyringError' })
      }
    })

    it('do not open to whoever holds the derived key of a keyring alone, which opens that keyring', async () => {
      const stored = await (await open(1)).seal('token/a', 'the token')
      await expect(itemSealer(cipher, hash, [await derived()])).rejects.toMatchObject({
        code: 'ERR_WRAPPING_KEY_MISSING',
      })
      const { first } = await sealers(cipher, hash, [await derived()], 'default')
      expect(await first.verify({ ...parts(stored), format: 'ekt1' })).toBeNull()
    })

    it('are sealed under the first wrapping key, and open under any', async () => {
      const stored = await (await open(1)).seal('token/a', 'x')
      expect(await (await open(2, 1)).open('token/a', stored)).toBe('x')
      await expect((await open(2)).open('token/a', stored)).rejects.toMatchObject({
        code: 'ERR_WRAPPING_KEY_MISSING',
        facts: { wrappingKey: 'w1' },
      })
    })

    it('have fingerprints that need the wrapping key', async () => {
      const prints = await Promise.all(
        [open(1), open(1), open(2)].map(async (sealer) => (await (await sealer).fingerprints('x'))[0]),
      )
      expect(prints[0]).toMatch(/^[\w-]{22}$/)
      expect(prints[1]).toBe(prints[0])
      expect(prints[2]).not.toBe(prints[0])
      expect((await (await open(1)).fingerprints('y'))[0]).not.toBe(prints[0])
      expect(await (await open(2, 1)).fingerprints('x')).toEqual([prints[2], prints[0]])
    })

    it('of a vault open under the key derived for it, which opens nothing else', async () => {
      const whole = [wrappingKey('w1', 1)]
      const derived = await deriveFor(cipher, whole, 'secrets/hcv')
      const sealer = (keys: readonly WrappingKey[], vault: string) => itemSealer(cipher, hash, keys, secretsOf(vault))
      const [all, alone] = [await sealer(whole, 'hcv'), await sealer(derived, 'hcv')]
      expect(await alone.fingerprints('x')).toEqual(await all.fingerprints('x'))
      expect(await alone.open('a', await all.seal('a', 'the secret'))).toBe('the secret')
      expect(await all.open('a', await alone.seal('a', 'the secret'))).toBe('the secret')
      const none = { code: 'ERR_WRAPPING_KEY_MISSING' }
      await expect(sealer(derived, 'other')).rejects.toMatchObject(none)
      await expect(itemSealer(cipher, hash, derived)).rejects.toMatchObject(none)
      await expect(sealers(cipher, hash, derived, 'hcv')).rejects.toMatchObject(none)
      await expect(
        sealer([{ ...(derived[0] ?? expect.unreachable()), purpose: 'keyring/hcv' }], 'hcv'),
      ).rejects.toMatchObject(none)
    })

    it('of a vault do not open under a derived key that is said to be for it', async () => {
      const others = await deriveFor(cipher, [wrappingKey('w1', 1)], 'secrets/other')
      const claimed = others.map((key) => ({ ...key, purpose: 'secrets/hcv' }))
      const stored = await (await itemSealer(cipher, hash, [wrappingKey('w1', 1)], secretsOf('hcv'))).seal('a', 'x')
      const claiming = await itemSealer(cipher, hash, claimed, secretsOf('hcv'))
      await expect(claiming.open('a', stored)).rejects.toMatchObject({ code: 'ERR_RECORD_INVALID' })
    })

    it.each([
      ['the wrapping key', secret.wrapping_keys],
      ['the derived key', secret.derived],
    ])('of a vault in test/vectors/ekx1.json open with %s', async (_name, setting) => {
      const sealer = await itemSealer(cipher, hash, z.parse(wrappingKeys(), setting), secretsOf(secret.vault))
      expect(await itemName(sealer, secret.identity, secret.secret)).toBe(secret.name)
      expect(await sealer.open(secret.name, utf8(secret.stored))).toBe(secret.text)
      const state = await openState(sealer, secret.name, utf8(secret.stored))
      expect(state).toMatchObject({ ...secret.secret, found: { kind: 'secret', text: '{"pass1":"vector"}' } })
    })

    it('of a vault have derived keys that are derived for ever', async () => {
      const derived = await deriveFor(cipher, z.parse(wrappingKeys(), secret.wrapping_keys), `secrets/${secret.vault}`)
      expect(z.parse(wrappingKeys(), secret.derived).map(textOf)).toEqual(derived.map(textOf))
    })

    it('of the first release open, today and later', async () => {
      const sealer = await open(vector.wrappingKey.fill)
      expect(await sealer.open(vector.name, utf8(vector.stored))).toBe(vector.text)
      expect(await sealer.fingerprints(vector.text)).toEqual([vector.fingerprint])
    })
  })

function parts(stored: Uint8Array<ArrayBuffer>) {
  const [line = '', text = ''] = new TextDecoder().decode(stored).split('\n')
  const [, wrappingKeyId = '', mac = ''] = line.split(' ')
  return { wrappingKeyId, mac, text: utf8(text) }
}

it('items are written by compare-and-set, and say their version also when they do not open', async () => {
  const store = memoryStore()
  const items = (id: string, fill: number) =>
    sealedItems(store, systemClock, () => itemSealer(nodeCipher, nodeHash, [wrappingKey(id, fill)]))
  const first = items('w1', 1)
  expect(await first.read('wrapped/x')).toBeNull()
  expect(await first.write('wrapped/x', { secretId: 's' }, 0)).toBe(1)
  expect(await first.write('wrapped/x', { secretId: 't' }, 0)).toBe('conflict')
  expect(await first.read('wrapped/x')).toEqual({ value: { secretId: 's' }, version: 1 })
  await expect(items('w2', 2).read('wrapped/x')).rejects.toMatchObject({ code: 'ERR_WRAPPING_KEY_MISSING' })
  expect(await items('w2', 2).version('wrapped/x')).toBe(1)
})
