/** Texts from callers and from Vault: what they can be is checked before they reach a log line, a finding or an answer. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseEvent } from '../../functions/lambda/event.ts'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { createAuthority } from '../../src/app.ts'
import { auditLine, defectLine } from '../../src/core/lines.ts'
import type { Fetch } from '../../src/core/ports.ts'
import { printable, printableJson, printableList } from '../../src/core/printable.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'
import { PLAIN_SYNC, keyringOn, world } from '../support/authority.ts'
import { httpOn } from '../support/http.ts'
import { configOf } from '../support/syncing.ts'
import { verbsOf } from '../support/verbs.ts'

/** Colours and clears the screen, turns the line around, hides, ends the line, and has no end itself. */
const OBEYED = '\u001b[31m\u001b[2J\u009b2J\u202egnp.exe\u200b\u2028\n\r\u0007\u{e0041}'
const HOSTILE = `${OBEYED}${'x'.repeat(1_000_000)}`
const NOT_SHOWN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

describe('printable', () => {
  const texts = fc.string({
    unit: fc.oneof(fc.string({ unit: 'binary', maxLength: 1 }), fc.constantFrom(...Array.from(OBEYED))),
  })

  it('leaves nothing that a terminal obeys, and cuts', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 20 }), (text, most) => {
        expect(printable(text, most)).not.toMatch(NOT_SHOWN)
        expect(printable(text, most).length).toBeLessThanOrEqual(most + 1)
      }),
    )
    expect(printable('grüße 🌍, 語')).toBe('grüße 🌍, 語')
    expect(printable('abc', 2)).toBe('ab…')
    expect(printableList(['a\nb', 'c', 'd'], 2)).toBe('ab, c, 1 more')
  })

  it('escapes in JSON, which stays the same value', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const json = printableJson({ [text]: [text] })
        expect(json).not.toMatch(NOT_SHOWN)
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify({ [text]: [text] })))
      }),
    )
  })
})

describe('a request', () => {
  async function answered(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
    const lines: string[] = []
    const on = world(['a:1'])
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    const app = httpOn({
      keyring: () => keyring,
      audit: {
        note: (event) => void lines.push(auditLine(event)),
        commit: async (event) => void lines.push(auditLine(event)),
      },
      clock: on.clock,
    })
    const json = { 'content-type': 'application/json', ...headers }
    const init = { method, headers: json, ...(body && { body: JSON.stringify(body) }) }
    const response = await app.fetch(new Request(`http://localhost${path}`, init))
    return { status: response.status, text: await response.text(), lines }
  }
  const LONG = 'x'.repeat(1_000_000)
  const remove = ['POST', '/keyrings/default/remove'] as const

  it.each<[string, Parameters<typeof answered>, number]>([
    ['a key id of a megabyte, to remove', [...remove, { id: LONG }], 400],
    ['a key id that a terminal obeys', [...remove, { id: OBEYED }], 400],
    ["that as Kong's field", ['POST', '/keyring/compromise', { key: OBEYED, force: true }], 400],
    ['an empty key id', [...remove, { id: '' }], 400],
    [
      'a value with a key id of a megabyte',
      ['POST', '/keyrings/default/decrypt', { ciphertext: `ek1.${LONG}.AA` }],
      400,
    ],
    ['a value that a terminal obeys', ['POST', '/keyrings/default/decrypt', { ciphertext: `ek1.${OBEYED}.AA` }], 400],
    ['a Vault token of a megabyte', ['POST', '/keyring/vault/sync', { token: LONG }], 400],
    ['fields of a megabyte', [...remove, { [LONG]: 1, id: 'a' }], 400],
    ['a path of a megabyte', ['GET', `/${LONG}`], 404],
    ['a path that a terminal obeys', ['GET', `/${encodeURIComponent(OBEYED)}`], 404],
    [
      'a keyring that a terminal obeys',
      ['POST', `/keyrings/${encodeURIComponent(OBEYED)}/remove`, { id: 'none' }],
      404,
    ],
    ['a keyring of a megabyte', ['POST', `/keyrings/${LONG}/remove`, { id: 'none' }], 404],
    ['a method of a megabyte', [LONG, '/keyring'], 405],
    ['a method that every object has', ['constructor', '/keyring/push'], 405],
    ['that where there is nothing', ['toString', '/nowhere'], 404],
    ["a method that is an object's own", ['__proto__', '/keyrings/default'], 405],
    ['a parameter that is given twice', ['POST', '/keyring/import?force=false&force=true'], 400],
    ['an id of its own of a megabyte', ['GET', '/nowhere', undefined, { 'x-request-id': LONG }], 404],
  ])('with %s leaves short lines in the audit log, and is answered shortly', async (_name, request, status) => {
    const answer = await answered(...request)
    expect(answer.status).toBe(status)
    // A method may have the name of the prototype of all objects.
    expect(Object.keys(Object.prototype)).toEqual([])
    expect(answer.text.length).toBeLessThan(1000)
    expect(answer.text).not.toMatch(NOT_SHOWN)
    expect(answer.lines.length).toBeGreaterThan(0)
    for (const line of answer.lines) expect(line).toMatch(/^[\x20-\x7e]{50,400}$/)
  })
})

