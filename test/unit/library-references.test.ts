/** References in the process: what is asked, how often, and what serves while nobody answers. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { runInNewContext } from 'node:vm'
import { describe, expect, it, vi } from 'vitest'
import { testKeyring } from '../../functions/node-shared/testing.ts'
import type { Result } from '../../src/core/errors.ts'
import { KeyringError, refusal } from '../../src/core/errors.ts'
import { honoSecrets, lambdaSecrets } from '../../src/library/middleware.ts'
import { openReferences } from '../../src/library/open-references.ts'
import type { ReferenceService } from '../../src/library/references.ts'
import { References } from '../../src/library/references.ts'

const DB = '{vault://hcv/db/password}'
const MAIL = '{vault://hcv/mail/password}'

/** A deployment with these secrets, and a clock. */
function opened(
  secrets = new Map([
    [DB, 'one'],
    [MAIL, 'mail'],
  ]),
) {
  const state = { now: 0, isDown: false, asked: [] as { references: readonly string[]; refresh: boolean }[] }
  const valueOf = (reference: string): Result<{ value: string }> => {
    const value = secrets.get(reference)
    return value === undefined ? refusal('ERR_SECRET_NOT_FOUND', 'There is none.') : { ok: true, value: { value } }
  }
  const service: ReferenceService = {
    async resolve(asked) {
      state.asked.push(asked)
      if (state.isDown) return refusal('ERR_AUTHORITY_UNAVAILABLE', 'Down.')
      return { ok: true, value: asked.references.map(valueOf) }
    },
  }
  return { references: new References({ service, kept: null, clock: { now: () => state.now } }), secrets, state }
}

