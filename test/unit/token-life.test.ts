/** The life of the token that a deployment shares, on a virtual clock. */
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import type { RecordStore } from '../../src/core/ports.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { sharedTokenReader } from '../../src/vault/reader.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { FakeVault, OUTAGE, READ, REFUSED, deniedError, instance } from '../support/fake-vault.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

function setup(count = 1, options: Parameters<typeof instance>[2] = {}) {
  const vault = new FakeVault()
  const store = memoryStore()
  const counted = { gets: 0, puts: 0 }
  const counting: RecordStore = {
    get: (name) => (counted.gets++, store.get(name)),
    put: (...write) => (counted.puts++, store.put(...write)),
  }
  const instances = Array.from({ length: count }, () => instance(vault, counting, options))
  const [one = instance(vault, counting)] = instances
  const run = <T>(work: Promise<T>) => vault.clock.run(work)
  const everybody = (path?: string) => run(Promise.allSettled(instances.map(({ read }) => read(path))))
  /** One read a minute. */
  const pass = async (ms: number, read = one.read) => {
    for (const end = vault.clock.time + ms; vault.clock.time < end; vault.clock.time += MINUTE) await run(read())
  }
  return { vault, store, counted, instances, one, run, everybody, pass }
}

const failures = (outcomes: PromiseSettledResult<unknown>[]): string[] =>
  outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [(outcome.reason as KeyringError).code] : []))

