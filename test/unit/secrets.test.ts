/** What references give: old to new within the TTL, outages, deletions, negative answers, many callers at once. */
import { KeyringError } from '../../src/core/errors.ts'
import { Secrets } from '../../src/secrets/secrets.ts'
import { CLOCK_SLACK_MS } from '../../src/core/time.ts'
import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue } from 'node:sqlite'
import type { ItemStore } from '../../src/core/secrets.ts'
import { memoryItems } from '../../src/secrets/memory-items.ts'
import { sqlItems } from '../../src/secrets/sql-items.ts'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { outage, secretWorld, valueOrCode } from '../support/secrets.ts'

const PASS = '{vault://hcv/password/pass1}'
const minutes = (count: number) => count * 60_000

describe('a secret', () => {
  it('is read once and held', async () => {
    const { secrets, vault } = secretWorld()
    vault.answers.set('password', { pass1: 'one', pass2: 'two' })
    const results = await secrets.resolve([PASS, '{vault://hcv/password/pass2}'])
    expect(results).toMatchObject([{ value: { value: 'one', cache: 'miss' } }, { value: { value: 'two' } }])
    expect(vault.asked).toEqual(['password'])
    expect((await secrets.resolve([PASS]))[0]).toMatchObject({ value: { value: 'one', cache: 'hit' } })
  })

  it('is the new one within its TTL, when somebody asks', async () => {
    const { secrets, vault, clock } = secretWorld()
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    vault.answers.set('password', { pass1: 'new' })
    clock.time += 59_000
    expect(await valueOrCode(secrets, PASS)).toBe('old')
    clock.time += 1000
    expect(await valueOrCode(secrets, PASS)).toBe('new')
  })

  it('is renewed by the schedule before it expires', async () => {
    const { secrets, vault, clock, look } = secretWorld({ ttlMs: minutes(10) })
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    vault.answers.set('password', { pass1: 'new' })
    clock.time += minutes(7)
    expect(await look()).toMatchObject({ value: 'not-due' })
    clock.time += minutes(2)
    expect(await look()).toMatchObject({ value: 'refreshed' })
    vault.answers.set('password', outage())
    expect(await valueOrCode(secrets, PASS)).toBe('new')
  })

  it('without a TTL is never asked for again', async () => {
    const { secrets, vault, clock, look } = secretWorld({ ttlMs: 0 })
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    clock.time += minutes(1_000_000)
    await look()
    // Nobody wanted it for a week, so that it was forgotten.
    expect(vault.asked).toEqual(['password'])
  })
})

describe('an outage', () => {
  it('is served through up to resurrect_ttl from the expiry, and no longer', async () => {
    const { secrets, vault, clock } = secretWorld({ resurrectMs: minutes(60) })
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    vault.answers.set('password', outage())
    clock.time += minutes(61) - 1
    expect(await secrets.resolve([PASS])).toMatchObject([{ value: { value: 'old', cache: 'stale' } }])
    clock.time += 1
    expect(await valueOrCode(secrets, PASS)).toBe('ERR_VAULT_UNREACHABLE')
  })

  it('that is shorter leaves no request without a value, and the vault is asked at the bound of its pauses', async () => {
    const { secrets, vault, clock } = secretWorld({ resurrectMs: minutes(60) })
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    vault.answers.set('password', outage())
    clock.time += minutes(1)
    vault.asked.length = 0
    for (let second = 0; second < 30 * 60; second += 1) {
      expect(await valueOrCode(secrets, PASS)).toBe('old')
      clock.time += 1000
    }
    // Pauses of 1, 2, 4, 8, 16 and 32 s, then one in a minute.
    expect(vault.asked.length).toBeLessThanOrEqual(6 + 30)
    vault.answers.set('password', { pass1: 'new' })
    clock.time += minutes(1)
    expect(await valueOrCode(secrets, PASS)).toBe('new')
  })

  it('is served through by an instance that begins in it, to the same bound', async () => {
    const { secrets, vault, clock, instance } = secretWorld({ resurrectMs: minutes(60) })
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    vault.answers.set('password', outage())
    clock.time += minutes(61) - 1
    expect(await valueOrCode(instance().secrets, PASS)).toBe('old')
    const early = instance()
    expect(await valueOrCode(early.secrets, PASS)).toBe('old')
    clock.time += 1
    expect(await valueOrCode(early.secrets, PASS)).toBe('ERR_VAULT_UNREACHABLE')
    expect(await valueOrCode(instance().secrets, PASS)).toBe('ERR_VAULT_UNREACHABLE')
  })

  it('without a resurrect_ttl is served through by nothing', async () => {
    const { secrets, vault, clock } = secretWorld({ resurrectMs: 0 })
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    vault.answers.set('password', outage())
    clock.time += minutes(1) - 1
    expect(await valueOrCode(secrets, PASS)).toBe('old')
    clock.time += 1
    expect(await valueOrCode(secrets, PASS)).toBe('ERR_VAULT_UNREACHABLE')
  })

  it('lets the vault rest between two tries', async () => {
    const { secrets, vault, clock } = secretWorld()
    vault.answers.set('password', outage())
    for (let second = 0; second < 60; second += 1) {
      await valueOrCode(secrets, PASS)
      clock.time += 1000
    }
    expect(vault.asked.length).toBeLessThan(8)
  })

  it('is over at the next try', async () => {
    const { secrets, vault, clock } = secretWorld()
    vault.answers.set('password', outage())
    expect(await valueOrCode(secrets, PASS)).toBe('ERR_VAULT_UNREACHABLE')
    vault.answers.set('password', { pass1: 'one' })
    clock.time += 2000
    expect(await valueOrCode(secrets, PASS)).toBe('one')
  })
})

