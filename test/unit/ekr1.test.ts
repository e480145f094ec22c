/** The frozen record: it verifies and opens for ever, under the wrapping key and under the derived one alone. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { wrappingKeys } from '../../src/config/wrapping-keys.ts'
import { decodeUtf8, utf8 } from '../../src/core/bytes.ts'
import { decryptEk1, ek1Key, parseEk1 } from '../../src/crypto/ek1.ts'
import { materialFromString } from '../../src/crypto/material.ts'
import { deriveFor } from '../../src/crypto/derive.ts'
import { sealers } from '../../src/crypto/seal.ts'
import { reseal, signRecord, verifyRecord } from '../../src/keyring/record.ts'
import { CIPHERS } from '../support/ciphers.ts'

const vector = JSON.parse(readFileSync('test/vectors/ekr1.json', 'utf8')) as {
  keyring: string
  wrapping_keys: string
  derived: string
  record: string
  keys: { id: string; key: string }[]
  value: { ciphertext: string; context: string; plaintext: string }
  of_another_keyring: { keyring: string; record: string }
}
const { keyring, record, of_another_keyring: other } = vector
const keysOf = (setting: string) => z.parse(wrappingKeys(), setting)
const code = (expected: string) => expect.objectContaining({ code: expected })

describe.each(CIPHERS)('the record of test/vectors/ekr1.json, through $name', ({ cipher, hash }) => {
  const setOf = (setting: string, name: string) => sealers(cipher, hash, keysOf(setting), name)

  it.each([
    ['the wrapping keys', vector.wrapping_keys],
    ['the derived keys', vector.derived],
  ])('verifies and opens with %s', async (_name, setting) => {
    const set = await setOf(setting, keyring)
    const verified = await verifyRecord(set, keyring, utf8(record))
    expect(verified.record.keys.map(({ id }) => id)).toEqual(vector.keys.map(({ id }) => id))
    for (const [index, { id, key }] of vector.keys.entries()) {
      const entry = verified.record.keys[index]
      const opened = await set.byId(verified.wrappingKeyId).openMaterial(id, entry?.key ?? '', entry?.weak === true)
      expect(opened.commitment).toBe(entry?.commit)
      expect(opened.commitment).toBe((await materialFromString(cipher, hash, key)).commitment)
      if (id !== verified.record.active) continue
      const { ciphertext, context, plaintext } = vector.value
      const bytes = await decryptEk1(cipher, await ek1Key(cipher, id, opened), parseEk1(ciphertext), utf8(context))
      expect(decodeUtf8(bytes)).toBe(plaintext)
    }
  })

  it('is written again to the same bytes, with the fields that this release does not know', async () => {
    const set = await setOf(vector.wrapping_keys, keyring)
    const { record: read } = await verifyRecord(set, keyring, utf8(record))
    expect(decodeUtf8(await signRecord(set, read))).toBe(record)
    expect(read).toMatchObject({ future: 'kept', keys: [{ future: { kept: true } }, {}, {}] })
  })

  it('opens under another wrapping key once it was sealed under that', async () => {
    const reversed = await setOf(vector.wrapping_keys.split(',').toReversed().join(','), keyring)
    const next = await reseal(reversed, await verifyRecord(reversed, keyring, utf8(record)))
    const only = await setOf(vector.wrapping_keys.split(',')[1] ?? '', keyring)
    const { record: read } = await verifyRecord(only, keyring, await signRecord(reversed, next))
    const [entry] = read.keys
    const opened = await only.first.openMaterial(entry?.id ?? '', entry?.key ?? '', false)
    expect(opened.commitment).toBe(entry?.commit)
    expect(read).toMatchObject({ future: 'kept', keys: [{ future: { kept: true } }, {}, {}] })
  })

  it('is all that the derived keys open', async () => {
    await expect(setOf(vector.derived, other.keyring)).rejects.toThrow(code('ERR_WRAPPING_KEY_MISSING'))
    const relabelled = await setOf(vector.derived.replaceAll(`/${keyring}:`, `/${other.keyring}:`), other.keyring)
    await expect(verifyRecord(relabelled, other.keyring, utf8(other.record))).rejects.toThrow(
      code('ERR_RECORD_INVALID'),
    )
    const asWhole = await setOf(vector.derived.replaceAll(`/keyring/${keyring}:`, ':'), other.keyring)
    await expect(verifyRecord(asWhole, other.keyring, utf8(other.record))).rejects.toThrow(code('ERR_RECORD_INVALID'))
    const whole = await setOf(vector.wrapping_keys, other.keyring)
    await expect(verifyRecord(whole, other.keyring, utf8(other.record))).resolves.toBeDefined()
  })

  it('gives the derived keys, and derived keys give themselves', async () => {
    const textOf = async (setting: string) =>
      (await deriveFor(cipher, keysOf(setting), `keyring/${keyring}`))
        .map(({ id, key }) => `${id}/keyring/${keyring}:${key.reveal()}`)
        .join(',')
    expect(await textOf(vector.wrapping_keys)).toBe(vector.derived)
    expect(await textOf(`${vector.derived},x/keyring/invoices:${Buffer.alloc(32).toString('base64')}`)).toBe(
      vector.derived,
    )
  })
})
