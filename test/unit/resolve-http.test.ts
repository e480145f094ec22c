/** References over HTTP: batches, grants, what caches are told, what the audit log has, and what a caller can never cause. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { AuditEvent } from '../../src/core/ports.ts'
import { auditLine } from '../../src/core/lines.ts'
import { Secrets } from '../../src/secrets/secrets.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { knownEntities } from '../../src/config/entity.ts'
import { httpOn } from '../support/http.ts'
import { outage, secretWorld } from '../support/secrets.ts'

const PASS = '{vault://hcv/password/pass1}'
const VIEW = { name: 'hcv', prefix: 'hcv', description: null, tags: [], config: { host: 'vault.example' } }

let on: ReturnType<typeof secretWorld>
let events: AuditEvent[]
let grants: string[]
let caller: string
let fetch: ReturnType<typeof httpOn>['fetch']

beforeEach(() => {
  on = secretWorld()
  on.vault.answers.set('password', { pass1: 'one', pass2: 'canary-value' })
  events = []
  grants = ['admin']
  caller = 'test'
  fetch = appOn(on.secrets).fetch
})

const appOn = (secrets: Secrets) =>
  httpOn({
    authenticate: (presented) => (presented === null ? null : { name: caller, grants: new Set(grants) }),
    keyring: () => expect.unreachable('No keyring is needed.'),
    vaults: { secrets, views: [VIEW], overview: null },
    audit: { note: (event) => void events.push(event), commit: async () => {} },
    clock: on.clock,
  })

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown> & { secrets?: Record<string, unknown>[] }
}

async function call(method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(
    new Request(`http://localhost${path}`, {
      method,
      headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    }),
  )
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Answer['body'],
  }
}
const resolve = (...references: string[]) => call('POST', '/secrets/resolve', { references })
const codes = ({ body }: Answer) =>
  body.secrets?.map((one) => (one['error'] as { code: string } | undefined)?.code ?? 'ok')

describe('POST /secrets/resolve', () => {
  it('gives values in their order, and says why there is none', async () => {
    on.vault.answers.set('closed', 'forbidden')
    const answer = await resolve(
      PASS,
      '{vault://hcv/closed/a}',
      'no reference',
      '{vault://other/a}',
      '{vault://hcv/x/y}',
    )
    expect(answer.status).toBe(200)
    expect(answer.body.secrets?.[0]).toEqual({ reference: PASS, value: 'one' })
    expect(codes(answer)).toEqual([
      'ok',
      'ERR_SECRET_FORBIDDEN',
      'ERR_REFERENCE_INVALID',
      'ERR_REFERENCE_VAULT_UNKNOWN',
      'ERR_SECRET_NOT_FOUND',
    ])
    for (const { error } of answer.body.secrets?.slice(1) ?? [])
      expect(error).toMatchObject({ message: expect.stringMatching(/\.$/), remedy: expect.stringMatching(/\.$/) })
  })

  it('says with X-Cache and Age how old the oldest is, and the worst of all', async () => {
    const first = await resolve(PASS)
    expect([first.headers.get('x-cache'), first.headers.get('age')]).toEqual(['MISS', '0'])
    const second = await resolve(PASS)
    expect(second.headers.get('x-cache')).toBe('HIT')
    on.vault.answers.set('password', outage())
    on.vault.answers.set('other', { a: 'b' })
    on.clock.time += 70_000
    const third = await resolve('{vault://hcv/other/a}', PASS)
    expect([third.headers.get('x-cache'), third.headers.get('age')]).toEqual(['STALE', '70'])
    const none = await resolve('{vault://hcv/none/a}')
    expect([none.headers.get('x-cache'), none.headers.get('age')]).toEqual([null, null])
    expect(none.headers.get('cache-control')).toBe('no-store')
  })

  it.each<[string, object]>([
    ['no references', {}],
    ['an empty list', { references: [] }],
    ['a text', { references: PASS }],
    ['what is no text', { references: [PASS, 7] }],
    ['half a character', { references: ['{vault://hcv/\ud800/a}'] }],
    ['too many', { references: Array.from({ length: 1001 }, () => PASS) }],
    ['a field more', { references: [PASS], path: 'x' }],
  ])('refuses %s', async (_name, body) => {
    expect(await call('POST', '/secrets/resolve', body)).toMatchObject({
      status: 400,
      body: { code: 'ERR_REQUEST_INVALID' },
    })
    expect(on.vault.asked).toEqual([])
  })

  it('takes 1,000 references, and asks once for each secret', async () => {
    const texts = Array.from({ length: 1000 }, (_, at) => `{vault://hcv/s${at % 100}/f${at}}`)
    for (let at = 0; at < 100; at += 1)
      on.vault.answers.set(
        `s${at}`,
        Object.fromEntries(Array.from({ length: 10 }, (_, row) => [`f${row * 100 + at}`, 'x'])),
      )
    expect(new Set(codes(await resolve(...texts)))).toEqual(new Set(['ok']))
    expect(on.vault.asked).toHaveLength(100)
  })

  it('does not answer with more than a platform can carry', async () => {
    on.vault.answers.set('long', { a: 'x'.repeat(240_000) })
    const long = '{vault://hcv/long/a}'
    expect((await resolve(long)).status).toBe(200)
    expect(await resolve(long, long, long, long)).toMatchObject({
      status: 413,
      body: { code: 'ERR_BODY_TOO_LARGE' },
    })
    expect(events.slice(1)).toMatchObject([{ vault: 'hcv', count: 4, outcome: 'failed', code: 'ERR_BODY_TOO_LARGE' }])
  })

  it('says of a secret that is too large to be kept that it is, and others have theirs', async () => {
    on.vault.answers.set('huge', { a: 'x'.repeat(400_000) })
    expect(codes(await resolve('{vault://hcv/huge/a}', PASS))).toEqual(['ERR_SECRET_UNUSABLE', 'ok'])
    expect(codes(await resolve('{vault://hcv/huge/a}'))).toEqual(['ERR_SECRET_UNUSABLE'])
  })

  it('leaves the vault and the count in the audit log, neither references nor values', async () => {
    await resolve(
      PASS,
      '{vault://hcv/password/pass2}',
      '{vault://canary-vault/canary-name/a}',
      '{vault://hcv/canary-secret/a}',
    )
    expect(events.map(({ action, vault, count, outcome, code }) => [action, vault, count, outcome, code])).toEqual([
      ['resolve', 'hcv', 2, 'ok', null],
      ['resolve', undefined, 1, 'failed', 'ERR_REFERENCE_VAULT_UNKNOWN'],
      ['resolve', 'hcv', 1, 'failed', 'ERR_SECRET_NOT_FOUND'],
    ])
    expect(events.map(auditLine).join('\n')).not.toMatch(/canary|password/)
  })
})

it('a caller who floods a vault with new references leaves a share to the others', async () => {
  const made = (from: number) => Array.from({ length: 1000 }, (_, at) => `{vault://hcv/made-up-${from + at}/a}`)
  expect(new Set(codes(await resolve(...made(0))))).toEqual(new Set(['ERR_SECRET_NOT_FOUND']))
  expect((await resolve(...made(1000))).status).toBe(429)
  caller = 'another'
  expect(codes(await resolve(PASS))).toEqual(['ok'])
})

describe('a caller with grants for some references', () => {
  beforeEach(() => {
    grants = ['resolve:hcv/password/*']
  })

  it('gets those, also when another caller has had the rest resolved', async () => {
    on.vault.answers.set('other', { a: 'secret of others' })
    grants = ['admin']
    await resolve('{vault://hcv/other/a}')
    grants = ['resolve:hcv/password/*']
    const answer = await resolve(PASS, '{vault://hcv/other/a}')
    expect(codes(answer)).toEqual(['ok', 'ERR_FORBIDDEN'])
    expect(JSON.stringify(answer.body)).not.toContain('secret of others')
  })

  it.each([
    ['that exists', '{vault://hcv/other/a}'],
    ['that does not', '{vault://hcv/nothing/a}'],
    ['of a vault that does not', '{vault://nowhere/password/pass1}'],
    ['with dots that lead elsewhere', '{vault://hcv/password/../other/a}'],
    ['with dots in another spelling', '{vault://hcv/password%252F..%252Fother/a}'],
    ['with a slash in another spelling', '{vault://hcv/password%252Fother/pass1}'],
    ['to the whole secret', '{vault://hcv/password/}'],
  ])('is told the same of one %s, and nobody is asked', async (_name, text) => {
    on.vault.answers.set('other', { a: 'b' })
    on.vault.answers.set('password/other', { pass1: 'b' })
    const { body } = await resolve(text)
    expect(body.secrets).toEqual([
      {
        reference: text,
        error: {
          code: 'ERR_FORBIDDEN',
          message: 'No grant covers this reference.',
          remedy: 'Ask for a grant resolve:<pattern> that covers it (KEYRING_API_TOKENS).',
        },
      },
    ])
    expect(on.vault.asked).toEqual([])
    expect(events).toMatchObject([{ outcome: 'refused', code: 'ERR_FORBIDDEN' }])
  })

  it('of files are written as their references are', async () => {
    on.vault.answers.set('db/password.txt', 'one')
    on.vault.answers.set('db/all.json', { a: 'two' })
    grants = ['resolve:hcv/db/password.txt', 'resolve:hcv/*/all.json/a']
    const [files] = knownEntities({ KONG_VAULT_FS_PREFIX: '/secrets' }, 'node').entities
    const { secrets } = on.instance(files && { split: files.split })
    fetch = appOn(secrets).fetch
    const texts = ['password.txt', 'all.json/a', 'all.json', 'other.txt', 'x%252F..%252Fpassword.txt']
    const answer = await resolve(...texts.map((text) => `{vault://hcv/db/${text}}`))
    expect(codes(answer)).toEqual(['ok', 'ok', 'ERR_FORBIDDEN', 'ERR_FORBIDDEN', 'ERR_FORBIDDEN'])
  })

  it.each([
    ['POST', '/secrets/resolve', ['read', 'decrypt', 'refresh']],
    ['GET', '/secrets', ['read', 'resolve:**']],
    ['GET', '/vaults', ['resolve:**', 'read:default', 'read:hcv']],
    ['GET', '/vaults/hcv', ['resolve:**', 'read:hcv']],
    ['GET', '/vaults/%2e%2e/secrets', ['read', 'resolve:**']],
  ])('may not %s %s with %s', async (method, path, given) => {
    grants = given
    expect(await call(method, path)).toMatchObject({ status: 403, body: { code: 'ERR_FORBIDDEN' } })
  })
})