describe('a store that cannot be written', () => {
  const gone = async () => Promise.reject(new KeyringError('ERR_STORE_UNAVAILABLE', 'The disk is full.'))

  it('is an outage like others: what is kept serves up to resurrect_ttl, and no longer', async () => {
    const { secrets, vault, clock, items } = secretWorld({ resurrectMs: minutes(60) })
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    items.put = gone
    clock.time += minutes(61) - 1
    expect(await secrets.resolve([PASS])).toMatchObject([{ value: { value: 'old', cache: 'stale' } }])
    clock.time += 1
    expect(await valueOrCode(secrets, PASS)).toBe('ERR_STORE_UNAVAILABLE')
    expect(vault.asked).toEqual(['password'])
  })

  it('is told by the status as soon as a caller has met it', async () => {
    const { secrets, items } = secretWorld()
    items.put = gone
    expect(await valueOrCode(secrets, PASS)).toBe('ERR_STORE_UNAVAILABLE')
    const [summary] = await secrets.summaries()
    expect(summary).toMatchObject({ result: { value: { failing: { error: { code: 'ERR_STORE_UNAVAILABLE' } } } } })
  })

  it('any longer when the vault has answered is the same', async () => {
    const { secrets, vault, clock, items } = secretWorld()
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    clock.time += minutes(1)
    vault.before = async () => void (items.put = gone)
    expect(await valueOrCode(secrets, PASS)).toBe('old')
  })
})

describe('an answer of the vault that there is nothing', () => {
  it.each([
    ['absent', 'ERR_SECRET_NOT_FOUND'],
    ['forbidden', 'ERR_SECRET_FORBIDDEN'],
  ] as const)('ends what served: %s', async (answer, code) => {
    const { secrets, vault, clock } = secretWorld()
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    vault.answers.set('password', answer)
    clock.time += minutes(1)
    expect(await valueOrCode(secrets, PASS)).toBe(code)
  })

  it('does not come back: neither by the outage that follows, nor on an instance that had the value', async () => {
    const { secrets, vault, clock, instance } = secretWorld()
    const other = instance()
    vault.answers.set('password', { pass1: 'old' })
    expect([await valueOrCode(secrets, PASS), await valueOrCode(other.secrets, PASS)]).toEqual(['old', 'old'])
    vault.answers.delete('password')
    clock.time += minutes(1)
    expect(await valueOrCode(secrets, PASS)).toBe('ERR_SECRET_NOT_FOUND')
    vault.answers.set('password', outage())
    for (let minute = 0; minute < 60; minute += 1) {
      for (const one of [secrets, other.secrets, instance().secrets])
        expect(await valueOrCode(one, PASS)).toMatch(/^ERR_/)
      clock.time += minutes(1)
    }
  })

  it.each(['absent', 'forbidden'] as const)(
    'does not end it with resurrect_deleted, for as long as an outage would: %s',
    async (answer) => {
      const { secrets, vault, clock } = secretWorld({ resurrectDeleted: true, resurrectMs: minutes(60) })
      vault.answers.set('password', { pass1: 'old' })
      await valueOrCode(secrets, PASS)
      vault.answers.set('password', answer)
      clock.time += minutes(61) - 1
      expect(await secrets.resolve([PASS])).toMatchObject([{ value: { value: 'old', cache: 'stale' } }])
      clock.time += 1
      expect(await valueOrCode(secrets, PASS)).toBe('ERR_SECRET_NOT_FOUND')
    },
  )

  it('holds for neg_ttl', async () => {
    const { secrets, vault, clock } = secretWorld({ negTtlMs: 30_000 })
    await valueOrCode(secrets, PASS)
    vault.answers.set('password', { pass1: 'one' })
    clock.time += 29_000
    expect(await valueOrCode(secrets, PASS)).toBe('ERR_SECRET_NOT_FOUND')
    clock.time += 1000
    expect(await valueOrCode(secrets, PASS)).toBe('one')
  })
})

