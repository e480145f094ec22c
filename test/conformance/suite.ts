/** Black-box HTTP cases that every platform must pass. What only one of them can do has a suite of its own. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import {
  MAX_BATCH_ITEMS,
  MAX_CONTEXT_BYTES,
  MAX_HEADER_CONTEXT_BYTES,
  MAX_PLAINTEXT_BYTES,
  MAX_RAW_BYTES,
  MAX_REQUEST_BODY_BYTES,
} from '../../src/core/limits.ts'
import type { VaultClient } from '../support/vault.ts'
import { vaultClient } from '../support/vault.ts'
import type { Deployment, Start } from './driver.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const WRAPPING_KEYS = `w1:${Buffer.alloc(32, 1).toString('base64')}`
const TOKENS = {
  admin: { grants: ['admin'] },
  reader: { grants: ['read'] },
  sealer: { grants: ['encrypt:default'] },
  rewrapper: { grants: ['rewrap:default'] },
  other: { grants: ['read:orders', 'decrypt:orders'] },
  syncer: { grants: ['sync', 'read'] },
  keeper: { grants: ['export:default', 'force', 'remove'] },
  stranger: { grants: ['read:orders'] },
  expired: { grants: ['admin'], expires_at: '2020-01-01T00:00:00Z' },
}
type Who = keyof typeof TOKENS
const tokenOf = (who: Who): string => `ek_conformance_${who}`

/** A key string that is not weak. */
const KEY = (name: string): string => `${name}: some key material of no importance 0123456789`

const settings = (address: string) => ({
  KEYRING_VAULT_HOST: address,
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_VAULT_TOKEN: 'root',
  KEYRINGS: '[{"name":"orders","path":"orders"},{"name":"moved","path":"moved"}]',
  KEYRING_WRAPPING_KEYS: WRAPPING_KEYS,
  KEYRING_API_TOKENS: JSON.stringify(
    Object.entries(TOKENS).map(([name, more]) => ({ name, sha256: sha256(tokenOf(name as Who)), ...more })),
  ),
})

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

