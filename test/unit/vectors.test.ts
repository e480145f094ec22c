/** Vectors of others: C2SP's XAES-256-GCM, RFC 5869, Project Wycheproof's AES-GCM and HKDF. test/workerd/crypto.test.ts has them in workerd. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../src/core/bytes.ts'
import { CIPHERS } from '../support/ciphers.ts'
import { accumulated, aesFailures, hkdfFailures, xaesFailures } from '../support/crypto-vectors.ts'
import { ACCUMULATED, accumulatedHash, randomStream } from '../support/shake.ts'

describe.each(CIPHERS)('$name', (adapter) => {
  it("agrees with C2SP's vectors of XAES-256-GCM", async () => expect(await xaesFailures(adapter)).toEqual([]))
  it("agrees with Wycheproof's vectors of AES-256-GCM", async () => expect(await aesFailures(adapter)).toEqual([]))
  it("agrees with Wycheproof's vectors of HKDF-SHA-256", async () => expect(await hkdfFailures(adapter)).toEqual([]))

  it('derives what RFC 5869 has as test case 1', async () => {
    const [ikm, salt, info] = [
      fromHex('0b'.repeat(22)),
      fromHex('000102030405060708090a0b0c'),
      fromHex('f0f1f2f3f4f5f6f7f8f9'),
    ]
    expect(toHex(await adapter.hkdf(ikm, salt, info, 42))).toBe(
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    )
  })

  it("agrees with C2SP's 10,000 accumulated values", async () => {
    const sealed = await accumulated(adapter, randomStream(ACCUMULATED.iterations), ACCUMULATED.iterations)
    expect(accumulatedHash(sealed)).toBe(ACCUMULATED.hash)
  })
})

it('the stream of random values is the one that C2SP describes', () => {
  expect(toHex(randomStream(1).subarray(0, 16))).toBe('7f9c2ba4e88f827d616045507605853e')
  expect(createHash('shake128').digest('hex')).toBe('7f9c2ba4e88f827d616045507605853e')
})