describe('a refresh by force', () => {
  const refresh = (...references: string[]) => call('POST', '/secrets/resolve', { references, refresh: true })

  it('asks for what is fresh, at most once in 10 s for each vault', async () => {
    await resolve(PASS)
    on.vault.answers.set('password', { pass1: 'two' })
    expect((await refresh(PASS)).body.secrets).toMatchObject([{ value: 'two' }])
    on.clock.time += 4000
    const limited = await refresh(PASS)
    expect(limited).toMatchObject({ status: 429, body: { code: 'ERR_RATE_LIMITED', retryAfterSeconds: 6 } })
    expect(limited.headers.get('retry-after')).toBe('6')
    expect(events.at(-1)).toMatchObject({ vault: 'hcv', count: 1, outcome: 'failed', code: 'ERR_RATE_LIMITED' })
    const mixed = await refresh(PASS, '{vault://other/a}')
    expect([mixed.status, mixed.headers.get('retry-after'), ...(codes(mixed) ?? [])]).toEqual([
      200,
      '6',
      'ERR_RATE_LIMITED',
      'ERR_REFERENCE_VAULT_UNKNOWN',
    ])
    on.clock.time += 6000
    expect((await refresh(PASS)).status).toBe(200)
    expect(on.vault.asked).toHaveLength(3)
  })

  it.each([
    [['resolve:**'], 'ERR_FORBIDDEN'],
    [['resolve:**', 'refresh:other'], 'ERR_FORBIDDEN'],
    [['refresh'], null],
    [['resolve:**', 'refresh:hcv'], 'ok'],
    [['resolve:**', 'refresh'], 'ok'],
  ])('with %s gives %s', async (given, expected) => {
    grants = given
    const answer = await refresh(PASS)
    expect(expected === null ? answer.body['code'] : codes(answer)?.[0]).toBe(expected ?? 'ERR_FORBIDDEN')
    const [first] = (answer.body.secrets ?? []) as { error?: { remedy: string } }[]
    if (first?.error) expect(first.error.remedy).toMatch(/^Ask for a grant refresh\b/)
    expect(events.at(-1)?.facts).toEqual(expected === null ? undefined : { refresh: true })
  })
})