describe('many', () => {
  it('callers at a cold start cause one read, also from several instances', async () => {
    const { instance, vault } = secretWorld()
    vault.answers.set('password', { pass1: 'one' })
    vault.before = async () => {
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    }
    const instances = Array.from({ length: 10 }, () => instance())
    const values = await Promise.all(
      Array.from({ length: 1000 }, (_, at) => valueOrCode(instances[at % 10]?.secrets ?? instance().secrets, PASS)),
    )
    expect(new Set(values)).toEqual(new Set(['one']))
    expect(vault.asked).toEqual(['password'])
  })

  it.each<[string, (now: () => number) => { items: ItemStore; size: () => number }]>([
    [
      'memory',
      (now) => {
        const items = memoryItems(now)
        return { items, size: items.size }
      },
    ],
    [
      'SQLite',
      (now) => {
        const database = new DatabaseSync(':memory:')
        onTestFinished(() => database.close())
        const rows = (query: string, ...bindings: SQLInputValue[]) => database.prepare(query).all(...bindings)
        return {
          items: sqlItems(async (...statement) => rows(...statement), now),
          size: () => rows('SELECT name FROM secret').length,
        }
      },
    ],
  ])(
    'references that were learnt are forgotten, and leave the store as small as before, in %s',
    { timeout: 120_000 },
    async (_name, open) => {
      const { vault, clock, instance } = secretWorld({ ttlMs: minutes(60) })
      const { items, size } = open(() => clock.time)
      const { secrets, look } = instance({}, { items })
      vault.answers.set('password', { pass1: 'one' })
      await valueOrCode(secrets, PASS)
      await look()
      const before = size()
      const texts = Array.from({ length: 10_000 }, (_, at) => {
        vault.answers.set(`s${at}`, { a: 'x' })
        return `{vault://hcv/s${at}/a}`
      })
      for (let from = 0; from < texts.length; from += 1000) {
        clock.time += minutes(1)
        const results = await secrets.resolve(texts.slice(from, from + 1000))
        expect(results.every(({ ok }) => ok)).toBe(true)
      }
      expect(size()).toBe(before + 10_000)
      for (let day = 0; day < 8; day += 1) {
        clock.time += 24 * minutes(60)
        await valueOrCode(secrets, PASS)
        await look()
      }
      expect([before, size()]).toEqual([2, 2])
      expect(await valueOrCode(secrets, PASS)).toBe('one')
    },
  )

  it('references in few secrets cost one request for each secret, at first and at each refresh', async () => {
    const { secrets, vault, clock, look } = secretWorld({ ttlMs: minutes(10) })
    const texts = Array.from({ length: 1000 }, (_, at) => `{vault://hcv/s${at % 100}/f${at}}`)
    for (let at = 0; at < 100; at += 1) {
      const fields = Array.from({ length: 10 }, (_, row) => [`f${row * 100 + at}`, `${at}`])
      vault.answers.set(`s${at}`, Object.fromEntries(fields))
    }
    const round = async () => {
      vault.asked.length = 0
      expect((await secrets.resolve(texts)).every(({ ok }) => ok)).toBe(true)
      return vault.asked.length
    }
    expect(await round()).toBe(100)
    clock.time += minutes(10)
    expect(await round()).toBe(100)
    clock.time += minutes(9)
    vault.asked.length = 0
    await look()
    expect(vault.asked).toHaveLength(100)
    expect(await round()).toBe(0)
  })

  it('fields of one secret never come from two versions, whatever happens meanwhile', async () => {
    const { instance, vault, clock } = secretWorld()
    let version = 0
    const write = () => {
      version += 1
      vault.answers.set('password', { pass1: `a${version}`, pass2: `b${version}` })
    }
    write()
    // Whoever is being answered has a secret that was written anew by then.
    vault.before = async () => write()
    const instances = Array.from({ length: 3 }, () => instance().secrets)
    const seen = new Set<string>()
    for (let turn = 0; turn < 60; turn += 1) {
      const pairs = await Promise.all(
        instances.map((one) => one.resolve([PASS, '{vault://hcv/password/pass2}'], turn % 15 === 14)),
      )
      for (const [one, two] of pairs)
        if (one?.ok && two?.ok) seen.add(`${one.value.value.slice(1)} ${two.value.value.slice(1)}`)
      clock.time += 7000
    }
    expect(seen.size).toBeGreaterThan(5)
    expect([...seen].filter((pair) => new Set(pair.split(' ')).size > 1)).toEqual([])
  })

  it('settings of the entity that were changed are not answered by what was stored before', async () => {
    const { instance, secrets, vault } = secretWorld()
    vault.answers.set('password', { pass1: 'one' })
    await valueOrCode(secrets, PASS)
    vault.answers.set('password', { pass1: 'other' })
    expect(await valueOrCode(instance({ identity: 'elsewhere' }).secrets, PASS)).toBe('other')
  })
})

