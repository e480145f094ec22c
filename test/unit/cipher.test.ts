import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex, utf8 } from '../../src/core/bytes.ts'
import { NONCE_BYTES } from '../../src/crypto/xaes.ts'
import { openXaesWith, sealXaesWith } from '../support/crypto-vectors.ts'
import { CIPHERS } from '../support/ciphers.ts'

interface Vector {
  readonly key: string
  readonly nonce: string
  readonly plaintext: string
  readonly aad: string
  readonly ciphertext: string
}

const { vectors } = JSON.parse(readFileSync('test/vectors/xaes-256-gcm.json', 'utf8')) as { vectors: Vector[] }
const bytes = (size: { minLength?: number; maxLength?: number }) =>
  fc.uint8Array(size).map((array) => new Uint8Array(array))

describe.each(CIPHERS)('$name', ({ cipher, hash }) => {
  it.each(vectors)(
    'seals and opens the vector $ciphertext of C2SP',
    async ({ key, nonce, plaintext, aad, ciphertext }) => {
      const cipherKey = await cipher.importKey(fromHex(key))
      const sealed = await sealXaesWith(cipher, cipherKey, utf8(nonce), utf8(plaintext), utf8(aad))
      expect(toHex(sealed)).toBe(ciphertext)
      expect(await openXaesWith(cipher, cipherKey, utf8(nonce), sealed, utf8(aad))).toEqual(
        expect.objectContaining({ length: plaintext.length }),
      )
    },
  )

  it('refuses a value with any one bit altered', async () => {
    const key = await cipher.importKey(new Uint8Array(32).fill(7))
    const nonce = new Uint8Array(NONCE_BYTES).fill(9)
    const sealed = new Uint8Array(await sealXaesWith(cipher, key, nonce, utf8('four'), utf8('aad')))
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const altered = sealed.slice()
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(await openXaesWith(cipher, key, nonce, altered, utf8('aad'))).toBeNull()
    }
    expect(await openXaesWith(cipher, key, nonce, sealed, utf8('aae'))).toBeNull()
    expect(await openXaesWith(cipher, key, nonce, sealed.slice(0, 15), utf8('aad'))).toBeNull()
  })

  it('derives as RFC 5869 says, with the fixed salt', async () => {
    const derived = await cipher.derive(utf8('input keying material'), 'ek1/key', 32)
    expect(toHex(derived)).toBe('9aa9714108f6927061db660d4e0b7bc36436567c72b55e9e6e93d55d5d764245')
  })

  it('hashes, authenticates and compares', async () => {
    expect(await hash.sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    expect(toHex(await hash.hmac(utf8('Jefe'), utf8('what do ya want for nothing?')))).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
    expect(await hash.equal(utf8('same'), utf8('same'))).toBe(true)
    expect(await hash.equal(utf8('same'), utf8('sane'))).toBe(false)
    expect(await hash.equal(utf8('same'), utf8('sam'))).toBe(false)
  })
})

it('opens with one cipher what the other has sealed', async () => {
  const [node, web] = CIPHERS
  if (node === undefined || web === undefined) throw new Error('two ciphers are expected')
  await fc.assert(
    fc.asyncProperty(
      bytes({ minLength: 32, maxLength: 32 }),
      bytes({ minLength: 24, maxLength: 24 }),
      bytes({}),
      bytes({}),
      async (key, nonce, plaintext, aad) => {
        const sealed = await sealXaesWith(node.cipher, await node.cipher.importKey(key), nonce, plaintext, aad)
        const again = await sealXaesWith(web.cipher, await web.cipher.importKey(key), nonce, plaintext, aad)
        expect(concat(again)).toEqual(concat(sealed))
        expect(await openXaesWith(web.cipher, await web.cipher.importKey(key), nonce, concat(sealed), aad)).toEqual(
          plaintext,
        )
      },
    ),
    { numRuns: 50 },
  )
})
