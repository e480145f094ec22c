/** What a request may weigh: bodies are counted as they come, and what encrypt takes decrypt gives back, however it is written. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  MAX_ANSWER_BYTES,
  MAX_BATCH_BYTES,
  MAX_BATCH_ITEMS,
  MAX_CONTEXT_BYTES,
  MAX_HEADER_CONTEXT_BYTES,
  MAX_PLAINTEXT_BYTES,
  MAX_RAW_BYTES,
  MAX_REQUEST_BODY_BYTES,
} from '../../src/core/limits.ts'
import { PLAIN_SYNC, keyringOn, world } from '../support/authority.ts'
import { httpOn } from '../support/http.ts'

const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'
/** Of the longest kind, so that the limits hold for every key. */
const KEY_ID = 'k'.repeat(64)
const CHUNK = 64 * 1024

let app: ReturnType<typeof httpOn>

beforeAll(async () => {
  const on = world([`${KEY_ID}:1`])
  const keyring = await keyringOn(on)
  await keyring.sync(PLAIN_SYNC)
  app = httpOn({ keyring: () => keyring, clock: on.clock })
})

async function send(path: string, type: string, body: string | ReadableStream) {
  const length: Record<string, string> =
    typeof body === 'string' ? { 'content-length': `${Buffer.byteLength(body)}` } : {}
  const init = { method: 'POST', headers: { 'content-type': type, ...length }, body, duplex: 'half' } as RequestInit
  const response = await app.fetch(new Request(`http://localhost/keyrings/default/${path}`, init))
  const text = await response.text()
  return { status: response.status, text, body: JSON.parse(text) as Record<string, string> }
}

describe('a body of no stated length', () => {
  const chunked = (plaintext: string) => {
    const bytes = new TextEncoder().encode(JSON.stringify({ plaintext }))
    const body = new ReadableStream({
      start(controller) {
        for (let start = 0; start < bytes.length; start += CHUNK)
          controller.enqueue(bytes.subarray(start, start + CHUNK))
        controller.close()
      },
    })
    return send('encrypt', JSON_TYPE, body)
  }

  it('is taken as it comes in chunks', async () => {
    expect(await chunked('x'.repeat(3 * CHUNK))).toMatchObject({ status: 200, body: { key_id: KEY_ID } })
  })

  it('is refused when it grows over the limit', async () => {
    expect(await chunked('x'.repeat(MAX_REQUEST_BODY_BYTES))).toMatchObject({
      status: 413,
      body: { code: 'ERR_BODY_TOO_LARGE' },
    })
  })
})

it.each(['NaN', '-1', '1e3', '5x', 'Infinity', '', '5'])(
  'a body that is too large is refused whatever its length is said to be: "%s"',
  async (length) => {
    const body = JSON.stringify({ plaintext: 'x'.repeat(MAX_REQUEST_BODY_BYTES) })
    const headers = { 'content-type': JSON_TYPE, 'content-length': length }
    const init = { method: 'POST', headers, body }
    const response = await app.fetch(new Request('http://localhost/keyrings/default/encrypt', init))
    expect([response.status, await response.json()]).toMatchObject([413, { code: 'ERR_BODY_TOO_LARGE', field: 'body' }])
  },
)