describe('what an instance holds', () => {
  it('is a whole secret: fields that are wanted together are of one version, whichever was asked for before', async () => {
    const { secrets, vault, instance } = secretWorld({}, {})
    vault.answers.set('pair', { user: 'u1', pass: 'p1' })
    expect(await valueOrCode(secrets, '{vault://hcv/pair/pass}')).toBe('p1')
    vault.answers.set('pair', { user: 'u2', pass: 'p2' })
    await valueOrCode(instance().secrets, '{vault://hcv/pair/user}', true)
    const both = await secrets.resolve(['{vault://hcv/pair/user}', '{vault://hcv/pair/pass}'])
    expect(both.map((one) => one.ok && one.value.value)).toEqual(['u1', 'p1'])
  })

  it('says that it is stale as often as it is given', async () => {
    const { secrets, vault, clock } = secretWorld()
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    clock.time += 61_000
    vault.answers.set('password', outage())
    const caches = async () => (await secrets.resolve([PASS])).map((one) => one.ok && one.value.cache)
    expect([await caches(), await caches()]).toEqual([['stale'], ['stale']])
  })

  it.each([
    ['of 200,000 characters', 'x'.repeat(200_000), 45, 41],
    ['of no length', '', 8300, 8192],
  ])(
    'is bounded by its memory, and the latest stay: secrets %s',
    { timeout: 120_000 },
    async (_name, text, all, most) => {
      const { vault, clock, instance } = secretWorld({ ttlMs: 0 })
      const { secrets } = instance({}, { freshMs: minutes(60) })
      const texts = Array.from({ length: all }, (_, at) => {
        vault.answers.set(`s${at}`, text)
        return `{vault://hcv/s${at}/}`
      })
      for (let from = 0; from < all; from += 1000) {
        clock.time += minutes(1)
        await secrets.resolve(texts.slice(from, from + 1000))
      }
      const caches = (await secrets.resolve(texts)).map((one) => (one.ok ? one.value.cache : one.error.code))
      expect(caches.lastIndexOf('miss') + 1).toBe(all - most)
      expect(new Set(caches.slice(0, all - most))).toEqual(new Set(['miss']))
      expect(new Set(caches.slice(all - most))).toEqual(new Set(['hit']))
    },
  )

  it('is read once, however many spellings ask for fields of it, and has a bound', async () => {
    const { secrets, vault } = secretWorld()
    const large = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`k${at}`, 'x'.repeat(1000)]))
    vault.answers.set('large', large)
    const parsed = vi.spyOn(JSON, 'parse')
    const texts = Array.from({ length: 1000 }, (_, at) => `{vault://hcv/large/k1?${at}}`)
    const results = await secrets.resolve(texts)
    expect(results.every((one) => one.ok)).toBe(true)
    expect(parsed.mock.calls.filter(([text]) => text.startsWith('{"k0"'))).toHaveLength(1)
    parsed.mockRestore()
  })
})

