/** Requests that were tampered with, at the whole of the HTTP surface: a thousand here, as many as `FUZZ` says on demand. */
import { beforeAll, expect, it } from 'vitest'
import { toBase64, utf8 } from '../../src/core/bytes.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { PLAIN_SYNC, keyringOn, world } from '../support/authority.ts'
import { httpOn } from '../support/http.ts'

const ROUNDS = Number(process.env['FUZZ'] ?? 1000)
/** What every value here was before it was encrypted, and so may be in no answer but to a value as it was made. */
const CANARY = 'canary-5f1d'
const CHARACTERS = Array.from('{}[]":,\\/ 0e9-+.truefalsn\u0000é\uFEFF%&=?#')
const ODD = [
  null,
  true,
  0,
  -1,
  1e308,
  '',
  'x',
  '\u0000',
  '\uD800',
  [],
  {},
  [[]],
  { __proto__: null },
  'A'.repeat(70_000),
]
const METHODS = ['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'POST', 'constructor', '__PROTO__']
const TYPES = [
  '',
  'application/json; charset=x',
  'application/x-www-form-urlencoded',
  'application/octet-stream',
  'text/plain',
  '/',
  ';',
]

const below = (limit: number): number => Math.floor(Math.random() * limit)
const oneOf = <T>(list: readonly T[]): T => list[below(list.length)] ?? expect.unreachable()

interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Made {
  readonly ciphertext: string
  readonly context: string
}

const JSON_TYPE = { 'content-type': 'application/json' }
const post = (verb: string, body: object): Asked => ({
  method: 'POST',
  path: `/keyrings/default/${verb}`,
  headers: JSON_TYPE,
  body: JSON.stringify(body),
})
const raw = (verb: string, body: string, context: string): Asked => ({
  method: 'POST',
  path: `/keyrings/default/${verb}`,
  headers: { 'content-type': 'application/octet-stream', 'keyring-context': toBase64(utf8(context)) },
  body,
})

let answers: (asked: Asked) => Promise<{ status: number; text: string }>
let made: readonly Made[]

beforeAll(async () => {
  const keyring = await keyringOn(world(['k1:1', 'k2:2']))
  await keyring.sync(PLAIN_SYNC)
  const { clock } = world([])
  const named = (name: string) => {
    if (name === 'default') return keyring
    throw new KeyringError('ERR_KEYRING_NOT_FOUND', 'There is no such keyring.')
  }
  const http = httpOn({ keyring: named, clock })
  answers = async ({ method, path, headers, body }) => {
    const bodied = method === 'GET' || method === 'HEAD' ? {} : { body }
    const answer = await http.fetch(new Request(`http://localhost${path}`, { method, headers, ...bodied }))
    return { status: answer.status, text: await answer.text() }
  }
  made = await Promise.all(
    Array.from({ length: 20 }, async (_, at) => {
      const context = `table/${at}`
      const { ciphertext } = await keyring.encrypt(`${CANARY} ${at}`, utf8(context))
      return { ciphertext, context }
    }),
  )
})

const requests = (): readonly Asked[] => {
  const [one, two] = [oneOf(made), oneOf(made)]
  return [
    post('encrypt', { plaintext: CANARY, context: 'a' }),
    post('encrypt', { items: [{ plaintext: CANARY }, { plaintext: toBase64(utf8(CANARY)), encoding: 'base64' }] }),
    post('decrypt', one),
    post('decrypt', { ciphertext: one.ciphertext, context_base64: toBase64(utf8(one.context)), encoding: 'base64' }),
    post('decrypt', { items: [one, two] }),
    post('rewrap', one),
    post('rewrap', { items: [one, two] }),
    raw('encrypt', CANARY, 'a'),
    raw('decrypt', one.ciphertext, one.context),
    raw('rewrap', one.ciphertext, one.context),
    { method: 'GET', path: '/keyring', headers: {}, body: '' },
    { method: 'GET', path: '/keyrings/default', headers: {}, body: '' },
    post('rotate', { dry_run: true }),
    post('sync', { force: false }),
    post('remove', { id: 'k1', force: false }),
    { ...post('', { references: ['{vault://hcv/a/b}'] }), path: '/secrets/resolve' },
  ]
}

/** Changes one value somewhere in what is JSON. */
function inJson(body: string, change: (value: unknown) => unknown): string {
  let left = below(12)
  const walk = (value: unknown): unknown => {
    if ((left -= 1) === 0 || typeof value !== 'object' || value === null) return left <= 0 ? change(value) : value
    if (Array.isArray(value)) return value.map(walk)
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, walk(each)]))
  }
  try {
    return JSON.stringify(walk(JSON.parse(body))) ?? 'undefined'
  } catch {
    return body
  }
}

