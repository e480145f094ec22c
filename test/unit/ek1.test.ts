import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { concat, decodeUtf8, fromBase64, fromBase64url, toBase64url, utf8 } from '../../src/core/bytes.ts'
import { systemClock } from '../../src/core/clock.ts'
import { decryptEk1, ek1Key, parseEk1, sealEk1 } from '../../src/crypto/ek1.ts'
import { Encryptor } from '../../src/crypto/encryptor.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { materialFromString } from '../../src/crypto/material.ts'
import { CIPHERS } from '../support/ciphers.ts'

interface Vector {
  readonly name: string
  readonly id: string
  readonly key: string
  readonly nonce: string
  readonly context: string
  readonly plaintext: string
  readonly value: string
}

const { vectors } = JSON.parse(readFileSync('test/vectors/ek1.json', 'utf8')) as { vectors: Vector[] }
const VALUE = vectors[1]?.value ?? ''

describe.each(CIPHERS)('ek1 through $name', ({ cipher, hash }) => {
  const encryptor = new Encryptor(cipher, systemClock)
  const keyOf = async (id: string, key: string) => ek1Key(cipher, id, await materialFromString(cipher, hash, key))

  it.each(vectors)('writes and reads the vector "$name"', async ({ id, key, nonce, context, plaintext, value }) => {
    const ek1 = await keyOf(id, key)
    const messageKey = await cipher.messageKey(ek1.cipherKey, utf8(nonce).subarray(0, 12))
    for (const given of [plaintext, utf8(plaintext)])
      expect(await sealEk1(cipher, ek1, messageKey, utf8(nonce), given, utf8(context))).toBe(value)
    expect(decodeUtf8(await decryptEk1(cipher, ek1, parseEk1(value), utf8(context)))).toBe(plaintext)
  })

  it('gives back what it was given, in its context alone', async () => {
    const ek1 = await keyOf('a', 'some key of no importance')
    await fc.assert(
      fc.asyncProperty(fc.uint8Array(), fc.uint8Array(), async (plaintext, context) => {
        const value = parseEk1(await encryptor.encrypt(ek1, new Uint8Array(plaintext), new Uint8Array(context)))
        expect(concat(await decryptEk1(cipher, ek1, value, new Uint8Array(context)))).toEqual(new Uint8Array(plaintext))
        const other = concat(context, new Uint8Array([0]))
        await expect(async () => decryptEk1(cipher, ek1, value, other)).rejects.toMatchObject({
          code: 'ERR_DECRYPT_FAILED',
        })
      }),
      { numRuns: 50 },
    )
  })

  it('names another key under the same id before the cipher runs', async () => {
    const value = parseEk1(await encryptor.encrypt(await keyOf('a', 'one key'), utf8('x'), utf8('')))
    const refusing = { ...cipher, open: () => expect.unreachable() }
    const another = await keyOf('a', 'another key')
    await expect(async () => decryptEk1(refusing, another, value, utf8(''))).rejects.toMatchObject({
      code: 'ERR_KEY_MISMATCH',
    })
  })

  it('opens nothing with any one bit altered, cut short or made longer', async () => {
    const ek1 = await keyOf('a', 'one key')
    const { payload } = parseEk1(await encryptor.encrypt(ek1, 'four', utf8('c')))
    const text = (bytes: Uint8Array) => `ek1.a.${toBase64url(bytes)}`
    const altered = Array.from({ length: payload.length * 8 }, (_, bit) =>
      text(payload.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))),
    )
    const shorter = Array.from({ length: payload.length }, (_, length) => text(payload.subarray(0, length)))
    for (const value of [...altered, ...shorter, text(concat(payload, new Uint8Array(1)))])
      await expect(async () => decryptEk1(cipher, ek1, parseEk1(value), utf8('c'))).rejects.toThrow(KeyringError)
  })

  it('takes a context for what it holds now, not for what the one before it was', async () => {
    const ek1 = await keyOf('a', 'one key')
    const context = utf8('users.email')
    const ofEmail = await encryptor.encrypt(ek1, 'x', context)
    context.set(utf8('users.phone'))
    const ofPhone = await encryptor.encrypt(ek1, 'x', context)
    for (const [value, own, other] of [
      [ofEmail, 'users.email', 'users.phone'],
      [ofPhone, 'users.phone', 'users.email'],
    ] as const) {
      expect(decodeUtf8(await decryptEk1(cipher, ek1, parseEk1(value), utf8(own)))).toBe('x')
      await expect(async () => decryptEk1(cipher, ek1, parseEk1(value), utf8(other))).rejects.toMatchObject({
        code: 'ERR_DECRYPT_FAILED',
      })
    }
  })

  it('never writes the same value twice', async () => {
    const ek1 = await keyOf('a', 'one key')
    const values = await Promise.all(Array.from({ length: 20 }, () => encryptor.encrypt(ek1, utf8('x'), utf8(''))))
    expect(new Set(values).size).toBe(20)
  })
})

