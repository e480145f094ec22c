/** What Vault says is checked for what it can be: one bad answer, of a proxy or a Vault that was restored, must not be believed. */
import { describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import type { Fetch } from '../../src/core/ports.ts'
import { Secret } from '../../src/core/secret.ts'
import { kv1Source } from '../../src/vault/kv/kv1.ts'
import { kv2Source } from '../../src/vault/kv/kv2.ts'
import { tokenVault } from '../../src/vault/login/vault.ts'
import { givenTokenReader } from '../../src/vault/reader.ts'
import { vaultTransport } from '../../src/vault/wire/transport.ts'
import { NOW } from '../support/observed.ts'

const { signal } = new AbortController()
const MADE = '2026-11-22T05:04:05.883178629Z'
const clock = { now: () => NOW, sleep: async () => {} }

/** A Vault that answers everything with this text. */
function answering(body: string, headers: Record<string, string> = {}) {
  const fetch: Fetch = async () => new Response(body, { headers })
  const [address, namespace] = ['https://vault.example', '']
  const transport = vaultTransport({ fetch, clock, address, namespace, timeoutMs: 1000 })
  const reader = givenTokenReader(transport, new Secret('t'))
  const parts = { reader, cipher: nodeCipher, hash: nodeHash, address, namespace, mount: 'secret', path: 'ring' }
  return { kv1: kv1Source(parts), kv2: kv2Source(parts), tokens: tokenVault(transport, address, namespace) }
}

const refused = (field?: string) =>
  expect.objectContaining({
    code: 'ERR_VAULT_ANSWER_INVALID',
    ...(field !== undefined && { facts: expect.objectContaining({ field }) }),
  })

/** Fields as JSON writes them: 1e999 is a number there, and none here. */
const metadata = (fields: Record<string, string>) =>
  `{"data":{${Object.entries({
    created_time: `"${MADE}"`,
    current_version: '2',
    max_versions: '0',
    versions: versions('1'),
    ...fields,
  })
    .map(([name, json]) => `"${name}":${json}`)
    .join()}}}`
const versions = (name: string, deletion = '') => `{"2":${state('')},"${name}":${state(deletion)}}`
const state = (deletion: string) => `{"created_time":"${MADE}","deletion_time":"${deletion}","destroyed":false}`

describe('the metadata of a secret', () => {
  it('is believed when it is as Vault writes it, before the first version too', async () => {
    const listed = versions('1', '2026-11-22T05:04:06.00957586Z')
    expect(await answering(metadata({ versions: listed })).kv2.observe(signal)).toMatchObject({
      current: 2,
      versions: [{ version: 1 }, { version: 2, state: 'readable' }],
    })
    const empty = metadata({ current_version: '0', versions: '{}' })
    expect(await answering(empty).kv2.observe(signal)).toMatchObject({ current: 0, versions: [] })
  })

  it.each([
    ['current_version', '2.5'],
    ['current_version', '-1'],
    ['current_version', '"2"'],
    ['current_version', '1e999'],
    ['current_version', '9007199254740993'],
    ['current_version', '7'],
    ['current_version', '1'],
    ['current_version', '0'],
    ['current_version', '1000000000'],
    ['versions', '{}'],
    ['created_time', '"yesterday"'],
    ['created_time', '"+275760-09-13T00:00:00Z"'],
    ['created_time', '"2026-11-22"'],
    ['created_time', '"2026-11-22T25:04:06Z"'],
    ['created_time', '"2026-11-22T05:04:06.0000000001Z"'],
    ['versions', versions('0')],
    ['versions', versions('01')],
    ['versions', versions('1.5')],
    ['versions', versions('-1')],
    ['versions', versions('1e9')],
    ['versions', versions('__proto')],
    ['versions', versions('1', 'never')],
    ['versions', versions('1', '9')],
  ])('is refused with %s %s', async (name, json) => {
    await expect(answering(metadata({ [name]: json })).kv2.observe(signal)).rejects.toThrow(refused())
  })
})

describe('a version', () => {
  const data = (fields: object) =>
    JSON.stringify({
      data: { data: { id: 'a', key: 'k' }, metadata: { created_time: MADE, version: 2, destroyed: false, ...fields } },
    })

  it.each([
    ['another number', { version: 3 }],
    ['half a number', { version: 2.5 }],
    ['a time that is none', { created_time: 'x' }],
    ['a time that no Date can show', { created_time: '+275760-09-13T00:00:00Z' }],
  ])('is refused with %s', async (_name, fields) => {
    await expect(answering(data(fields)).kv2.read(2, signal)).rejects.toThrow(refused())
  })

  it('of KV version 1 has a time that can be shown, whatever the Date header says', async () => {
    const read = async (date: string) => {
      const { kv1 } = answering(JSON.stringify({ data: { id: 'a', key: 'k' } }), { date })
      const found = await kv1.read(1, signal)
      return found.kind === 'key' ? found.createdMs : found.kind
    }
    expect(await read('Sun, 06 Nov 1994 08:49:37 GMT')).toBe(Date.UTC(1994, 10, 6, 8, 49, 37, 999))
    for (const date of ['Sat, 13 Sep 275760 00:00:00 GMT', '-1', '+275760-09-13', '9'.repeat(20)])
      expect(await read(date)).toBe(NOW)
  })
})

it('a list of numbers costs as much as it lists, however high they are', async () => {
  const { kv1 } = answering(JSON.stringify({ data: { keys: ['99999', '7', '7', 'notes'] } }))
  expect(await kv1.observe(signal)).toMatchObject({
    incarnation: 'kv1',
    current: 99_999,
    versions: [
      { version: 7, state: 'readable' },
      { version: 99_999, state: 'readable' },
    ],
    unlisted: 'destroyed',
  })
})

describe('the life of a token', () => {
  const login = (fields: Record<string, string>) => {
    const auth = { client_token: '"s.x"', lease_duration: '3600', renewable: 'true', num_uses: '0', ...fields }
    const json = Object.entries(auth).map(([name, value]) => `"${name}":${value}`)
    return answering(`{"auth":{${json.join()}}}`).tokens.login(['auth', 'x', 'login'], {}, signal)
  }

  it('may be none, and as long as Vault can say', async () => {
    expect(await login({ lease_duration: '0' })).toMatchObject({ ttlSeconds: 0 })
    expect(await login({ lease_duration: '9223372036' })).toMatchObject({ ttlSeconds: 9_223_372_036 })
  })

  it.each([
    ['lease_duration', '-1'],
    ['lease_duration', '0.5'],
    ['lease_duration', '1e999'],
    ['lease_duration', '9223372037'],
    ['lease_duration', '"1h"'],
    ['num_uses', '-1'],
    ['num_uses', '1.5'],
    ['num_uses', '1e300'],
  ])('is refused with %s %s', async (name, json) => {
    await expect(login({ [name]: json })).rejects.toThrow(refused())
  })
})
