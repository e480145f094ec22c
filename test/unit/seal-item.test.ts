/** What is stored of a login is sealed under a label of its own. */
import { describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { toBase64, utf8 } from '../../src/core/bytes.ts'
import { Secret } from '../../src/core/secret.ts'
import { itemSealer } from '../../src/crypto/seal-item.ts'
import { sealers } from '../../src/crypto/seal.ts'
import { systemClock } from '../../src/core/clock.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { sealedItems } from '../../src/vault/token/sealed-items.ts'
import { wrappingKey } from '../support/authority.ts'
import { CIPHERS } from '../support/ciphers.ts'
import vector from '../vectors/ekt1.json' with { type: 'json' }

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
      return { id: 'w1', keyring: 'default', key: new Secret(toBase64(root)) }
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