describe('a clock', () => {
  it('that is behind the one of the authority does not make a secret absent', async () => {
    const { clock, vault, keepers: authority, sealer, entity } = secretWorld()
    vault.answers.set('password', { pass1: 'there' })
    const behind = { ...clock, now: () => clock.time - CLOCK_SLACK_MS - 1 }
    const entities = new Map([[entity.prefix, entity]])
    const secrets = new Secrets({ authority, clock: behind, sealer, entities, freshMs: 0 })
    expect(await valueOrCode(secrets, PASS)).toBe('ERR_SNAPSHOT_STALE')
  })

  it('that was ahead when it was asked makes nothing last longer, nor wait longer', async () => {
    const { secrets, vault, clock, instance } = secretWorld()
    clock.time += 10 * minutes(60)
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    vault.answers.set('other', outage())
    await valueOrCode(secrets, '{vault://hcv/other/a}')
    clock.time -= 10 * minutes(60)
    vault.answers.set('password', { pass1: 'new' })
    vault.answers.set('other', { a: 'there' })
    for (const one of [secrets, instance().secrets]) {
      expect(await valueOrCode(one, PASS)).toBe('new')
      expect(await valueOrCode(one, '{vault://hcv/other/a}')).toBe('there')
    }
  })

  it('that was ahead does not let an outage be served through', async () => {
    const { secrets, vault, clock } = secretWorld()
    clock.time += minutes(2)
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    vault.answers.set('password', outage())
    clock.time -= minutes(2)
    expect(await valueOrCode(secrets, PASS)).toBe('ERR_VAULT_UNREACHABLE')
  })

  it('that steps back by less than clocks differ changes nothing', async () => {
    const { secrets, vault, clock, instance } = secretWorld()
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    clock.time -= 20_000
    vault.answers.set('password', { pass1: 'new' })
    for (const one of [secrets, instance().secrets]) expect(await valueOrCode(one, PASS)).toBe('old')
    clock.time += 80_000
    expect(await valueOrCode(secrets, PASS)).toBe('new')
  })

  it('that was ahead when somebody died with the lease holds nobody up', async () => {
    const { secrets, vault, clock, instance } = secretWorld()
    vault.answers.set('password', { pass1: 'one' })
    clock.time += 10 * minutes(60)
    vault.before = () => new Promise(() => {})
    void instance().secrets.resolve([PASS])
    while (vault.asked.length === 0) await new Promise((resolve) => setImmediate(resolve))
    clock.time -= 10 * minutes(60)
    vault.before = async () => {}
    expect(await valueOrCode(secrets, PASS)).toBe('one')
  })
})

describe('a force refresh', () => {
  it('asks for what is fresh', async () => {
    const { secrets, vault } = secretWorld()
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    vault.answers.set('password', { pass1: 'new' })
    expect(await valueOrCode(secrets, PASS, true)).toBe('new')
    expect(await valueOrCode(secrets, PASS, true)).toBe('ERR_RATE_LIMITED')
  })

  it('waits for whoever is asking for it already, and has what comes after', async () => {
    const { vault, secrets, instance } = secretWorld()
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    vault.before = () => (begin(), gate)
    const other = valueOrCode(instance().secrets, PASS, true)
    await begun
    vault.answers.set('password', { pass1: 'new' })
    const refreshed = valueOrCode(secrets, PASS, true)
    for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    open()
    expect(await Promise.all([refreshed, other])).toEqual(['new', 'new'])
    expect(vault.asked).toHaveLength(3)
  })

  it('that failed is no success: the value is stale, and a second later it may be tried again', async () => {
    const { secrets, vault, clock } = secretWorld()
    vault.answers.set('password', { pass1: 'old' })
    await valueOrCode(secrets, PASS)
    vault.answers.set('password', outage())
    expect(await secrets.resolve([PASS], true)).toMatchObject([{ value: { value: 'old', cache: 'stale' } }])
    expect(await secrets.resolve([PASS])).toMatchObject([{ value: { value: 'old', cache: 'miss' } }])
    expect(await valueOrCode(secrets, PASS, true)).toBe('ERR_RATE_LIMITED')
    vault.answers.set('password', { pass1: 'new' })
    clock.time += 1000
    expect(await secrets.resolve([PASS], true)).toMatchObject([{ value: { value: 'new', cache: 'miss' } }])
    clock.time += 1000
    expect(await valueOrCode(secrets, PASS, true)).toBe('ERR_RATE_LIMITED')
  })
})