describe('what was encrypted is decrypted', () => {
  type Fields = Readonly<Record<string, string>>
  /** As clients write bodies: JSON as it is, in ASCII alone, over many lines; a form. */
  const WRITERS: Readonly<Record<string, (fields: Fields) => readonly [type: string, body: string]>> = {
    json: (fields) => [JSON_TYPE, JSON.stringify(fields)],
    ascii: (fields) => [
      JSON_TYPE,
      JSON.stringify(fields).replace(
        /[^\x20-\x7e]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      ),
    ],
    pretty: (fields) => [JSON_TYPE, JSON.stringify(fields, null, '\t')],
    form: (fields) => [FORM_TYPE, new URLSearchParams(fields).toString()],
  }
  const writers = fc.constantFrom(...Object.keys(WRITERS))
  const ENCODINGS = ['text', 'base64'] as const
  type Encoding = (typeof ENCODINGS)[number]
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const plaintextOf = (text: string, encoding: Encoding): Fields => ({
    plaintext: encoding === 'text' ? text : base64(text),
    encoding,
  })
  const contextOf = (text: string, encoding: Encoding): Fields =>
    encoding === 'text' ? { context: text } : { context_base64: base64(text) }
  const post = (path: string, writer: string, fields: Fields) => {
    const [type, body] = WRITERS[writer]?.(fields) ?? []
    return send(path, type ?? '', body ?? '')
  }

  /** Forms have no lists. */
  async function sendItems(path: string, items: readonly Fields[]) {
    const answer = await send(path, JSON_TYPE, JSON.stringify({ items }))
    return { ...answer, items: answer.body['items'] as unknown as Record<string, string>[] }
  }

  async function decryptsAll(ciphertext: string, text: string, context: string): Promise<void> {
    for (const writer of Object.keys(WRITERS))
      for (const encoding of ENCODINGS)
        for (const contextEncoding of ENCODINGS) {
          const fields = { ciphertext, encoding, ...contextOf(context, contextEncoding) }
          const answer = await post('decrypt', writer, fields)
          expect(answer.status, `${writer} ${encoding} ${contextEncoding}`).toBe(200)
          expect(answer.body['plaintext'] === plaintextOf(text, encoding)['plaintext']).toBe(true)
          expect(Buffer.byteLength(JSON.stringify({ body: answer.text }))).toBeLessThan(MAX_ANSWER_BYTES)
        }
  }

  /** Characters that one encoding or another makes long: of 1 to 4 bytes, controls, quotes, what base64 and forms escape. */
  const units = fc.constantFrom('x', '\u0001', '"', '\\', '\n', '+', '%', 'é', '\u2028', '語', '🌍')
  /** Of whole characters, in as many bytes as fit. */
  const filled = (unit: string, bytes: number) => unit.repeat(Math.floor(bytes / Buffer.byteLength(unit)))
  const encodings = fc.constantFrom(...ENCODINGS)
  const near = (limit: number) =>
    fc.oneof(fc.integer({ min: limit - 8, max: limit + 8 }), fc.integer({ min: 0, max: MAX_REQUEST_BODY_BYTES }))

  it('in every encoding and every way to write a body, or it was not encrypted', { timeout: 120_000 }, async () => {
    const wholes = fc.tuple(units, near(MAX_PLAINTEXT_BYTES)).map(([unit, bytes]) => filled(unit, bytes))
    const contexts = fc.tuple(units, near(MAX_CONTEXT_BYTES)).map(([unit, bytes]) => filled(unit, bytes))
    await fc.assert(
      fc.asyncProperty(wholes, encodings, contexts, encodings, writers, async (text, encoding, context, of, writer) => {
        const made = await post('encrypt', writer, { ...plaintextOf(text, encoding), ...contextOf(context, of) })
        expect([200, 413]).toContain(made.status)
        if (made.status === 200) await decryptsAll(made.body['ciphertext'] ?? '', text, context)
        else expect(made.body['code']).toBe('ERR_BODY_TOO_LARGE')
      }),
      { numRuns: 40, examples: [['x'.repeat(800_000), 'text', '', 'text', 'json']] },
    )
  })

  it.each([
    ['text', 'x', 'x'],
    ['nothing but control characters, in a context of such', '\u0001', '\u0001'],
  ])('at its largest: %s', { timeout: 60_000 }, async (_name, unit, contextUnit) => {
    const [text, context] = [unit.repeat(MAX_PLAINTEXT_BYTES), contextUnit.repeat(MAX_CONTEXT_BYTES)]
    const made = await post('encrypt', 'json', { ...plaintextOf(text, 'base64'), context })
    expect(made.status).toBe(200)
    await decryptsAll(made.body['ciphertext'] ?? '', text, context)
  })

  it.each<[string, number, string, number, Encoding, string, number]>([
    ['short texts', MAX_BATCH_ITEMS, 'x', 32, 'text', 'c', 16],
    ['texts of 1 KiB', 1000, 'x', 1024, 'text', 'c', 64],
    ['quotes', 100, '"', 9000, 'text', '"', 100],
    ['control characters', 24, '\u0001', 32_000, 'base64', '\u0001', 4000],
    ['two characters of 400,000 bytes', 2, 'é', 400_000, 'base64', '', 0],
  ])('in a batch, too: %s', { timeout: 60_000 }, async (_name, times, unit, bytes, encoding, of, long) => {
    const [text, context] = [filled(unit, bytes), filled(of, long)]
    const items = Array.from({ length: times }, () => ({ ...plaintextOf(text, encoding), context }))
    const made = await sendItems('encrypt', items)
    expect(made.status).toBe(200)
    for (const asked of ENCODINGS) {
      const opened = await sendItems(
        'decrypt',
        made.items.map(({ ciphertext = '' }) => ({ ciphertext, context, encoding: asked })),
      )
      expect([opened.status, opened.items.length]).toEqual([200, times])
      const wanted = plaintextOf(text, asked)['plaintext']
      expect(opened.items.every(({ plaintext }) => plaintext === wanted)).toBe(true)
      expect(Buffer.byteLength(JSON.stringify({ body: opened.text }))).toBeLessThan(MAX_ANSWER_BYTES)
    }
  })

  it.each<[string, number, string, number, string, number]>([
    ['its answer', 30, '\u0001', 32_000, '', 0],
    ['its request', 600, 'x', 64, '\u0001', 1200],
  ])('and a batch is not encrypted when %s would be too large', async (_name, times, unit, bytes, of, long) => {
    const item = { ...plaintextOf(filled(unit, bytes), 'base64'), context_base64: base64(filled(of, long)) }
    const refused = await sendItems(
      'encrypt',
      Array.from({ length: times }, () => item),
    )
    expect(refused).toMatchObject({ status: 413, body: { code: 'ERR_BODY_TOO_LARGE', field: 'items' } })
  })

  it('as docs/api.md says', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/api.md'), 'utf8')
    const { answered } = MAX_BATCH_BYTES
    const bodies = [MAX_REQUEST_BODY_BYTES, MAX_ANSWER_BYTES, answered, MAX_BATCH_ITEMS]
    const values = [MAX_CONTEXT_BYTES, MAX_HEADER_CONTEXT_BYTES, MAX_PLAINTEXT_BYTES, MAX_RAW_BYTES]
    for (const limit of [...bodies, ...values]) expect(page).toContain(limit.toLocaleString('en'))
  })

  it.each([
    ['plaintext', MAX_PLAINTEXT_BYTES + 1, 0, `Encrypt in parts of at most ${MAX_PLAINTEXT_BYTES} bytes.`],
    ['context', 0, MAX_CONTEXT_BYTES + 1, 'Use a shorter context.'],
  ])('and a byte more of %s is not encrypted', async (field, plaintext, context, remedy) => {
    const fields = { plaintext: 'x'.repeat(plaintext), context: 'x'.repeat(context) }
    expect(await post('encrypt', 'json', fields)).toMatchObject({
      status: 413,
      body: {
        code: 'ERR_BODY_TOO_LARGE',
        field,
        limit: plaintext + context - 1,
        remedy,
      },
    })
  })
})