it('a call of the sync function names a key by what an id can be', () => {
  const call = { call: 'change', keyring: 'default', withinMs: 1000 }
  const event = (id: string) => parseEvent({ ...call, change: { op: 'remove', id, force: false } })
  expect([event('8zgITLQh'), event(OBEYED), event('x'.repeat(65)), event('')]).toEqual([
    expect.anything(),
    null,
    null,
    null,
  ])
})

describe('a Vault', () => {
  const authorityBefore = (fetch: Fetch) =>
    verbsOf(
      createAuthority(configOf({ KEYRING_VAULT_HOST: 'https://vault.example', KEYRING_VAULT_TOKEN: 'token' }), {
        cipher: nodeCipher,
        hash: nodeHash,
        clock: { now: () => Date.now(), sleep: async () => {} },
        store: memoryStore(),
        replica: null,
        fetch,
        readFile: null,
        audit: { note: () => {}, commit: async () => {} },
        probe: null,
        log: () => {},
        vaults: null,
        loadRare: () => rare,
        syncBatch: 900,
        leftMs: () => Number.POSITIVE_INFINITY,
      }),
    )
  const policies = Array.from({ length: 1000 }, (_, index) => `${index}${OBEYED}`)
  const health = { initialized: true, sealed: false, standby: false, server_time_utc: 0, version: '1.21.1' }
  const lookup = {
    display_name: HOSTILE,
    policies: [HOSTILE, ...policies],
    identity_policies: policies,
    ttl: 1,
    type: HOSTILE,
    entity_id: HOSTILE,
    namespace_path: HOSTILE,
  }
  const ANSWERS: Readonly<Record<string, object>> = {
    'sys/health': { ...health, cluster_name: HOSTILE },
    'auth/token/lookup-self': { data: lookup },
    'sys/internal/ui/mounts/secret': { data: { type: 'kv', options: { version: '2' } } },
    'sys/capabilities-self': {
      data: {
        'secret/metadata/keyring': ['read', HOSTILE, ...policies],
        'secret/data/keyring': ['read', ...policies],
      },
    },
    'secret/metadata/keyring': {
      data: { created_time: 'x', current_version: 1, versions: { [HOSTILE]: { destroyed: HOSTILE } } },
    },
  }
  const answering =
    (more: Readonly<Record<string, object>> = {}): Fetch =>
    async ({ url }) => {
      const body = { ...ANSWERS, ...more }[new URL(url).pathname.slice('/v1/'.length)]
      return body === undefined ? Response.json({ errors: [HOSTILE] }, { status: 400 }) : Response.json(body)
    }

  it.each<[string, Readonly<Record<string, object>>]>([
    ['all over', {}],
    ['its version', { 'sys/health': { ...health, version: HOSTILE } }],
    ['the type of the mount', { 'sys/internal/ui/mounts/secret': { data: { type: `kv${OBEYED}`, options: null } } }],
    [
      "the mount's version",
      { 'sys/internal/ui/mounts/secret': { data: { type: 'kv', options: { version: HOSTILE } } } },
    ],
  ])('with texts that a terminal obeys, of a megabyte: %s', async (_name, more) => {
    const authority = authorityBefore(answering(more))
    const results = [await authority.diagnose('default'), await authority.sync('default', PLAIN_SYNC)]
    expect(results).toMatchObject([{ ok: true }, { ok: false }])
    for (const result of [...results, await authority.status('default')]) {
      expect(JSON.stringify(result)).not.toMatch(/\\u00|\\n/)
      expect(JSON.stringify(result)).not.toMatch(NOT_SHOWN)
      expect(JSON.stringify(result).length).toBeLessThan(16_000)
    }
  })
})

it('a defect is a short line, whatever its message pretends', () => {
  const error = new Error(`x\n    at secret (canary)\n${'    at more (canary)\n'.repeat(100_000)}`)
  error.name = HOSTILE
  const line = defectLine(error, 'request')
  expect(line).toContain('foreign-texts.test.ts')
  expect(line).not.toContain('canary')
  expect(line).not.toMatch(NOT_SHOWN)
  expect(line.length).toBeLessThan(6000)
})