describe('a flood of references that are new', () => {
  const named = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, at) => `{vault://hcv/made-up-${from + at}/a}`)

  it('reaches the vault 1,000 times a minute, and leaves what is known alone', async () => {
    const { secrets, vault, clock } = secretWorld()
    vault.answers.set('password', { pass1: 'one' })
    await valueOrCode(secrets, PASS)
    clock.time += minutes(1)
    vault.answers.set('password', { pass1: 'two' })
    const flood = await secrets.resolve([...named(0, 1500), PASS])
    expect(vault.asked.filter((name) => name !== 'password')).toHaveLength(1000)
    expect(flood.at(-1)).toMatchObject({ ok: true, value: { value: 'two' } })
    const [limited] = await secrets.resolve(named(1500, 1501))
    expect(limited).toMatchObject({ error: { code: 'ERR_RATE_LIMITED', facts: { retryAfterSeconds: 40 } } })
    clock.time += minutes(1)
    expect(await valueOrCode(secrets, named(1500, 1501)[0] ?? '')).toBe('ERR_SECRET_NOT_FOUND')
  })

  it('by one caller leaves as many to the others, of whom each leaves something to the next', async () => {
    const { keepers, secrets, vault, clock } = secretWorld()
    const learnt = async (caller: string | undefined, from: number) => {
      vault.asked.length = 0
      const results = await secrets.resolve(named(from, from + 1100), false, () => true, caller)
      const codes = new Set(results.map((one) => (one.ok ? 'a value' : one.error.code)))
      expect(codes).toEqual(new Set(['ERR_SECRET_NOT_FOUND', 'ERR_RATE_LIMITED']))
      return vault.asked.length
    }
    expect(await learnt('one', 0)).toBe(1000)
    expect(await learnt('two', 2000)).toBe(500)
    expect(await learnt(undefined, 4000)).toBe(250)
    const secret = { resource: 'later', version: null }
    const answer = await keepers.call({ call: 'resolve', vault: 'hcv', secrets: [secret], refresh: false })
    expect(answer).toMatchObject({ ok: true })
    clock.time += minutes(1)
    expect(await learnt('one', 6000)).toBe(1000)
  })

  it('is refused to one caller, and not to another who asks for the same at that moment', async () => {
    const { secrets } = secretWorld()
    const asks = (caller: string, from: number, to: number) =>
      secrets.resolve(named(from, to), false, () => true, caller)
    await asks('one', 0, 1100)
    const [[first], [second]] = await Promise.all([asks('one', 3000, 3001), asks('two', 3000, 3001)])
    expect(first).toMatchObject({ error: { code: 'ERR_RATE_LIMITED' } })
    expect(second).toMatchObject({ error: { code: 'ERR_SECRET_NOT_FOUND' } })
  })

  it('has 100 requests under way at once; the others wait', async () => {
    const { keepers, vault } = secretWorld()
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const { promise: full, resolve: isFull } = Promise.withResolvers<void>()
    vault.before = () => {
      if (vault.asked.length >= 100) isFull()
      return gate
    }
    const calls = Array.from({ length: 30 }, (_, call) =>
      keepers.call({
        call: 'resolve',
        vault: 'hcv',
        secrets: Array.from({ length: 10 }, (_one, at) => ({ resource: `s${call}-${at}`, version: null })),
        refresh: false,
      }),
    )
    await full
    for (let turn = 0; turn < 1000; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    expect(vault.asked).toHaveLength(100)
    open()
    expect((await Promise.all(calls)).every(({ ok }) => ok)).toBe(true)
    expect(vault.asked).toHaveLength(300)
  })
})

describe('a value', () => {
  it.each([
    ['{vault://hcv/password/none}', 'ERR_SECRET_UNUSABLE'],
    ['{vault://hcv/password/number}', 'ERR_SECRET_UNUSABLE'],
    ['{vault://hcv/password/toString}', 'ERR_SECRET_UNUSABLE'],
    ['{vault://hcv/password/}', '{"pass1":"one","number":1,"inner":"{vault://hcv/other/a}"}'],
    ['{vault://hcv/password/inner}', '{vault://hcv/other/a}'],
    ['{vault://other/password/a}', 'ERR_REFERENCE_VAULT_UNKNOWN'],
    ['Bearer {vault://hcv/password/pass1}', 'ERR_REFERENCE_INVALID'],
  ])('%s gives %s', async (text, expected) => {
    const { secrets, vault } = secretWorld()
    vault.answers.set('password', { pass1: 'one', number: 1, inner: '{vault://hcv/other/a}' })
    expect(await valueOrCode(secrets, text)).toBe(expected)
  })
})