describe('GET /vaults', () => {
  it('shows vaults as Kong does', async () => {
    expect((await call('GET', '/vaults')).body).toEqual({ data: [VIEW], next: null })
    expect((await call('GET', '/vaults/hcv')).body).toEqual(VIEW)
    expect(await call('GET', '/vaults/none')).toMatchObject({
      status: 404,
      body: { code: 'ERR_REFERENCE_VAULT_UNKNOWN', message: 'There is no vault of that prefix.' },
    })
  })

  it('cannot be written', async () => {
    expect(await call('POST', '/vaults')).toMatchObject({ status: 405, body: { code: 'ERR_METHOD_NOT_ALLOWED' } })
  })
})

describe('GET /secrets', () => {
  it('shows what is kept, never a value', async () => {
    await resolve(PASS, '{vault://hcv/gone/a}', '{vault://hcv/app/db/x#3}')
    on.vault.answers.set('password', outage())
    on.clock.time += 61_000
    await resolve(PASS)
    const { body } = await call('GET', '/secrets')
    expect(body['next']).toBeNull()
    expect(JSON.stringify(body)).not.toMatch(/canary|"one"/)
    const kept = new Map(body.secrets?.map((one) => [one['reference'], one]))
    expect(kept.get('{vault://hcv/password/}')).toEqual({
      reference: '{vault://hcv/password/}',
      version: null,
      found: 'secret',
      age: 61,
      next_refresh: new Date(on.clock.time + 1000).toISOString(),
      last_error: {
        code: 'ERR_VAULT_UNREACHABLE',
        message: 'Vault cannot be reached.',
        since: new Date(on.clock.time).toISOString(),
        failures: 1,
      },
    })
  })

  it('shows nothing that was kept for other settings of the vault', async () => {
    await resolve(PASS)
    fetch = appOn(on.instance({ identity: 'elsewhere' }).secrets).fetch
    expect((await call('GET', '/secrets')).body).toEqual({ secrets: [], next: null })
  })

  it('has no empty page before the last one, whatever was kept for other settings or of other vaults', async () => {
    const { items, clock, keepers, sealer, entity, instance } = on
    const names = Array.from({ length: 250 }, (_, at) => `{vault://hcv/s${at}/a}`)
    for (const name of names) on.vault.answers.set(name.slice(12, -3), { a: 'x' })
    await instance({ identity: 'elsewhere' }).secrets.resolve(names)
    await resolve(PASS)
    const authority = distantAuthority(async (message) =>
      'vault' in message && message.vault === 'hcv'
        ? keepers.call(message)
        : { ok: true, value: { secrets: [], next: null } },
    )
    const entities = new Map(['aws', 'fs', 'hcv', 'mine'].map((prefix) => [prefix, { ...entity, prefix }]))
    fetch = appOn(new Secrets({ authority, clock, sealer, entities, freshMs: 0 })).fetch
    expect(items.size()).toBe(251)
    const first = (await call('GET', '/secrets')).body
    expect(first.secrets).toMatchObject([{ reference: '{vault://hcv/password/}' }])
    const second = (await call('GET', `/secrets?after=${encodeURIComponent(String(first['next']))}`)).body
    expect(second).toEqual({ secrets: [], next: null })
  })

  it('comes in pages', async () => {
    await resolve(...Array.from({ length: 250 }, (_, at) => `{vault://hcv/s${at}/a}`))
    const seen: unknown[] = []
    let after = ''
    for (let page = 0; page < 3; page += 1) {
      const { body } = await call('GET', `/secrets?after=${encodeURIComponent(after)}`)
      seen.push(...(body.secrets ?? []).map(({ reference }) => reference))
      after = String(body['next'] ?? '')
    }
    expect([new Set(seen).size, seen.length, after]).toEqual([250, 250, ''])
  })
})
