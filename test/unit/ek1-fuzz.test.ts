/** Values that were tampered with: a thousand here, as many as `FUZZ` says on demand. */
import { describe, expect, it } from 'vitest'
import { KeyringError } from '../../src/core/errors.ts'
import { systemClock } from '../../src/core/clock.ts'
import { fromBase64url, toBase64url, utf8 } from '../../src/core/bytes.ts'
import { decryptEk1, ek1Key, parseEk1 } from '../../src/crypto/ek1.ts'
import { Encryptor } from '../../src/crypto/encryptor.ts'
import { materialFromString } from '../../src/crypto/material.ts'
import { CIPHERS } from '../support/ciphers.ts'

const ROUNDS = Number(process.env['FUZZ'] ?? 1000)
const REFUSALS = new Set(['ERR_CIPHERTEXT_INVALID', 'ERR_KEY_MISMATCH', 'ERR_DECRYPT_FAILED', 'ERR_KEY_NOT_FOUND'])
const CHARACTERS = Array.from('ABCxyz019-_.=+/ \n~é\u0000\uD800')

const below = (limit: number): number => Math.floor(Math.random() * limit)
const oneOf = <T>(list: readonly T[]): T => list[below(list.length)] ?? expect.unreachable()

/** Changes the bytes that a value stands for, and encodes them as they should be. */
function inBytes(value: string, change: (bytes: number[]) => number[]): string {
  const at = value.lastIndexOf('.') + 1
  const bytes = [...(fromBase64url(value.slice(at)) ?? [])]
  return value.slice(0, at) + toBase64url(new Uint8Array(change(bytes)))
}

const MUTATIONS: readonly ((value: string, other: string) => string)[] = [
  (value) => inBytes(value, (bytes) => bytes.with(below(bytes.length), below(256))),
  (value) =>
    inBytes(value, (bytes) => bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ (1 << below(8)) : byte))),
  (value) => inBytes(value, (bytes) => bytes.slice(0, below(bytes.length))),
  (value) => inBytes(value, (bytes) => [...bytes, below(256)]),
  (value) => inBytes(value, (bytes) => bytes.toSpliced(below(bytes.length), 1 + below(4))),
  (value, other) => value.slice(0, below(value.length)) + other.slice(below(other.length)),
  (value) => {
    const at = below(value.length + 1)
    return value.slice(0, at) + oneOf(CHARACTERS) + value.slice(at + below(2))
  },
  (value) => value.slice(0, below(value.length)),
  (value) => value + oneOf(CHARACTERS),
  (value) => oneOf(CHARACTERS) + value,
  (value) => value.replaceAll('-', '+').replaceAll('_', '/'),
  (value) => value.toUpperCase(),
]

describe.each(CIPHERS)('ek1 through $name', ({ cipher, hash }) => {
  it(`gives nothing for ${ROUNDS} values that were tampered with`, { timeout: 20_000 + ROUNDS }, async () => {
    const key = await ek1Key(cipher, 'a.b', await materialFromString(cipher, hash, 'some key of no importance'))
    const encryptor = new Encryptor(cipher, systemClock)
    const made: string[] = []
    for (let size = 0; size < 20; size += 1) made.push(await encryptor.encrypt(key, 'x'.repeat(size * 3), utf8('c')))
    const known = new Set(made)
    const answers = new Map<string, number>()
    for (let round = 0; round < ROUNDS; round += 1) {
      const value = oneOf(MUTATIONS)(oneOf(made), oneOf(made))
      if (known.has(value)) continue
      const answer = await refusalOf(async () => {
        const parsed = parseEk1(value)
        if (parsed.id !== key.id) throw new KeyringError('ERR_KEY_NOT_FOUND', 'A keyring has no such key.')
        await decryptEk1(cipher, key, parsed, utf8('c'))
      })
      if (!REFUSALS.has(answer)) expect.fail(`${answer}: ${JSON.stringify(value)}`)
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
    }
    expect([...answers.keys()].toSorted()).toEqual([...REFUSALS].toSorted())
  })
})

async function refusalOf(open: () => Promise<unknown>): Promise<string> {
  try {
    await open()
    return 'opened'
  } catch (error) {
    return error instanceof KeyringError ? error.code : `defect: ${String(error)}`
  }
}
