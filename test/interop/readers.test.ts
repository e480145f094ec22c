/** docs/readers/*.py: other people's AES reads what we write. Nobody is locked in. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { systemClock } from '../../src/core/clock.ts'
import { ek1Key } from '../../src/crypto/ek1.ts'
import { Encryptor } from '../../src/crypto/encryptor.ts'
import { materialFromString } from '../../src/crypto/material.ts'
import { CIPHERS } from '../support/ciphers.ts'
import { read } from './python.ts'

const python = inject('python')
const vectors = (name: string): unknown => JSON.parse(readFileSync(`test/vectors/${name}.json`, 'utf8'))

const { vectors: EK1 } = vectors('ek1') as {
  vectors: { name: string; key: string; context: string; plaintext: string; value: string }[]
}
const EKR1 = vectors('ekr1') as {
  wrapping_keys: string
  derived: string
  record: string
  of_another_keyring: { record: string }
  value: { ciphertext: string; context: string; plaintext: string }
}

describe.skipIf(python === null)('the reader of ek1', () => {
  const open = (key: string, value: string, context: string) => read(python ?? '', 'ek1.py', [value, context], key)

  it.each(EK1)('reads the vector "$name"', async ({ key, value, context, plaintext }) => {
    expect(await open(key, value, context)).toEqual({ code: 0, stdout: plaintext, stderr: '' })
  })

  it.each(CIPHERS)('reads a fresh value made through $name', async ({ cipher, hash }) => {
    const key = 'test material, not a secret: fresh'
    const made = await ek1Key(cipher, 'fresh.1', await materialFromString(cipher, hash, key))
    const plaintext = '\uFEFFgrüße 🌍 '.repeat(100)
    expect(
      await open(key, await new Encryptor(cipher, systemClock).encrypt(made, plaintext, utf8('a/b')), 'a/b'),
    ).toEqual({
      code: 0,
      stdout: plaintext,
      stderr: '',
    })
  })

  const [vector] = EK1
  const [key, value, context] = [vector?.key ?? '', vector?.value ?? '', vector?.context ?? '']
  const changed = (index: number) => value.slice(0, index) + (value[index] === 'A' ? 'B' : 'A') + value.slice(index + 1)
  it.each([
    ['another context', key, value, `${context}x`, 'its context was altered'],
    ['no context', key, value, '', 'its context was altered'],
    ['an altered end', key, changed(value.length - 3), context, 'was altered'],
    ['an altered nonce', key, changed(value.indexOf('.', 5) + 30), context, 'was altered'],
    ['an altered commitment', key, changed(value.indexOf('.', 5) + 3), context, 'another key'],
    ['another id', key, value.replace('8zg', '9zg'), context, 'was altered'],
    ['another key', `${key}x`, value, context, 'another key'],
    ['a line end behind the key', `${key}\n`, value, context, 'another key'],
    ['another format', key, value.replace('ek1', 'ek2'), context, 'not ek1'],
    ['padding', key, `${value}=`, context, 'base64'],
  ])('refuses %s', async (_name, key, value, context, why) => {
    expect(await open(key, value, context)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(new RegExp(`^refused: .*${why}`)),
    })
  })
})

describe.skipIf(python === null)('the reader of ekr1', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))
  const open = (keys: string, record: string, ...value: string[]) => {
    writeFileSync(join(folder, 'record'), record)
    return read(python ?? '', 'ekr1.py', [join(folder, 'record'), 'orders', ...value], `${keys}\n`)
  }
  const { ciphertext, context, plaintext } = EKR1.value

  it.each([
    ['the wrapping keys', EKR1.wrapping_keys],
    ['the derived keys alone', EKR1.derived],
  ])('lists the keys and reads a value with %s', async (_name, keys) => {
    expect(await open(keys, EKR1.record)).toEqual({
      code: 0,
      stdout: '8zgITLQh - [1, 3]\nteam.orders.2026 active [9]\ndetached~1 - [1]\n',
      stderr: '',
    })
    expect((await open(keys, EKR1.record, ciphertext, context)).stdout).toBe(plaintext)
  })

  it('reads the database of the Node server, also while that has it open', async () => {
    const path = join(folder, 'db')
    const store = sqliteStore(path)
    await store.put('keyring/orders', utf8(EKR1.record), 0)
    const { stdout } = await read(python ?? '', 'ekr1.py', [path, 'orders', ciphertext, context], EKR1.wrapping_keys)
    store.close()
    expect(stdout).toBe(plaintext)
  })

  it.each([
    ['an altered record', EKR1.wrapping_keys, EKR1.record.replace('"lost":2', '"lost":3'), 'altered'],
    ['the record of another keyring', EKR1.wrapping_keys, EKR1.of_another_keyring.record, 'another keyring'],
    ['other wrapping keys', EKR1.wrapping_keys.replace('2026', '2024'), EKR1.record, '2026'],
    ['the derived key of another keyring', EKR1.derived.replaceAll('orders', 'invoices'), EKR1.record, 'is needed'],
  ])('refuses %s', async (_name, keys, record, why) => {
    expect(await open(keys, record)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(new RegExp(`^refused: .*${why}`)),
    })
  })
})