function inText(text: string): string {
  const at = below(text.length + 1)
  return text.slice(0, at) + oneOf(CHARACTERS) + text.slice(at + below(3))
}

const MUTATIONS: readonly ((asked: Asked, other: Asked) => Asked)[] = [
  (asked) => ({ ...asked, body: inText(asked.body) }),
  (asked) => ({ ...asked, body: asked.body.slice(0, below(asked.body.length + 1)) }),
  (asked, other) => ({
    ...asked,
    body: asked.body.slice(0, below(asked.body.length)) + other.body.slice(below(other.body.length)),
  }),
  (asked) => ({ ...asked, body: inJson(asked.body, () => oneOf(ODD)) }),
  (asked) => ({
    ...asked,
    body: inJson(asked.body, (value) => (typeof value === 'string' ? inText(value) : [value, value])),
  }),
  (asked) => ({
    ...asked,
    body: inJson(asked.body, (value) => ({ ...Object(value), [oneOf(['items', '__proto__', 'x', ''])]: value })),
  }),
  (asked, other) => ({ ...asked, body: other.body }),
  (asked, other) => ({ ...asked, path: other.path }),
  (asked) => ({ ...asked, path: `/${encodeURI(inText(asked.path.slice(1))).replaceAll('#', '%23')}` }),
  (asked) => ({ ...asked, path: `${asked.path}?${encodeURI(inText('force=true&a=b'))}` }),
  (asked) => ({ ...asked, method: oneOf(METHODS) }),
  (asked) => ({ ...asked, headers: { ...asked.headers, 'content-type': oneOf(TYPES) } }),
  (asked) => ({
    ...asked,
    headers: { ...asked.headers, 'content-length': oneOf(['0', '-1', '9', '99999999999', 'x']) },
  }),
  (asked) => ({
    ...asked,
    headers: { ...asked.headers, 'keyring-context': oneOf(['', '=', 'YQ==', 'YR==', '!'.repeat(9000)]) },
  }),
]

/** Whether some value in the request is as it was made, in the context that it was made for. */
const hasWhole = ({ body, headers }: Asked): boolean =>
  made.some(({ ciphertext, context }) => {
    if (!body.includes(ciphertext)) return false
    const inBase64 = toBase64(utf8(context))
    return headers['keyring-context'] === inBase64 || body.includes(context) || body.includes(inBase64)
  })

it(
  `${ROUNDS} requests that were tampered with are no defect, and get nothing that was encrypted`,
  { timeout: 20_000 + ROUNDS },
  async () => {
    const seen = new Map<number, number>()
    for (let round = 0; round < ROUNDS; round += 1) {
      let asked = oneOf(requests())
      for (let times = 1 + below(3); times > 0; times -= 1) asked = oneOf(MUTATIONS)(asked, oneOf(requests()))
      const { status, text } = await answers(asked)
      seen.set(status, (seen.get(status) ?? 0) + 1)
      const gives = text.includes(CANARY) || text.includes(toBase64(utf8(CANARY)).slice(0, 12))
      if (status >= 500 || (gives && !hasWhole(asked)))
        expect.fail(`${status} ${text.slice(0, 300)} for ${JSON.stringify(asked).slice(0, 2000)}`)
    }
    expect([...seen.keys()]).toEqual(expect.arrayContaining([200, 400, 404, 405, 413, 415]))
  },
)