describe('the decoder', () => {
  const [head, payload] = [VALUE.slice(0, VALUE.lastIndexOf('.') + 1), VALUE.slice(VALUE.lastIndexOf('.') + 1)]
  const lastBitsAltered = payload.slice(0, -1) + String.fromCharCode(payload.charCodeAt(payload.length - 1) + 1)

  it.each([
    ['nothing', ''],
    ['no dots', 'ek1'],
    ['one dot', 'ek1.abc'],
    ['another format', VALUE.replace('ek1', 'ek2')],
    ['an empty id', `ek1..${payload}`],
    ['an id with a slash', `ek1.a/b.${payload}`],
    ['an id of 65 characters', `ek1.${'a'.repeat(65)}.${payload}`],
    ['padding', `${head}${payload}=`],
    ['the other alphabet', `${head}${payload.replaceAll('_', '/').replaceAll('-', '+')}+/`],
    ['white space', `${head}${payload} `],
    ['a line break inside', `${head}${payload.slice(0, 8)}\n${payload.slice(8)}`],
    ['altered last bits', `${head}${lastBitsAltered}`],
    ['less than commitment, nonce and tag', `${head}${toBase64url(new Uint8Array(55))}`],
  ])('refuses %s', (_name, value) => {
    expect(() => parseEk1(value)).toThrow(expect.objectContaining({ code: 'ERR_CIPHERTEXT_INVALID' }))
  })

  it('reads an id that begins as the one before it', () => {
    for (const id of ['a', 'a.b', 'a.', 'a', 'a.b.c', 'a.b']) expect(parseEk1(`ek1.${id}.${payload}`).id).toBe(id)
    for (const value of [`ek1.${payload}`, `ek1..${payload}`, 'ek1.a.b', 'ek1.a.'])
      expect(() => parseEk1(value)).toThrow(expect.objectContaining({ code: 'ERR_CIPHERTEXT_INVALID' }))
  })

  it('accepts only what the encoder would emit for the same parts', () => {
    fc.assert(
      fc.property(fc.string(), (junk) => {
        const text = `ek1.a.${junk}`
        let value
        try {
          value = parseEk1(text)
        } catch {
          return
        }
        expect(`ek1.a.${toBase64url(value.payload)}`).toBe(text)
      }),
    )
  })
})

it('shows no key bytes when key material is printed', async () => {
  const [{ cipher, hash }] = CIPHERS as [(typeof CIPHERS)[number]]
  const material = await materialFromString(cipher, hash, 'canary-key-string')
  const shown = [inspect(material, { depth: 9, showHidden: true }), JSON.stringify(material), String(material)].join()
  expect(Object.keys(material)).toEqual(['commitment', 'weak'])
  expect(shown).not.toContain('canary')
})

it.each([
  ['t6NWgbj3g9cbNVC3/D6oZ2Md1Br5gWtRrqb1T2FZy44=', true, 'printed in public documentation'],
  ['kQ8v2n3l0c5w7y9b1d4f6h8j0m2p4r6t8u1x3z5A7C9=', false, '32 bytes in base64'],
  ['0f1e2d3c4b5a69788796a5b4c3d2e1f0', false, '16 bytes in hex'],
  ['0f1e2d3c4b5a69788796a5b4c3d2e1f', true, 'one digit less'],
  ['hunter2', true, 'a word'],
  ['a'.repeat(400), true, 'one character, many times'],
])('calls %j weak: %s (%s)', async (key, weak) => {
  const [{ cipher, hash }] = CIPHERS as [(typeof CIPHERS)[number]]
  expect((await materialFromString(cipher, hash, key)).weak).toBe(weak)
})

it('what is decoded is no part of a buffer that others share', () => {
  for (const bytes of [fromBase64('AAECAw=='), fromBase64url('AAECAw')]) {
    expect(bytes).toEqual(new Uint8Array([0, 1, 2, 3]))
    expect(bytes?.buffer.byteLength).toBe(4)
  }
})