describe('references', () => {
  it('of one question are those of another one under way only where both ask for the same', async () => {
    const { references } = opened()
    const both = references.resolveAll([DB, MAIL])
    await expect(references.resolve(DB + MAIL)).rejects.toMatchObject({ code: 'ERR_SECRET_NOT_FOUND' })
    expect(await both).toEqual(['one', 'mail'])
  })

  it('that are no text are refused here, and spoil nothing that is asked with them', async () => {
    const { references, state } = opened()
    const refused = expect.objectContaining({ code: 'ERR_REFERENCE_INVALID' })
    references.onUpdate([DB, null as never], () => {})
    await references.look()
    expect(state.asked).toEqual([{ references: [DB], refresh: false }])
    for (const none of [undefined, 1n, Symbol('x')] as never[])
      await expect(references.resolve(none)).rejects.toEqual(refused)
    await expect(references.refresh({ db: DB, mail: 5 as never })).rejects.toEqual(refused)
    expect(state.asked.slice(1)).toEqual([{ references: [DB], refresh: true }])
    expect(await references.resolve(DB)).toBe('one')
  })

  it('say that they were closed', async () => {
    const { references, state } = opened()
    await references.resolve(DB)
    await references.close()
    await references.close()
    const closed = expect.objectContaining({ code: 'ERR_STORE_UNAVAILABLE', message: 'The references were closed.' })
    await expect(references.resolve(DB)).rejects.toEqual(closed)
    await expect(references.refresh({ db: DB })).rejects.toEqual(closed)
    expect(state.asked).toHaveLength(1)
  })

  it('are asked for once a minute', async () => {
    const { references, secrets, state } = opened()
    expect(await references.resolve(DB)).toBe('one')
    secrets.set(DB, 'two')
    state.now += 59_999
    expect(await references.resolve(DB)).toBe('one')
    state.now += 1
    expect(await references.resolve(DB)).toBe('two')
    expect(state.asked).toEqual([
      { references: [DB], refresh: false },
      { references: [DB], refresh: false },
    ])
  })

  it('serve on while nobody answers, and not when the vault says that there is none', async () => {
    const { references, secrets, state } = opened()
    await references.resolve(DB)
    state.now += 3_600_000
    state.isDown = true
    expect(await references.resolve(DB)).toBe('one')
    await expect(references.resolve(MAIL)).rejects.toMatchObject({ code: 'ERR_AUTHORITY_UNAVAILABLE' })
    state.isDown = false
    secrets.delete(DB)
    await expect(references.resolve(DB)).rejects.toMatchObject({ code: 'ERR_SECRET_NOT_FOUND' })
  })

  it('are replaced in a configuration, all of them by one question', async () => {
    const { references, state } = opened()
    const since = new Date(0)
    const given = { db: { password: DB, port: 5432 }, mail: [MAIL, { again: MAIL }], text: `x ${DB}`, since }
    expect(await references.resolveAll(given)).toEqual({
      db: { password: 'one', port: 5432 },
      mail: ['mail', { again: 'mail' }],
      text: `x ${DB}`,
      since,
    })
    expect([state.asked.length, given.db.password]).toEqual([1, DB])
    await expect(references.resolveAll({ a: '{vault://hcv/none/x}' })).rejects.toBeInstanceOf(KeyringError)
  })

  it('are asked for anew when a value was refused, and the work is done once more', async () => {
    const { references, secrets, state } = opened()
    await references.resolve(DB)
    secrets.set(DB, 'two')
    const tried: string[] = []
    const connect = ({ password }: { password: string }) => {
      tried.push(password)
      if (password === 'one') throw new Error('denied')
      return 'connected'
    }
    expect(await references.withSecret({ password: DB }, connect)).toBe('connected')
    expect([tried, state.asked.at(-1)]).toEqual([['one', 'two'], { references: [DB], refresh: true }])
  })

  it.each([
    ['has not changed', () => {}, undefined],
    ['was not what failed', (all: Map<string, string>) => void all.set(DB, 'two'), { refused: () => false }],
  ])('leave it at one try when the value %s', async (_why, change, options) => {
    const { references, secrets } = opened()
    await references.resolve(DB)
    change(secrets)
    let tries = 0
    const work = () => {
      tries += 1
      throw new Error('denied')
    }
    await expect(references.withSecret({ password: DB }, work, options)).rejects.toThrow('denied')
    expect(tries).toBe(1)
  })

  it('tell of new values, until nobody listens', async () => {
    const { references, secrets, state } = opened()
    const told: string[] = []
    const end = references.onUpdate([DB], (...news) => void told.push(news.join(' ')))
    for (const value of ['one', 'two', 'two', 'three']) {
      secrets.set(DB, value)
      state.now += 60_000
      await references.look()
      if (value === 'two') state.isDown = false
    }
    end()
    secrets.set(DB, 'four')
    state.now += 60_000
    await references.resolve(DB)
    expect(told).toEqual([`${DB} two`, `${DB} three`])
  })

  it('are walked through objects without a prototype, of other realms, and in circles', async () => {
    const { references } = opened()
    const bare: Record<string, unknown> = Object.create(null)
    bare['password'] = DB
    const foreign: unknown = runInNewContext('({ list: [password], since: new Date(0) })', { password: DB })
    const circle: Record<string, unknown> = { password: DB }
    circle['again'] = circle
    class Client {
      readonly password = DB
    }
    const given = { bare, foreign, circle, client: new Client(), ['__proto__']: undefined }
    const resolved = await references.resolveAll(given)
    expect(resolved).toMatchObject({
      bare: { password: 'one' },
      foreign: { list: ['one'], since: expect.anything() },
      circle: { password: 'one' },
      client: given.client,
    })
    expect(resolved.circle['again']).toBe(resolved.circle)
    const own: unknown = await references.resolveAll(JSON.parse(`{"__proto__": ["${DB}"]}`))
    expect([JSON.stringify(own), Object.getPrototypeOf(own)]).toEqual(['{"__proto__":["one"]}', Object.prototype])
  })

  it('go by the later of two answers, whichever comes first', async () => {
    type Said = Result<{ value: string; at?: number }>
    const answers: ((value: Said) => void)[] = []
    const service: ReferenceService = {
      resolve: () => new Promise((resolve) => answers.push((one) => resolve({ ok: true, value: [one] }))),
    }
    /** The first question is answered when the second one has been. */
    const after = async (late: Said, early: Said) => {
      const references = new References({ service, kept: null, clock: { now: () => 5000 } })
      const told: string[] = []
      references.onUpdate([DB], (_reference, value) => void told.push(value))
      const slow = references.resolve(DB)
      await vi.waitUntil(() => answers.length === 1)
      const fresh = references.refresh({ a: DB })
      await vi.waitUntil(() => answers.length === 2)
      const [first, second] = answers.splice(0)
      second?.(early)
      expect(await fresh).toEqual({ a: 'new' })
      first?.(late)
      return [await slow, await references.resolve(DB), told]
    }
    const said = (value: string, at?: number): Said => ({ ok: true, value: { value, ...(at && { at }) } })
    expect(await after(said('old', 1000), said('new', 2000))).toEqual(['new', 'new', []])
    expect(await after(said('old'), said('new'))).toEqual(['new', 'new', []])
    expect(await after(refusal('ERR_SECRET_NOT_FOUND', 'There is none.'), said('new', 2000))).toEqual([
      'new',
      'new',
      [],
    ])
  })

  it('are asked for once by all who want them at the same time, and fail for each of them', async () => {
    const { references, state } = opened()
    const asked = () => state.asked.flatMap((one) => one.references)
    const wanted = [references.resolve(DB), references.resolve(DB), references.resolveAll({ a: DB })]
    expect([await Promise.all(wanted), asked()]).toEqual([['one', 'one', { a: 'one' }], [DB]])
    const none = '{vault://hcv/none/x}'
    const failures = await Promise.allSettled([references.resolve(none), references.resolve(none)])
    expect(failures.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(asked()).toEqual([DB, none])
  })

  it('are given to all, whatever a listener throws', async () => {
    const { references, secrets, state } = opened()
    const told: string[] = []
    references.onUpdate([DB], () => {
      throw new Error('The listener is broken.')
    })
    references.onUpdate([DB], (_reference, value) => void told.push(value))
    await references.resolve(DB)
    secrets.set(DB, 'two')
    state.now += 60_000
    expect([await references.resolveAll([DB, MAIL]), told]).toEqual([['two', 'mail'], ['two']])
  })

  it('are held within bounds: those of long ago are dropped, and no failures take their place', async () => {
    const { references, secrets, state } = opened()
    const nameOf = (at: number) => `{vault://hcv/many/${at}}`
    await references.resolve(DB)
    await references.resolveAll(Array.from({ length: 9000 }, (_, at) => nameOf(at))).catch(() => {})
    state.asked.splice(0)
    expect([await references.resolve(DB), state.asked]).toEqual(['one', []])
    for (let at = 0; at < 9000; at += 1) secrets.set(nameOf(at), 'x')
    const many = await references.resolveAll(Array.from({ length: 9000 }, (_, at) => nameOf(at)))
    expect(many.every((value) => value === 'x')).toBe(true)
    state.isDown = true
    await expect(references.resolve(DB)).rejects.toMatchObject({ code: 'ERR_AUTHORITY_UNAVAILABLE' })
    expect(await references.resolve(nameOf(8999))).toBe('x')
  })

  it('come with the test keyring, which has values of its own', async () => {
    const secrets = new Map([[DB, 'one']])
    const { references } = await testKeyring({ secrets })
    expect(await references.resolve(DB)).toBe('one')
    secrets.set(DB, 'two')
    expect(await references.resolve(DB)).toBe('two')
    await expect(references.resolve(MAIL)).rejects.toMatchObject({ code: 'ERR_SECRET_NOT_FOUND' })
  })
})

describe('middleware', () => {
  it('gives values to handlers of Hono, and fresh ones to the next when they were refused', async () => {
    const { references, secrets } = opened()
    const middleware = honoSecrets(references, { password: DB })
    const call = async (error: unknown) => {
      const set: unknown[] = []
      const context = { set: (...args: unknown[]) => void set.push(...args), error: undefined as unknown }
      await middleware(context, async () => void (context.error = error))
      return set
    }
    expect(await call(undefined)).toEqual(['secrets', { password: 'one' }])
    secrets.set(DB, 'two')
    expect(await call(new Error('denied'))).toEqual(['secrets', { password: 'one' }])
    expect(await call(undefined)).toEqual(['secrets', { password: 'two' }])
  })

  it('does the same for handlers of Lambda, and leaves no value behind', async () => {
    const { references, secrets } = opened()
    const { before, after, onError } = lambdaSecrets(references, { password: DB })
    const context = {}
    await before({ context })
    expect(context).toEqual({ secrets: { password: 'one' } })
    await after({ context })
    expect(context).toEqual({})
    secrets.set(DB, 'two')
    await onError({ context, error: new Error('denied') })
    await before({ context })
    expect(context).toEqual({ secrets: { password: 'two' } })
  })
})

describe('references by HTTP', () => {
  it('are asked of the deployment with its token; no failure tells what was sent', async () => {
    const asked: unknown[] = []
    const server = createServer((request, response) => {
      asked.push(request.url, request.headers.authorization)
      const isFirst = asked.length === 2
      response.statusCode = isFirst ? 200 : 403
      response.end(
        isFirst
          ? JSON.stringify({ secrets: [{ reference: DB, value: 'one' }] })
          : JSON.stringify({ code: 'ERR_FORBIDDEN', detail: 'Not allowed.', remedy: 'Ask.' }),
      )
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const EDGE_KEYRING_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const references = openReferences({ EDGE_KEYRING_URL, EDGE_KEYRING_TOKEN: 'ek_canary' })
    expect(await references.resolve(DB)).toBe('one')
    await expect(references.resolve(MAIL)).rejects.toMatchObject({
      code: 'ERR_FORBIDDEN',
      message: 'Not allowed.',
      remedy: 'Ask.',
    })
    await new Promise((resolve) => server.close(resolve).closeAllConnections())
    const failure: unknown = await references.resolve(MAIL).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'ERR_AUTHORITY_UNAVAILABLE' })
    expect(JSON.stringify(failure)).not.toContain('canary')
    const once = ['/secrets/resolve', 'Bearer ek_canary']
    expect(asked).toEqual([...once, ...once])
  })

  it.each([
    {},
    { EDGE_KEYRING_URL: 'http://keyring.example', EDGE_KEYRING_TOKEN: 'ek_x' },
    { EDGE_KEYRING_URL: 'http://localhost.example', EDGE_KEYRING_TOKEN: 'ek_x' },
    { EDGE_KEYRING_URL: 'http://localhost:80@keyring.example', EDGE_KEYRING_TOKEN: 'ek_x' },
    { EDGE_KEYRING_URL: 'https://keyring.example?of=', EDGE_KEYRING_TOKEN: 'ek_x' },
    { EDGE_KEYRING_URL: 'https://', EDGE_KEYRING_TOKEN: 'ek_x' },
    { EDGE_KEYRING_URL: 'https://keyring.example', EDGE_KEYRING_TOKEN: 'ek\n' },
  ])('need an https address and a token: %o', (env) => {
    expect(() => openReferences(env)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }))
  })

  it('go by the environment, unless they are told otherwise', () => {
    const refused = expect.objectContaining({ code: 'ERR_CONFIG_INVALID' })
    expect(() => openReferences()).toThrow(refused)
    vi.stubEnv('EDGE_KEYRING_URL', 'https://keyring.example')
    vi.stubEnv('EDGE_KEYRING_TOKEN', 'ek_x')
    expect(openReferences()).toBeInstanceOf(References)
    expect(() => openReferences({})).toThrow(refused)
    vi.unstubAllEnvs()
  })
})