describe('a shared token', () => {
  it('is fetched once by those who ask at once, in one instance and in many', async () => {
    const { vault, everybody } = setup(20)
    expect(failures(await everybody())).toEqual([])
    expect(failures(await everybody())).toEqual([])
    expect(vault.logins).toHaveLength(1)
  })

  it('costs a steady read neither the store nor Vault anything', async () => {
    const { vault, counted, one, run } = setup()
    await run(one.read())
    Object.assign(counted, { gets: 0, puts: 0 })
    for (let reads = 0; reads < 10; reads += 1) await run(one.read())
    expect(counted).toEqual({ gets: 0, puts: 0 })
    expect([vault.logins.length, vault.reads.length]).toEqual([1, 11])
  })

  it('is found by an instance that starts later', async () => {
    const { vault, store, one, run } = setup()
    await run(one.read())
    await run(instance(vault, store).read())
    expect(vault.logins).toHaveLength(1)
  })

  it('is of one credential: another one logs in, and both go on', async () => {
    const { vault, store, one, run } = setup()
    const other = instance(vault, store, { credential: () => 'another' })
    for (const { read } of [one, other, one, other]) await run(read())
    expect([vault.logins.length, vault.revoked]).toEqual([2, []])
  })

  it('is renewed at two thirds of its life, in a day no more often, and never fetched again', async () => {
    const { vault, pass } = setup()
    await pass(DAY)
    expect(vault.logins).toHaveLength(1)
    const gaps = vault.renewals.map((time, index) => time - (vault.renewals[index - 1] ?? vault.logins[0] ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual((2 / 3) * HOUR)
    expect(vault.renewals.length).toBeLessThanOrEqual(36)
    expect(vault.renewals.length).toBeGreaterThan(30)
  })

  it('is renewed once in a day for a whole deployment, too', async () => {
    const { vault, everybody } = setup(20)
    for (let minute = 0; minute < 24 * 60; minute += 5) {
      expect(failures(await everybody())).toEqual([])
      vault.clock.time += 5 * MINUTE
    }
    expect([vault.logins.length, vault.renewals.length <= 36]).toEqual([1, true])
  })

  it.each([
    ['of 768 hours, as Vault gives by default', 768 * 3600],
    ['of a year', 365 * 24 * 3600],
  ])('%s is left alone for two thirds of that', async (_name, ttlSeconds) => {
    const { vault, one, run } = setup()
    vault.issue.ttlSeconds = ttlSeconds
    await run(one.read())
    vault.clock.time += (ttlSeconds * 1000 * 2) / 3 - MINUTE
    await run(one.read())
    expect(vault.renewals).toEqual([])
    vault.clock.time += MINUTE
    await run(one.read())
    expect([vault.logins.length, vault.renewals.length]).toEqual([1, 1])
  })

  it('that never ends is neither renewed nor replaced', async () => {
    const { vault, one, run } = setup()
    vault.issue.ttlSeconds = 0
    await run(one.read())
    vault.clock.time += 10_000 * DAY
    await run(one.read())
    expect([vault.logins.length, vault.renewals.length]).toEqual([1, 0])
  })

  it('is not found dead by a process that was frozen for longer than its life', async () => {
    const { vault, one, run } = setup()
    await run(one.read())
    vault.clock.time += 3 * HOUR
    await run(one.read())
    expect([vault.logins.length, vault.reads]).toEqual([2, ['token-1', 'token-2']])
  })
})

describe('kinds of tokens', () => {
  it.each([
    ['a batch token', { type: 'batch' as const, renewable: false }, 0],
    ['one that is not renewable', { renewable: false }, 1],
  ])('%s is replaced before its end, without a renewal', async (_name, kind, revoked) => {
    const { vault, pass } = setup()
    Object.assign(vault.issue, kind)
    await pass(2 * HOUR)
    expect([vault.logins.length, vault.renewals.length, vault.revoked.length > 0]).toEqual([3, 0, revoked > 0])
    expect(vault.reads.every((token) => token.startsWith('token-'))).toBe(true)
  })

  it('one that nears its explicit maximum is replaced before that', async () => {
    const { vault, pass } = setup()
    await pass(50 * MINUTE)
    expect(vault.renewals).toHaveLength(1)
    vault.renewal = 600
    await pass(50 * MINUTE)
    expect([vault.logins.length, vault.renewals.length]).toEqual([2, 2])
    expect(vault.revoked).toEqual(['token-1'])
  })

  it.each([
    ['400', new KeyringError('ERR_VAULT_REQUEST_REFUSED', 'Not renewable.')],
    ['403, as without the default policy', deniedError('policy')],
  ])('one that the server will not renew (%s) is replaced', async (_name, refusal) => {
    const { vault, pass } = setup()
    vault.renewal = refusal
    await pass(HOUR)
    expect([vault.logins.length, vault.renewals.length]).toEqual([2, 1])
  })

  it('one with a number of uses is used that often, by one instance, and never looked at', async () => {
    const { vault, everybody } = setup(3)
    vault.issue.uses = 3
    for (let round = 0; round < 4; round += 1) expect(failures(await everybody())).toEqual([])
    expect(vault.reads).toHaveLength(12)
    expect(vault.logins).toHaveLength(6)
    expect(vault.revoked).toEqual([])
  })

  it('one with a single use serves many at once, each with one of its own', async () => {
    const { vault, one, run } = setup()
    vault.issue.uses = 1
    const outcomes = await run(Promise.allSettled(Array.from({ length: 8 }, () => one.read())))
    expect([failures(outcomes), vault.logins.length]).toEqual([[], 8])
  })

  it('one that lives for less than a login takes is used once', async () => {
    const { vault, one, run } = setup()
    Object.assign(vault, { latencyMs: 900 })
    vault.issue.ttlSeconds = 1
    await run(one.read())
    expect(vault.logins).toHaveLength(1)
  })
})

describe('a 403', () => {
  it('of a revoked token causes one new login and one retry for each of twenty readers', async () => {
    const { vault, instances, run } = setup(4)
    const twenty = () => run(Promise.allSettled(Array.from({ length: 20 }, (_, at) => instances[at % 4]?.read())))
    await twenty()
    vault.reads.length = 0
    vault.revoke('token-1')
    expect(failures(await twenty())).toEqual([])
    expect(vault.logins).toHaveLength(2)
    expect(vault.reads).toHaveLength(40)
    expect(failures(await twenty())).toEqual([])
    expect(vault.reads).toHaveLength(60)
  })

  it('of a policy causes one login, then none for a minute, two, four and at most ten', async () => {
    const { vault, one, run } = setup()
    await run(one.read())
    vault.denied.add('secret/data/x')
    const logins: number[] = []
    for (let second = 0; second < 3600; second += 5) {
      await expect(run(one.read())).rejects.toMatchObject({ code: 'ERR_VAULT_DENIED' })
      vault.clock.time += 5 * SECOND
      if (vault.logins.length > logins.length + 1)
        logins.push(Math.round((vault.clock.time - (vault.logins[0] ?? 0)) / MINUTE))
    }
    expect(logins).toEqual([0, 1, 3, 7, 15, 25, 35, 45, 55])
  })

  it('of a policy leaves other paths alone, and a token that dies meanwhile is replaced', async () => {
    const { vault, one, run } = setup()
    vault.denied.add('secret/data/other')
    await expect(run(one.read('secret/data/other'))).rejects.toMatchObject({ code: 'ERR_VAULT_DENIED' })
    expect(vault.logins).toHaveLength(2)
    await run(one.read())
    vault.revoke('token-2')
    await run(one.read())
    expect(vault.logins).toHaveLength(3)
  })

  it('of a policy that was corrected is seen by an operator at once, for one login', async () => {
    const { vault, one, run } = setup()
    vault.denied.add('secret/data/x')
    await expect(run(one.read())).rejects.toMatchObject({ code: 'ERR_VAULT_DENIED' })
    const operator = sharedTokenReader(vault.asTransport, one.life, 'refusal')
    const logins = vault.logins.length
    const read = () => operator.get({ ...READ, segments: ['secret', 'data', 'x'] })
    await expect(run(read())).rejects.toMatchObject({ code: 'ERR_VAULT_DENIED' })
    expect(vault.logins.length - logins).toBe(1)
    await expect(run(one.read())).rejects.toMatchObject({ code: 'ERR_VAULT_DENIED' })
    expect(vault.logins.length - logins).toBe(1)
  })

  it('of a policy that many meet, at once or one after the other, counts as one', async () => {
    const { vault, instances, everybody, run } = setup(20)
    await everybody()
    vault.denied.add('secret/data/x')
    for (const { read } of instances.slice(0, 5)) await run(read().catch(() => {}))
    await everybody()
    expect(vault.logins).toHaveLength(2)
    vault.clock.time += MINUTE
    await everybody()
    expect(vault.logins).toHaveLength(3)
  })

  it('at a second look, which a policy may well hide, leads to nothing', async () => {
    const { vault, one, run } = setup()
    await run(one.read())
    vault.denied.add('sys/internal')
    await expect(run(one.reader.probe({ ...READ, segments: ['sys', 'internal'] }))).rejects.toMatchObject({
      code: 'ERR_VAULT_DENIED',
    })
    expect(vault.logins).toHaveLength(1)
  })

  it('of new tokens as well, that look dead, does not make a login of every read', async () => {
    const { vault, one, run } = setup()
    const isLive = vault.isLive.bind(vault)
    vault.isLive = () => false
    for (let reads = 0; reads < 20; reads += 1)
      await expect(run(one.read())).rejects.toMatchObject({ code: 'ERR_VAULT_DENIED' })
    expect(vault.logins).toHaveLength(2)
    vault.isLive = isLive
    vault.clock.time += MINUTE
    await run(one.read())
  })

  it('while a login is refused is answered with that, without a login', async () => {
    const { vault, one, run } = setup()
    await run(one.read())
    vault.revoke('token-1')
    vault.refuses = REFUSED
    for (let reads = 0; reads < 5; reads += 1)
      await expect(run(one.read())).rejects.toMatchObject({ code: 'ERR_VAULT_LOGIN_REFUSED' })
    expect(vault.logins).toHaveLength(2)
  })
})

describe('a failing login', () => {
  const failing = async (error: KeyringError, ms: number, count = 20, stepMs = SECOND) => {
    const { vault, everybody, ...rest } = setup(count)
    vault.refuses = error
    for (const end = vault.clock.time + ms; vault.clock.time < end; vault.clock.time += stepMs)
      expect(failures(await everybody())).toEqual(Array.from({ length: count }, () => error.code))
    return { vault, everybody, ...rest }
  }

  it('that was refused is tried four times in the first hour by a whole deployment, and once in each that follows', async () => {
    const { vault } = await failing(REFUSED, 6 * HOUR, 3, MINUTE)
    const [first = 0] = vault.logins
    const perHour = [0, 1, 2, 3, 4, 5].map(
      (hour) => vault.logins.filter((time) => Math.floor((time - first) / HOUR) === hour).length,
    )
    expect(perHour[0]).toBe(4)
    expect(Math.max(...perHour.slice(1))).toBe(1)
  })

  it('says when it is tried again', async () => {
    const { one, run } = await failing(REFUSED, SECOND)
    await expect(run(one.read())).rejects.toMatchObject({ facts: { retryAfterSeconds: 299 } })
  })

  it('is tried at once with another credential', async () => {
    const { vault, store, run } = await failing(REFUSED, SECOND)
    vault.refuses = null
    await run(instance(vault, store, { credential: () => 'corrected' }).read())
    expect(vault.logins).toHaveLength(2)
  })

  it('is tried at once with another request: fifty instances, each with a JWT of its own, make eight logins in 5 minutes', async () => {
    const { vault, store, run } = setup()
    vault.refuses = REFUSED
    const pods = Array.from({ length: 50 }, (_, at) =>
      instance(vault, store, { method: 'jwt', shape: () => `jwt ${at}` }),
    )
    const everybody = () => run(Promise.allSettled(pods.map(({ read }) => read())))
    for (let rounds = 0; rounds < 10; rounds += 1) await everybody()
    expect(vault.logins).toHaveLength(8)
    vault.clock.time += 5 * MINUTE
    vault.refuses = null
    expect(failures(await everybody())).toEqual([])
    expect(vault.logins).toHaveLength(9)
  })

  it('in an outage is tried at most six times in a minute by a whole deployment, and goes on when that is over', async () => {
    const { vault, everybody } = await failing(OUTAGE, 3 * MINUTE, 5)
    const most = Math.max(
      ...vault.logins.map((from) => vault.logins.filter((at) => at >= from && at < from + MINUTE).length),
    )
    expect(most).toBeLessThanOrEqual(6)
    vault.refuses = null
    vault.clock.time += 5 * MINUTE
    expect(failures(await everybody())).toEqual([])
  })

  it('waits as long as Retry-After says', async () => {
    const limited = new KeyringError('ERR_VAULT_RATE_LIMITED', 'Limited.', { facts: { retryAfterSeconds: 40 } })
    const { vault } = await failing(limited, 39 * SECOND, 2)
    expect(vault.logins).toHaveLength(1)
  })
})

describe('an outage', () => {
  it('ends no token before its own end, and renewals back off meanwhile', async () => {
    const { vault, one, run } = setup()
    await run(one.read())
    vault.renewal = OUTAGE
    vault.clock.time += 39 * MINUTE
    const end = (vault.logins[0] ?? 0) + HOUR
    for (; vault.clock.time < end - MINUTE; vault.clock.time += SECOND) await run(one.read())
    expect(new Set(vault.reads)).toEqual(new Set(['token-1']))
    expect(vault.renewals.length).toBeGreaterThan(8)
    expect(vault.renewals.length).toBeLessThan(15)
    vault.renewal = null
    vault.clock.time += 5 * MINUTE
    await run(one.read())
  })

  it('is no failure of a token: reads say what it is, and nobody logs in', async () => {
    const { vault, one, run } = setup()
    await run(one.read())
    vault.down = OUTAGE
    await expect(run(one.read())).rejects.toBe(OUTAGE)
    vault.down = null
    await run(one.read())
    expect([vault.logins.length, vault.revoked]).toEqual([1, []])
  })

  it('of the store leaves a held token in use until its end', async () => {
    const { vault, store, run } = setup()
    let isDown = false
    const unavailable = new KeyringError('ERR_STORE_UNAVAILABLE', 'Gone.')
    const flaky: RecordStore = {
      get: (name) => (isDown ? Promise.reject(unavailable) : store.get(name)),
      put: (...write) => (isDown ? Promise.reject(unavailable) : store.put(...write)),
    }
    const on = instance(vault, flaky)
    await run(on.read())
    isDown = true
    for (let minute = 0; minute < 59; minute += 1, vault.clock.time += MINUTE) await run(on.read())
    vault.clock.time += MINUTE
    await expect(run(on.read())).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    expect(vault.logins).toHaveLength(1)
    isDown = false
    await run(on.read())
    expect(vault.logins).toHaveLength(2)
  })
})

describe('what is stored', () => {
  const held = async (store: RecordStore, name: string) => {
    const stored = await store.get(name)
    if (stored === null) throw new Error('Nothing is stored.')
    return stored
  }
  const nameOf = async (on: { items: { fingerprints(text: string): Promise<readonly string[]> } }) =>
    `token/${(await on.items.fingerprints(JSON.stringify(['https://vault.example', '', 'approle', 'fake', 'r', 'credential'])))[0]}`

  it.each([
    [
      'was altered',
      (bytes: Uint8Array<ArrayBuffer>) => bytes.map((byte, at) => (at === bytes.length - 9 ? byte ^ 1 : byte)),
    ],
    ['is not of this form', () => utf8('ekt9 w1 x\n')],
  ])('counts as nothing when it %s', async (_name, spoil) => {
    const { vault, store, one, run } = setup()
    await run(one.read())
    const stored = await held(store, await nameOf(one))
    await store.put(await nameOf(one), spoil(stored.bytes), stored.version)
    await run(instance(vault, store).read())
    expect(vault.logins).toHaveLength(2)
    await run(instance(vault, store).read())
    expect(vault.logins).toHaveLength(2)
  })

  it('that went back in time is overtaken: a token that was replaced is not used twice', async () => {
    const { vault, store, one, run } = setup()
    await run(one.read())
    const name = await nameOf(one)
    const old = await held(store, name)
    vault.revoke('token-1')
    await run(one.read())
    const now = await held(store, name)
    await store.put(name, old.bytes, now.version)
    vault.revoke('token-2')
    await run(one.read())
    await run(one.read())
    expect(vault.logins).toHaveLength(3)
    expect(vault.reads.slice(-2)).toEqual(['token-3', 'token-3'])
  })

  it('is carried over to another order of the wrapping keys, and back: no login ends', async () => {
    const { vault, store, one, run } = setup()
    await run(one.read())
    for (const keys of [['w2', 'w1'], ['w2'], ['w1', 'w2'], ['w1']]) await run(instance(vault, store, { keys }).read())
    expect([vault.logins.length, new Set(vault.reads)]).toEqual([1, new Set(['token-1'])])
  })

  it('is the later one of both orders while instances of both run', async () => {
    const { vault, store, one, run } = setup()
    const next = () => instance(vault, store, { keys: ['w2', 'w1'] })
    await run(one.read())
    const held = next()
    await run(held.read())
    vault.revoke('token-1')
    await run(one.read())
    await run(held.read())
    await run(next().read())
    expect([vault.logins.length, vault.reads.slice(-2)]).toEqual([2, ['token-2', 'token-2']])
  })
})