export function conformance(name: string, start: Start): void {
  describe(name, () => {
    let vault: DevVault
    let secrets: VaultClient
    let deployment: Deployment

    beforeAll(async () => {
      vault = await startDevVault({ port: 0, dataFile: null })
      secrets = vaultClient(vault.address, 'root')
      await secrets.write('keyring', { id: 'first001', key: KEY('first') })
      await secrets.write('keyring', { id: 'second02', key: KEY('second') })
      deployment = await start(settings(vault.address))
    })
    afterAll(async () => {
      await deployment.stop()
      await vault.close()
    })

    async function call(
      who: Who | null,
      method: string,
      path: string,
      body?: string | object,
      headers: Record<string, string> = {},
      bytes?: Uint8Array<ArrayBuffer> | string,
    ): Promise<Answer> {
      const type: Record<string, string> =
        body === undefined || headers['content-type'] !== undefined ? {} : { 'content-type': 'application/json' }
      const auth: Record<string, string> = who === null ? {} : { authorization: `Bearer ${tokenOf(who)}` }
      const sent = bytes ?? (typeof body === 'object' ? JSON.stringify(body) : body)
      const response = await fetch(`${deployment.url}${path}`, {
        method,
        headers: { ...auth, ...type, ...headers },
        ...(sent !== undefined && { body: sent }),
      })
      const text = await response.text()
      return {
        status: response.status,
        headers: response.headers,
        body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
      }
    }
    const problem = async (expected: string, status: number, answering: Promise<Answer>) => {
      const answer = await answering
      expect(answer).toMatchObject({
        status,
        body: {
          code: expected,
          status,
          remedy: expect.stringMatching(/\w/),
          detail: expect.stringMatching(/\.$/),
          request: expect.any(String),
        },
      })
      expect(JSON.stringify(answer.body)).not.toMatch(/ at .*\.(ts|js):/)
      expect(answer.headers.get('cache-control')).toBe('no-store')
      return answer
    }

    const audited = (wanted: (line: Record<string, unknown>) => boolean) =>
      deployment
        .output()
        .split('\n')
        .filter((line) => line.startsWith('{') && line.includes('"outcome"') && line.includes('"caller"'))
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(wanted)

    describe('the how-to', () => {
      it('syncs with 204 and an empty body, and lists what was synced', async () => {
        expect(await call('admin', 'POST', '/keyring/vault/sync')).toMatchObject({ status: 204, body: {} })
        const expected = { status: 200, body: { ids: ['first001', 'second02'], active: 'second02' } }
        expect(await call('admin', 'GET', '/keyring')).toMatchObject(expected)
        expect(await call('admin', 'GET', '/keyring/')).toMatchObject(expected)
        expect(await call('admin', 'GET', '/keyring/active')).toMatchObject({ status: 200, body: { id: 'second02' } })
      })

      it('takes the token as Kong does', async () => {
        expect(await call(null, 'GET', '/keyring', undefined, { 'kong-admin-token': tokenOf('admin') })).toMatchObject({
          status: 200,
        })
      })

      it.each([
        ['JSON', 'application/json', '{"token":"root"}'],
        ['a form', 'application/x-www-form-urlencoded', 'token=root'],
        ['an empty object', 'application/json; charset=utf-8', '{}'],
      ])('syncs with a body of %s', async (_name, type, body) => {
        expect(await call('admin', 'POST', '/keyring/vault/sync', body, { 'content-type': type })).toMatchObject({
          status: 204,
        })
      })

      it('uses a token of the caller for that sync alone', async () => {
        await problem('ERR_VAULT_DENIED', 502, call('admin', 'POST', '/keyring/vault/sync', { token: 'not-a-token' }))
        expect(await call('admin', 'POST', '/keyring/vault/sync')).toMatchObject({ status: 204 })
      })

      it('agrees with itself: a rotation shows in the GET and in the encrypt right after the sync', async () => {
        await secrets.write('keyring', { id: 'third003', key: KEY('third') })
        await call('admin', 'POST', '/keyring/vault/sync')
        expect((await call('admin', 'GET', '/keyring/active')).body).toEqual({ id: 'third003' })
        expect((await call('admin', 'POST', '/keyrings/default/encrypt', { plaintext: 'x' })).body).toMatchObject({
          key_id: 'third003',
        })
      })
    })

    describe('use', () => {
      it('decrypts what it has encrypted, in its context', async () => {
        const { body } = await call('admin', 'POST', '/keyrings/default/encrypt', {
          plaintext: '\uFEFFgrüße 🌍',
          context: 'orders/17',
        })
        expect(body['ciphertext']).toMatch(/^ek1\.\w+\.[\w-]+$/)
        const opened = await call('admin', 'POST', '/keyrings/default/decrypt', {
          ciphertext: body['ciphertext'],
          context: 'orders/17',
        })
        expect(opened).toMatchObject({ status: 200, body: { plaintext: '\uFEFFgrüße 🌍', encoding: 'text' } })
        await problem(
          'ERR_DECRYPT_FAILED',
          422,
          call('admin', 'POST', '/keyrings/default/decrypt', { ciphertext: body['ciphertext'], context: 'orders/18' }),
        )
      })

      it('takes bytes as base64, and a context of bytes', async () => {
        const bytes = Buffer.from([0, 255, 128, 7]).toString('base64')
        const { body } = await call('admin', 'POST', '/keyrings/default/encrypt', {
          plaintext: bytes,
          encoding: 'base64',
          context_base64: bytes,
        })
        const opened = { ciphertext: body['ciphertext'], context_base64: bytes }
        expect(
          (await call('admin', 'POST', '/keyrings/default/decrypt', { ...opened, encoding: 'base64' })).body,
        ).toMatchObject({ plaintext: bytes })
        await problem('ERR_TEXT_INVALID', 422, call('admin', 'POST', '/keyrings/default/decrypt', opened))
      })

      it('takes an empty plaintext; no context and an empty one are the same', async () => {
        const { body } = await call('admin', 'POST', '/keyrings/default/encrypt', { plaintext: '' })
        expect(
          (await call('admin', 'POST', '/keyrings/default/decrypt', { ciphertext: body['ciphertext'], context: '' }))
            .body,
        ).toMatchObject({ plaintext: '' })
      })

      /** A text of control characters is six times as long in JSON, and longer still where the platform puts that in JSON. */
      it.each([
        ['text', 'x'],
        ['control characters', '\u0001'],
      ])('takes as much as it gives back: %s, in the longest context', async (_name, unit) => {
        const [plaintext, context] = [unit.repeat(MAX_PLAINTEXT_BYTES), unit.repeat(MAX_CONTEXT_BYTES)]
        const base64 = Buffer.from(plaintext).toString('base64')
        const made = await call('admin', 'POST', '/keyrings/default/encrypt', {
          plaintext: base64,
          encoding: 'base64',
          context,
        })
        expect(made.status).toBe(200)
        const value = { ciphertext: made.body['ciphertext'], context }
        const text = await call('admin', 'POST', '/keyrings/default/decrypt', value)
        expect([text.status, text.body['plaintext'] === plaintext]).toEqual([200, true])
        const bytes = await call('admin', 'POST', '/keyrings/default/decrypt', { ...value, encoding: 'base64' })
        expect([bytes.status, bytes.body['plaintext'] === base64]).toEqual([200, true])
        const form = new URLSearchParams({ ciphertext: String(value.ciphertext), context }).toString()
        const ofForm = await call('admin', 'POST', '/keyrings/default/decrypt', form, {
          'content-type': 'application/x-www-form-urlencoded',
        })
        expect([ofForm.status, ofForm.body['plaintext'] === plaintext]).toEqual([200, true])
      })

      it.each([
        ['plaintext', MAX_PLAINTEXT_BYTES + 1, 0],
        ['context', 1, MAX_CONTEXT_BYTES + 1],
      ])('does not encrypt a byte more of %s', async (field, plaintext, context) => {
        const body = { plaintext: 'x'.repeat(plaintext), context: 'x'.repeat(context) }
        const refused = await problem(
          'ERR_BODY_TOO_LARGE',
          413,
          call('admin', 'POST', '/keyrings/default/encrypt', body),
        )
        expect(refused.body['field']).toBe(field)
      })

      it.each([
        ['a lone surrogate in the plaintext', '{"plaintext":"\\ud800"}'],
        ['a lone surrogate in the context', '{"plaintext":"x","context":"\\udfff"}'],
        ['no plaintext', '{"context":"x"}'],
        ['a number', '{"plaintext":1}'],
        ['a field that is not known', '{"plaintext":"x","aad":"y"}'],
        ['two contexts', '{"plaintext":"x","context":"y","context_base64":"eQ=="}'],
        ['base64 without padding', '{"plaintext":"eQ","encoding":"base64"}'],
        ['a list', '[]'],
      ])('refuses %s', async (_name, body) => {
        await problem('ERR_REQUEST_INVALID', 400, call('admin', 'POST', '/keyrings/default/encrypt', body))
      })

      it.each([
        ['another format', 'ek2.first001.AAAA'],
        ['a cut value', 'ek1.first001.AAAA'],
        ['nothing', ''],
      ])('refuses %s as a value', async (_name, ciphertext) => {
        await problem('ERR_CIPHERTEXT_INVALID', 400, call('admin', 'POST', '/keyrings/default/decrypt', { ciphertext }))
      })

      it('names a key that it does not have', async () => {
        const { body } = await call('admin', 'POST', '/keyrings/default/encrypt', { plaintext: 'x' })
        const foreign = String(body['ciphertext']).replace(/^ek1\.\w+/, 'ek1.unknown9')
        const { body: refused } = await problem(
          'ERR_KEY_NOT_FOUND',
          404,
          call('admin', 'POST', '/keyrings/default/decrypt', { ciphertext: foreign }),
        )
        expect(refused['id']).toBe('unknown9')
        const mislabelled = String(body['ciphertext']).replace(/^ek1\.\w+/, 'ek1.first001')
        await problem(
          'ERR_KEY_MISMATCH',
          422,
          call('admin', 'POST', '/keyrings/default/decrypt', { ciphertext: mislabelled }),
        )
      })
    })

    describe('batches', () => {
      type Items = readonly Record<string, unknown>[]
      const batch = async (use: string, items: Items, who: Who = 'admin', headers = {}) => {
        const answer = await call(who, 'POST', `/keyrings/default/${use}`, { items }, headers)
        return { ...answer, items: answer.body['items'] as Items }
      }
      const value = (index: number) => ({ plaintext: `value ${index}`, context: `row/${index}` })

      it('encrypt, rewrap and decrypt more than 1,000 values, each in its context', async () => {
        const values = Array.from({ length: 1200 }, (_, index) => value(index))
        const made = await batch('encrypt', values)
        expect([made.status, made.items.length]).toEqual([200, 1200])
        const sealed = made.items.map(({ ciphertext }, index) => ({ ciphertext, context: `row/${index}` }))
        const again = (await batch('rewrap', sealed)).items.map(({ ciphertext }, index) => ({
          ciphertext,
          context: `row/${index}`,
        }))
        for (const each of [sealed, again])
          expect((await batch('decrypt', each)).items.map(({ plaintext }) => plaintext)).toEqual(
            values.map(({ plaintext }) => plaintext),
          )
      })

      it('give each item an error of its own, with a code, and all others their answers', async () => {
        const [{ ciphertext } = {}] = (await batch('encrypt', [value(1)])).items
        const mislabelled = String(ciphertext).replace(/^ek1\.\w+/, 'ek1.first001')
        const { status, items } = await batch('decrypt', [
          { ciphertext, context: 'row/1' },
          { ciphertext, context: 'row/2' },
          { ciphertext: 'ek2.x.AAAA', context: 'row/1' },
          { ciphertext: mislabelled },
          { ciphertext, contxt: 'row/1' },
          { ciphertext: mislabelled, context: 'row/1' },
          { ciphertext, context: 'row/1', encoding: 'base64' },
        ])
        const error = (code: string) => ({
          error: { code, message: expect.stringMatching(/\.$/), remedy: expect.stringMatching(/\w/) },
        })
        expect([status, items]).toMatchObject([
          200,
          [
            { plaintext: 'value 1', encoding: 'text' },
            error('ERR_DECRYPT_FAILED'),
            error('ERR_CIPHERTEXT_INVALID'),
            error('ERR_KEY_MISMATCH'),
            error('ERR_REQUEST_INVALID'),
            error('ERR_KEY_MISMATCH'),
            { plaintext: Buffer.from('value 1').toString('base64'), encoding: 'base64' },
          ],
        ])
      })

      it('are in the audit log with the number of their items', async () => {
        const values = Array.from({ length: 7 }, (_, index) => value(index))
        const { items } = await batch('encrypt', values)
        const sealed = items.map(({ ciphertext }) => ({ ciphertext, context: 'row/1' }))
        const request = 'counted-batch'
        await batch('rewrap', sealed, 'rewrapper', { 'x-request-id': request })
        const lines = () => audited(({ caller }) => caller === 'rewrapper')
        await expect
          .poll(lines, { timeout: 10_000 })
          .toContainEqual(expect.objectContaining({ action: 'rewrap', code: 'ERR_DECRYPT_FAILED', count: 6, request }))
        await expect
          .poll(lines, { timeout: 10_000 })
          .toContainEqual(expect.objectContaining({ action: 'rewrap', outcome: 'ok', keyId: 'third003', count: 1 }))
      })

      it.each<[string, object, number, string]>([
        ['no items', { items: [] }, 400, 'ERR_REQUEST_INVALID'],
        ['items that are no list', { items: 'x' }, 400, 'ERR_REQUEST_INVALID'],
        ['items and a value', { items: [{ plaintext: 'x' }], plaintext: 'x' }, 400, 'ERR_REQUEST_INVALID'],
        ['too many', { items: Array.from({ length: MAX_BATCH_ITEMS + 1 }, () => ({})) }, 400, 'ERR_REQUEST_INVALID'],
        [
          'what decrypt could not give back at once',
          {
            items: Array.from({ length: 4 }, () => ({
              plaintext: Buffer.alloc(300_000, 1).toString('base64'),
              encoding: 'base64',
            })),
          },
          413,
          'ERR_BODY_TOO_LARGE',
        ],
      ])('are refused with %s', async (_name, body, status, code) => {
        await problem(code, status, call('admin', 'POST', '/keyrings/default/encrypt', body))
      })

      it('are decrypted as large as they are encrypted, though each character be long', async () => {
        const plaintext = '\u0001'.repeat(32_000)
        const context = 'x'.repeat(4096)
        const value = { plaintext: Buffer.from(plaintext).toString('base64'), encoding: 'base64', context }
        const { items } = await batch(
          'encrypt',
          Array.from({ length: 24 }, () => value),
        )
        const opened = await batch(
          'decrypt',
          items.map(({ ciphertext }) => ({ ciphertext, context })),
        )
        expect(opened.items.every((item) => item['plaintext'] === plaintext)).toBe(true)
        expect(opened.items).toHaveLength(24)
      })
    })

    describe('raw bytes', () => {
      const raw = async (use: string, body: Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) => {
        const response = await fetch(`${deployment.url}/keyrings/default/${use}`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${tokenOf('admin')}`,
            'content-type': 'application/octet-stream',
            ...headers,
          },
          body,
        })
        return {
          status: response.status,
          type: response.headers.get('content-type'),
          key: response.headers.get('keyring-key-id'),
          bytes: new Uint8Array(await response.arrayBuffer()),
        }
      }
      const context = (text: string) => ({ 'keyring-context': Buffer.from(text).toString('base64') })
      const jsonOf = ({ bytes }: { readonly bytes: Uint8Array }): unknown => JSON.parse(Buffer.from(bytes).toString())

      it('are encrypted, rewrapped and decrypted as they are; the value is that of JSON', async () => {
        const bytes = new Uint8Array([0, 255, 10, 13, 128])
        const made = await raw('encrypt', bytes, context('büro/7'))
        expect(made).toMatchObject({ status: 200, type: 'application/octet-stream', key: 'third003' })
        const again = await raw('rewrap', made.bytes, context('büro/7'))
        expect(again.key).toBe('third003')
        expect(again.bytes).not.toEqual(made.bytes)
        for (const { bytes: sealed } of [made, again])
          expect((await raw('decrypt', sealed, context('büro/7'))).bytes).toEqual(bytes)
        const ciphertext = Buffer.from(made.bytes).toString()
        const opened = await call('admin', 'POST', '/keyrings/default/decrypt', {
          ciphertext,
          context: 'büro/7',
          encoding: 'base64',
        })
        expect(opened.body['plaintext']).toBe(Buffer.from(bytes).toString('base64'))
      })

      it('may be none at all', async () => {
        const made = await raw('encrypt', new Uint8Array())
        expect((await raw('decrypt', made.bytes)).bytes).toEqual(new Uint8Array())
      })

      it('come back at their largest, in the longest context, and in base64 from JSON', async () => {
        const bytes = new Uint8Array(MAX_RAW_BYTES).fill(1)
        const longest = context('x'.repeat(MAX_HEADER_CONTEXT_BYTES))
        const made = await raw('encrypt', bytes, longest)
        expect(made.status).toBe(200)
        const opened = await raw('decrypt', made.bytes, longest)
        expect([opened.status, Buffer.compare(opened.bytes, bytes)]).toEqual([200, 0])
        const asked = { ciphertext: Buffer.from(made.bytes).toString(), context: 'x'.repeat(MAX_HEADER_CONTEXT_BYTES) }
        const json = await call('admin', 'POST', '/keyrings/default/decrypt', { ...asked, encoding: 'base64' })
        expect([json.status, json.body['plaintext'] === Buffer.from(bytes).toString('base64')]).toEqual([200, true])
        await problem('ERR_BODY_TOO_LARGE', 413, call('admin', 'POST', '/keyrings/default/decrypt', asked))
      })

      it('of one byte more are refused, and of a context that is longer or no base64', async () => {
        const over = await raw('encrypt', new Uint8Array(MAX_RAW_BYTES + 1))
        expect([over.status, jsonOf(over)]).toMatchObject([413, { code: 'ERR_BODY_TOO_LARGE', field: 'plaintext' }])
        const long = await raw('encrypt', new Uint8Array(1), context('x'.repeat(MAX_HEADER_CONTEXT_BYTES + 1)))
        expect([long.status, jsonOf(long)]).toMatchObject([413, { code: 'ERR_BODY_TOO_LARGE', field: 'context' }])
        const wrong = await raw('encrypt', new Uint8Array(1), { 'keyring-context': 'eQ' })
        expect([wrong.status, jsonOf(wrong)]).toMatchObject([400, { code: 'ERR_REQUEST_INVALID' }])
      })

      it.each([
        ['altered', 422, 'ERR_DECRYPT_FAILED', (sealed: Uint8Array) => sealed, 'other'],
        ['no value', 400, 'ERR_CIPHERTEXT_INVALID', () => new Uint8Array([0xff]), 'mine'],
      ])('are refused when they are %s', async (_name, status, code, change, where) => {
        const made = await raw('encrypt', new Uint8Array(8), context('mine'))
        const refused = await raw('decrypt', new Uint8Array(change(made.bytes)), context(where))
        expect([refused.status, jsonOf(refused)]).toMatchObject([status, { code }])
      })

      it('alone have their context in a header: beside a body of JSON it is refused, not ignored', async () => {
        const asked = call('admin', 'POST', '/keyrings/default/encrypt', { plaintext: 'x' }, context('orders/17'))
        await problem('ERR_REQUEST_INVALID', 400, asked)
      })
    })

    describe('rewrapping', () => {
      it('turns a value of an older key into one of the active key, with its own grant, and shows no plaintext', async () => {
        await secrets.write('moved', { id: 'rewrap01', key: KEY('rewrap 1') })
        await call('admin', 'POST', '/keyrings/moved/sync')
        const { body } = await call('admin', 'POST', '/keyrings/moved/encrypt', { plaintext: 'pl-ain', context: 'c' })
        await secrets.write('moved', { id: 'rewrap02', key: KEY('rewrap 2') })
        await call('admin', 'POST', '/keyrings/moved/sync')
        const value = { ciphertext: body['ciphertext'], context: 'c' }
        await problem('ERR_FORBIDDEN', 403, call('rewrapper', 'POST', '/keyrings/moved/rewrap', value))
        const { body: again } = await call('admin', 'POST', '/keyrings/moved/rewrap', value)
        expect(again).toEqual({ ciphertext: expect.stringMatching(/^ek1\.rewrap02\./), key_id: 'rewrap02' })
        const opened = { ciphertext: again['ciphertext'], context: 'c' }
        expect((await call('admin', 'POST', '/keyrings/moved/decrypt', opened)).body['plaintext']).toBe('pl-ain')
        const elsewhere = { ...value, context: 'd' }
        await problem('ERR_DECRYPT_FAILED', 422, call('admin', 'POST', '/keyrings/moved/rewrap', elsewhere))
      })
    })

    describe('access', () => {
      const ROUTES = [
        'GET /keyring',
        'GET /keyring/',
        'GET /keyring/active',
        'POST /keyring/vault/sync',
        'POST /keyring/push',
        'POST /keyring/remove',
        'POST /keyring/compromise',
        'GET /keyrings/default',
        'GET /keyrings/default/doctor',
        'POST /keyrings/default/doctor',
        'POST /keyrings/default/reseal',
        'POST /keyrings/default/encrypt',
        'POST /keyrings/default/decrypt',
        'POST /keyrings/default/rewrap',
        'GET /keyring/export',
        'POST /keyring/import',
        'GET /keyrings/default/export',
        'POST /keyrings/default/import',
        'POST /secrets/resolve',
        'POST /secrets/push',
        'GET /secrets',
        'GET /vaults',
        'GET /vaults/hcv',
        'GET /nowhere',
        'DELETE /keyring',
      ]

      it.each(ROUTES)('refuses %s without a token, and with a wrong or expired one', async (route) => {
        const [method = '', path = ''] = route.split(' ')
        const { headers, body } = await problem('ERR_UNAUTHENTICATED', 401, call(null, method, path))
        expect(headers.get('www-authenticate')).toBe('Bearer')
        await problem(
          'ERR_UNAUTHENTICATED',
          401,
          call(null, method, path, undefined, { authorization: 'Bearer wrong' }),
        )
        await problem('ERR_UNAUTHENTICATED', 401, call('expired', method, path))
        if (path.startsWith('/keyring/')) expect(body['message']).toBe('Unauthorized')
      })

      it.each<[Who, string]>([
        ['reader', 'POST /keyring/vault/sync'],
        ['reader', 'POST /keyrings/default/encrypt'],
        ['sealer', 'GET /keyring'],
        ['sealer', 'POST /keyrings/default/decrypt'],
        ['other', 'GET /keyring'],
        ['other', 'POST /keyrings/default/decrypt'],
        ['sealer', 'POST /keyrings/default/rewrap'],
        ['rewrapper', 'POST /keyrings/default/encrypt'],
        ['rewrapper', 'POST /keyrings/default/decrypt'],
        ['syncer', 'POST /keyring/remove'],
        ['reader', 'GET /keyring/export'],
        ['keeper', 'GET /keyrings/orders/export'],
        ['keeper', 'POST /keyrings/default/import'],
        ['syncer', 'POST /keyrings/default/push'],
      ])('refuses %s the call %s', async (who, route) => {
        const [method = '', path = ''] = route.split(' ')
        await problem('ERR_FORBIDDEN', 403, call(who, method, path))
      })

      it('asks for the grant "force" beside "sync"', async () => {
        await problem('ERR_FORBIDDEN', 403, call('syncer', 'POST', '/keyring/vault/sync', { force: true }))
        expect(await call('syncer', 'POST', '/keyring/vault/sync')).toMatchObject({ status: 204 })
      })

      it.each<[string, Readonly<Record<string, string | string[]>>, number]>([
        ['a JWT', { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.', 'kong-admin-token': tokenOf('reader') }, 200],
        ['a password', { authorization: 'Basic dXNlcjpwYXNz', 'kong-admin-token': tokenOf('reader') }, 200],
        ['one of ours', { authorization: `Bearer ${tokenOf('reader')}`, 'kong-admin-token': 'wrong' }, 401],
        [
          'one of ours, and expired',
          { authorization: `Bearer ${tokenOf('reader')}`, 'kong-admin-token': tokenOf('expired') },
          401,
        ],
        ['one of ours, and empty', { authorization: `Bearer ${tokenOf('reader')}`, 'kong-admin-token': '' }, 200],
        ['none, and given twice', { 'kong-admin-token': [tokenOf('reader'), 'wrong'] }, 401],
        ['none, and given twice the same', { 'kong-admin-token': [tokenOf('reader'), tokenOf('reader')] }, 401],
        ['two', { authorization: ['Bearer eyJhbGciOiJub25lIn0.e30.', `Bearer ${tokenOf('reader')}`] }, 401],
        ['two in the other order', { authorization: [`Bearer ${tokenOf('reader')}`, 'Bearer x'] }, 401],
      ])('lets Kong-Admin-Token decide beside a gateway\u2019s Authorization: %s', async (_name, headers, status) => {
        const asked = request(`${deployment.url}/keyring`, { headers, setDefaultHeaders: false })
        asked.setHeader('host', new URL(deployment.url).host)
        const [answer] = (await once(asked.end(), 'response')) as [IncomingMessage]
        answer.resume()
        expect(answer.statusCode).toBe(status)
      })

      it('lets a denied keyring and one that does not exist look alike', async () => {
        const [denied, missing] = await Promise.all([
          call('sealer', 'GET', '/keyrings/default'),
          call('sealer', 'GET', '/keyrings/missing'),
        ])
        expect([denied?.status, missing?.status, denied?.body['detail']]).toEqual([403, 403, missing?.body['detail']])
        await problem('ERR_KEYRING_NOT_FOUND', 404, call('admin', 'GET', '/keyrings/missing'))
      })

      it('adds up refusals: one line of the audit log for many of one caller and code, with what they have in common', async () => {
        const paths = [
          '/keyring',
          '/keyring/active',
          '/keyrings/default',
          '/keyrings/a',
          '/keyrings/b',
          '/keyrings/b/doctor',
        ]
        const asked = Array.from({ length: 60 }, (_, index) =>
          call('stranger', 'GET', paths[index % paths.length] ?? ''),
        )
        expect(new Set((await Promise.all(asked)).map(({ status }) => status))).toEqual(new Set([403]))
        const lines = () => audited(({ caller }) => caller === 'stranger')
        await expect
          .poll(() => lines().reduce((sum, { count }) => sum + Number(count), 0), { timeout: 10_000 })
          .toBe(60)
        expect(lines().length).toBeLessThan(20)
        expect(lines().every(({ code, outcome }) => code === 'ERR_FORBIDDEN' && outcome === 'refused')).toBe(true)
        expect(lines().some(({ action, keyring }) => action === 'several' && keyring === null)).toBe(true)
      })

      it.each<[Who, string, object, object]>([
        ['admin', '/keyring/vault/sync', {}, { outcome: 'ok', facts: { force: false, adopt: false, ownToken: false } }],
        [
          'admin',
          '/keyring/vault/sync',
          { token: 'root', adopt: true },
          { outcome: 'ok', facts: { force: false, adopt: true, ownToken: true } },
        ],
        [
          'admin',
          '/keyring/vault/sync',
          { force: true },
          { outcome: 'ok', facts: { force: true, adopt: false, ownToken: false } },
        ],
        [
          'syncer',
          '/keyring/vault/sync',
          { force: true, token: 'root' },
          { outcome: 'refused', facts: { force: true, ownToken: true } },
        ],
        ['admin', '/keyring/remove', { id: 'unknown9', force: true }, { outcome: 'begun', facts: { force: true } }],
        ['admin', '/keyring/compromise', { id: 'unknown9' }, { outcome: 'failed', facts: { force: false } }],
        ['admin', '/keyrings/default/doctor', { login: true }, { outcome: 'ok', facts: { login: true } }],
        ['admin', '/keyring/import?force=true', {}, { outcome: 'begun', facts: { import: true, force: true } }],
      ])('has in the audit log what %s asked of %s beside the action: %o', async (who, path, body, line) => {
        const request = `facts-${JSON.stringify([who, path, body]).replace(/\W+/g, '-')}`.slice(0, 64)
        await call(who, 'POST', path, body, { 'x-request-id': request, 'content-type': 'application/json' })
        const lines = () => audited((seen) => seen['request'] === request)
        await expect
          .poll(lines, { timeout: 10_000 })
          .toContainEqual(
            expect.objectContaining({ ...line, facts: expect.objectContaining((line as { facts: object }).facts) }),
          )
        expect(JSON.stringify(lines())).not.toContain('"root"')
      })

      it('answers health and readiness without a token, in bare words', async () => {
        expect(await call(null, 'GET', '/healthz')).toMatchObject({ status: 200, body: { status: 'alive' } })
        expect(await call(null, 'GET', '/readyz')).toMatchObject({ status: 200, body: { status: 'ready' } })
      })
    })

    describe('requests that are wrong', () => {
      it.each(['/nowhere', '/keyring/active/', '/keyrings/default/', '/keyring//'])(
        'answers the unknown path %s with 404',
        async (path) => {
          await problem('ERR_ROUTE_NOT_FOUND', 404, call('admin', 'GET', path))
        },
      )

      it('answers a wrong method with 405, and says which there are', async () => {
        const { headers } = await problem('ERR_METHOD_NOT_ALLOWED', 405, call('admin', 'DELETE', '/keyring'))
        expect(headers.get('allow')).toBe('GET, HEAD')
      })

      it('answers another media type with 415', () =>
        problem(
          'ERR_MEDIA_TYPE',
          415,
          call('admin', 'POST', '/keyrings/default/encrypt', 'x', { 'content-type': 'text/plain' }),
        ))
      it('answers malformed JSON with 400', () =>
        problem('ERR_BODY_MALFORMED', 400, call('admin', 'POST', '/keyrings/default/encrypt', '{')))
      it('answers a body over the limit with 413', () =>
        problem(
          'ERR_BODY_TOO_LARGE',
          413,
          call('admin', 'POST', '/keyrings/default/encrypt', { plaintext: 'x'.repeat(MAX_REQUEST_BODY_BYTES) }),
        ))

      it('answers bytes that are not UTF-8 with 400', async () => {
        const headers = { authorization: `Bearer ${tokenOf('admin')}`, 'content-type': 'application/json' }
        const response = await fetch(`${deployment.url}/keyrings/default/encrypt`, {
          method: 'POST',
          headers,
          body: new Uint8Array([0x22, 0xff, 0x22]),
        })
        expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([
          400,
          'ERR_BODY_MALFORMED',
        ])
      })

      it('takes over a request id that is harmless, and makes one otherwise', async () => {
        expect((await call('admin', 'GET', '/nowhere', undefined, { 'x-request-id': 'mine-1' })).body['request']).toBe(
          'mine-1',
        )
        expect((await call('admin', 'GET', '/nowhere', undefined, { 'x-request-id': 'a b' })).body['request']).toMatch(
          /^[\da-f-]{36}$/,
        )
      })

      it('allows no other origin, and answers no preflight', async () => {
        const { headers } = await call('admin', 'GET', '/keyring', undefined, { origin: 'https://evil.example' })
        expect([...headers.keys()].filter((header) => header.startsWith('access-control'))).toEqual([])
      })
    })

    describe('removal and compromise', () => {
      it('refuses to remove the active key, and a key that it does not have', async () => {
        const { body } = await call('admin', 'GET', '/keyring/active')
        const { body: refused } = await problem(
          'ERR_KEY_ACTIVE',
          409,
          call('admin', 'POST', '/keyring/remove', { id: body['id'], force: true }),
        )
        expect(refused['message']).toMatch(/is active/)
        await problem('ERR_KEY_NOT_FOUND', 404, call('admin', 'POST', '/keyring/remove', { key: 'unknown9' }))
        await problem('ERR_REQUEST_INVALID', 400, call('admin', 'POST', '/keyring/remove'))
      })

      it('removes a key for good: no later sync brings it back', async () => {
        expect(
          await call('admin', 'POST', '/keyring/remove', 'key=first001', {
            'content-type': 'application/x-www-form-urlencoded',
          }),
        ).toMatchObject({ status: 204 })
        await call('admin', 'POST', '/keyring/vault/sync')
        expect((await call('admin', 'GET', '/keyring')).body['ids']).not.toContain('first001')
      })

      it('shows a compromised key as such', async () => {
        expect(await call('admin', 'POST', '/keyrings/default/compromise', { id: 'second02' })).toMatchObject({
          status: 204,
        })
        const { body } = await call('admin', 'GET', '/keyrings/default')
        expect(body['keys']).toContainEqual(expect.objectContaining({ id: 'second02', state: 'compromised' }))
      })
    })

    describe('sealing anew', () => {
      it('says which wrapping key is needed by what then, and is for whoever may do everything', async () => {
        await problem('ERR_FORBIDDEN', 403, call('syncer', 'POST', '/keyrings/default/reseal'))
        const { body } = await call('admin', 'GET', '/keyrings/default')
        const resealed = await call('admin', 'POST', '/keyrings/default/reseal')
        expect(resealed).toMatchObject({
          status: 200,
          body: { keyring: 'default', done: true, wrapping_keys: [{ id: 'w1', needed_by: ['record', 'status'] }] },
        })
        const { body: after } = await call('admin', 'GET', '/keyrings/default')
        expect(after['revision']).toBeGreaterThan(Number(body['revision']))
        await expect
          .poll(
            () => audited(({ facts, outcome }) => JSON.stringify(facts) === '{"reseal":true}' && outcome === 'begun'),
            {
              timeout: 10_000,
            },
          )
          .toHaveLength(1)
      })
    })

    describe('a second keyring', () => {
      it('is synced, read and used by itself, by those who may', async () => {
        await secrets.write('orders', { id: 'orders01', key: KEY('orders') })
        await problem('ERR_FORBIDDEN', 403, call('sealer', 'POST', '/keyrings/orders/sync'))
        expect(await call('admin', 'POST', '/keyrings/orders/sync')).toMatchObject({ status: 204 })
        expect((await call('other', 'GET', '/keyrings/orders')).body).toMatchObject({ active: 'orders01' })
        const { body } = await call('admin', 'POST', '/keyrings/orders/encrypt', { plaintext: 'x' })
        const opened = { ciphertext: body['ciphertext'] }
        expect(await call('other', 'POST', '/keyrings/orders/decrypt', opened)).toMatchObject({ status: 200 })
        const { body: foreign } = await call('admin', 'POST', '/keyrings/default/encrypt', { plaintext: 'x' })
        await problem(
          'ERR_KEY_NOT_FOUND',
          404,
          call('other', 'POST', '/keyrings/orders/decrypt', { ciphertext: foreign['ciphertext'] }),
        )
        await problem('ERR_FORBIDDEN', 403, call('other', 'POST', '/keyrings/orders/encrypt', { plaintext: 'x' }))
      })

      it('that was deleted and made again is taken over only when told to adopt it', async () => {
        await secrets.deleteMetadata('orders')
        await secrets.write('orders', { id: 'orders02', key: KEY('orders again') })
        await problem('ERR_SOURCE_RECREATED', 409, call('admin', 'POST', '/keyrings/orders/sync'))
        expect((await call('other', 'GET', '/keyrings/orders')).body).toMatchObject({ active: 'orders01' })
        expect(await call('admin', 'POST', '/keyrings/orders/sync', { adopt: true })).toMatchObject({ status: 204 })
        expect((await call('other', 'GET', '/keyrings/orders')).body).toMatchObject({
          active: 'orders02',
          keys: expect.arrayContaining([expect.objectContaining({ id: 'orders01', source: 'detached' })]),
        })
      })
    })

    describe('backup and restore', () => {
      const exported = async (who: Who, path: string) => {
        const response = await fetch(`${deployment.url}${path}`, {
          headers: { authorization: `Bearer ${tokenOf(who)}`, 'x-request-id': 'exported' },
        })
        expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
          200,
          'application/octet-stream',
          'no-store',
        ])
        return new Uint8Array(await response.arrayBuffer())
      }
      const bring = (path: string, record: Uint8Array<ArrayBuffer> | string) =>
        call('admin', 'POST', `/keyrings/${path}`, undefined, {}, record)

      it('gives the record as it is stored, under both paths, when the audit log has it', async () => {
        const record = await exported('keeper', '/keyrings/default/export')
        expect(Buffer.from(record).toString()).toMatch(/^ekr1 w1 [\w-]{43}\n\{"keyring":"default",/)
        expect(await exported('admin', '/keyring/export')).toEqual(record)
        const lines = () => audited(({ action, request }) => action === 'export' && request === 'exported')
        await expect.poll(() => lines().length, { timeout: 10_000 }).toBeGreaterThanOrEqual(4)
        expect(lines()).toContainEqual(expect.objectContaining({ caller: 'keeper', outcome: 'begun' }))
      })

      it('brings back what is lacking, and never what was removed', async () => {
        const record = await exported('admin', '/keyrings/orders/export')
        expect(await call('admin', 'POST', '/keyrings/orders/remove', { id: 'orders01', force: true })).toMatchObject({
          status: 204,
        })
        expect(await bring('orders/import', record)).toMatchObject({
          status: 200,
          body: { added: [], removed: [], active: 'orders02' },
        })
        expect((await call('other', 'GET', '/keyrings/orders')).body['keys']).toMatchObject([{ id: 'orders02' }])
      })

      it('refuses what is no record of this keyring, what is too long, and what is asked for in other words', async () => {
        await problem('ERR_RECORD_INVALID', 500, bring('default/import', 'ekr1 w1 AAAA\n{}'))
        await problem(
          'ERR_RECORD_INVALID',
          500,
          bring('default/import?force=on', await exported('admin', '/keyrings/orders/export')),
        )
        await problem('ERR_BODY_TOO_LARGE', 413, bring('default/import', 'x'.repeat(350 * 1024 + 1)))
        await problem('ERR_RECORD_INVALID', 500, bring('default/import', 'x'.repeat(350 * 1024)))
        await problem('ERR_BODY_MALFORMED', 400, bring('default/import', new Uint8Array([0x65, 0xff])))
        await problem('ERR_REQUEST_INVALID', 400, bring('default/import?force=perhaps', ''))
        await problem('ERR_REQUEST_INVALID', 400, bring('default/import?forse=true', ''))
      })
    })

    it('notes an unusable current version in a header, and keeps the active key', async () => {
      await secrets.write('keyring', { id: 'no-key-here' })
      const { status, headers } = await call('admin', 'POST', '/keyring/vault/sync')
      expect([status, headers.get('keyring-notes')]).toEqual([
        204,
        'version-malformed;version=4, active-unusable;version=4',
      ])
      expect((await call('admin', 'GET', '/keyring/active')).body).toEqual({ id: 'third003' })
    })

    it('shows in the status view what there is and what happened', async () => {
      const { body } = await call('admin', 'GET', '/keyrings/default')
      expect(body).toMatchObject({
        keyring: 'default',
        active: 'third003',
        last_error: null,
        next_try: expect.stringMatching(/Z$/),
        skipped: expect.arrayContaining([{ version: 4, why: 'no-key' }]),
      })
      expect(body['keys']).toContainEqual({
        id: 'third003',
        state: 'active',
        source: 'present',
        versions: [3],
        weak: false,
        created: expect.stringMatching(/Z$/),
        synced: expect.stringMatching(/Z$/),
      })
    })

    it('looks at the way to Vault, for whoever may', async () => {
      await problem('ERR_FORBIDDEN', 403, call('syncer', 'GET', '/keyrings/default/doctor'))
      await problem('ERR_FORBIDDEN', 403, call('syncer', 'POST', '/keyrings/default/doctor', { login: false }))
      const tried = await call('admin', 'POST', '/keyrings/default/doctor', { login: true })
      expect(tried).toMatchObject({ status: 200, body: { keyring: 'default', healthy: false } })
      const { status, body } = await call('admin', 'GET', '/keyrings/default/doctor')
      expect(status).toBe(200)
      expect(body).toMatchObject({ keyring: 'default', time: expect.stringMatching(/Z$/), healthy: false })
      expect(body['checks']).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ check: 'server', outcome: 'ok' }),
          expect.objectContaining({ check: 'login', outcome: 'ok' }),
          expect.objectContaining({ check: 'secret', outcome: 'failed', code: 'ERR_ACTIVE_UNUSABLE' }),
        ]),
      )
    })

    it('goes on while Vault is sealed, stays ready, and says what is needed', async () => {
      await secrets.seal()
      const { body } = await problem('ERR_VAULT_SEALED', 503, call('admin', 'POST', '/keyring/vault/sync'))
      expect(body['message']).toMatch(/is sealed/)
      expect(await call('admin', 'GET', '/keyring')).toMatchObject({ status: 200 })
      expect(await call('admin', 'POST', '/keyrings/default/encrypt', { plaintext: 'x' })).toMatchObject({
        status: 200,
      })
      expect(await call(null, 'GET', '/readyz')).toMatchObject({ status: 200 })
      expect((await call('admin', 'GET', '/keyrings/default')).body).toMatchObject({
        last_error: { code: 'ERR_VAULT_SEALED', since: expect.any(String) },
        needed: [expect.stringMatching(/Unseal/)],
      })
    })
  })
}
