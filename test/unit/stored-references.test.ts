/** References out of what a deployment keeps: what is used without a question, what is asked for, and what serves while nobody answers. */
import { describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import type { ErrorData } from '../../src/core/errors.ts'
import { KeyringError, refusal } from '../../src/core/errors.ts'
import type { Replica } from '../../src/core/ports.ts'
import type { ItemStore, SecretRules } from '../../src/core/secrets.ts'
import type { WrappingKey } from '../../src/core/wrapping-key.ts'
import { deriveFor } from '../../src/crypto/derive.ts'
import { itemSealer, secretsOf } from '../../src/crypto/seal-item.ts'
import type { ReferenceService } from '../../src/library/references.ts'
import { References } from '../../src/library/references.ts'
import { StoredValues, itemsOfCopies, itemsOfStore } from '../../src/library/stored-values.ts'
import { CopyingVaults } from '../../src/secrets/copying.ts'
import { ReplicaCopies } from '../../src/secrets/replica-copies.ts'
import type { Entity, Secrets } from '../../src/secrets/secrets.ts'
import { wrappingKey } from '../support/authority.ts'
import { outage, secretWorld } from '../support/secrets.ts'

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]
const PERIOD = 10 * MINUTE
const PASS = '{vault://hcv/password/pass1}'
const OTHER = '{vault://hcv/password/pass2}'
const W1 = wrappingKey('w1', 1)

const sealerOf = (keys: readonly WrappingKey[]) => (vault: string) =>
  itemSealer(nodeCipher, nodeHash, keys, secretsOf(vault))

/** A deployment with a vault that has the secret `password`, its store, and processes that read it. */
async function deployed(rules: Partial<SecretRules> = {}, more: Partial<Entity> = {}) {
  const on = secretWorld({ ttlMs: 10 * MINUTE, resurrectMs: HOUR, ...rules }, more)
  on.vault.answers.set('password', { pass1: 'one', pass2: 'two' })
  const state = { isDown: false, asked: [] as string[], reads: 0, storeTrouble: null as KeyringError | null }
  /** As RPC and HTTP have it. */
  const serviceOf = (secrets: Secrets): ReferenceService => ({
    async resolve({ references, refresh }) {
      state.asked.push(...references.map((one) => (refresh ? `${one}!` : one)))
      if (state.isDown) return refusal('ERR_AUTHORITY_UNAVAILABLE', 'It is down.')
      return { ok: true, value: await secrets.resolve(references, refresh) }
    },
  })
  const store: Pick<ItemStore, 'get'> = {
    get(vault, name) {
      state.reads += 1
      if (state.storeTrouble !== null) return Promise.reject(state.storeTrouble)
      return on.items.get(vault, name)
    },
  }
  /** One that has just begun. */
  const reader = (keys: readonly WrappingKey[] = [W1], service: ReferenceService | null = serviceOf(on.secrets)) => {
    const { clock } = on
    const kept = new StoredValues({ items: itemsOfStore(store), clock, sealer: sealerOf(keys) })
    return new References({ service, kept, clock })
  }
  const later = (ms: number) => void (on.clock.time += ms)
  const calls = () => state.asked.splice(0)
  await on.secrets.resolve([PASS])
  await on.look()
  return { ...on, state, reader, serviceOf, later, calls, store }
}

const codeOf = (references: References, reference = PASS) =>
  references.resolve(reference).catch((error: unknown) => (error instanceof KeyringError ? error.code : error))

describe('a process that reads the store', () => {
  it('has what is fresh without a question, and two fields of a secret by one read', async () => {
    const { reader, calls, state } = await deployed()
    expect(await reader().resolveAll({ a: PASS, b: [OTHER] })).toEqual({ a: 'one', b: ['two'] })
    // The other read is of what describes the vault.
    expect([calls(), state.reads]).toEqual([[], 2])
  })

  it('looks again after a minute, or when a value ends, and finds what the schedule has renewed', async () => {
    const { reader, vault, later, look, calls, state } = await deployed({ ttlMs: 2 * MINUTE })
    const references = reader()
    await references.resolve(PASS)
    state.reads = 0
    later(MINUTE - 1)
    expect([await references.resolve(PASS), state.reads]).toEqual(['one', 0])
    vault.answers.set('password', { pass1: 'new' })
    await look()
    later(1)
    expect([await references.resolve(PASS), calls()]).toEqual(['new', []])
    later(2 * MINUTE - 2)
    expect([await references.resolve(PASS), calls()]).toEqual(['new', []])
    vault.answers.set('password', { pass1: 'newer' })
    later(1)
    expect([await references.resolve(PASS), calls()]).toEqual(['newer', [PASS]])
  })

  it('asks for what has expired, and for what is not there, and for nothing else', async () => {
    const { reader, vault, later, calls, secrets } = await deployed()
    vault.answers.set('mail', { a: 'm' }).set('new', { a: 'n' })
    later(10 * MINUTE)
    await secrets.resolve(['{vault://hcv/mail/a}'])
    vault.answers.set('password', { pass1: 'new' })
    const values = await reader().resolveAll([PASS, '{vault://hcv/mail/a}', '{vault://hcv/new/a}'])
    expect(values).toEqual(['new', 'm', 'n'])
    expect(calls()).toEqual([PASS, '{vault://hcv/new/a}'])
  })

  it('goes on while the deployment is down, also one that has just begun, until resurrect_ttl is over', async () => {
    const { reader, later, state } = await deployed()
    const running = reader()
    await running.resolve(PASS)
    state.isDown = true
    later(10 * MINUTE + HOUR - 1)
    expect([await running.resolve(PASS), await reader().resolve(PASS)]).toEqual(['one', 'one'])
    later(1)
    expect([await codeOf(running), await codeOf(reader())]).toEqual([
      'ERR_AUTHORITY_UNAVAILABLE',
      'ERR_AUTHORITY_UNAVAILABLE',
    ])
  })

  it('goes on also when the outage of a service binding is thrown, and tells nothing of it', async () => {
    const { reader, later } = await deployed()
    later(10 * MINUTE)
    const service: ReferenceService = { resolve: () => Promise.reject(new Error('canary: the script was not found')) }
    const references = reader([W1], service)
    expect(await references.resolve(PASS)).toBe('one')
    const failure: unknown = await references.resolve('{vault://hcv/none/a}').catch((error: unknown) => error)
    expect([failure, JSON.stringify(failure)]).toEqual([
      expect.objectContaining({ code: 'ERR_AUTHORITY_UNAVAILABLE' }),
      expect.not.stringContaining('canary'),
    ])
  })

  it.each(['absent', 'forbidden'] as const)('takes the word of the vault within neg_ttl: %s', async (word) => {
    const { reader, vault, later, look, calls, state } = await deployed({ ttlMs: 2 * MINUTE, negTtlMs: 5 * MINUTE })
    const running = reader()
    await running.resolve(PASS)
    vault.answers.set('password', word)
    later(2 * MINUTE)
    await look()
    const code = word === 'absent' ? 'ERR_SECRET_NOT_FOUND' : 'ERR_SECRET_FORBIDDEN'
    expect([await codeOf(running), await codeOf(reader()), calls()]).toEqual([code, code, []])
    state.isDown = true
    later(5 * MINUTE)
    expect([await codeOf(running), await codeOf(reader())]).toEqual([
      'ERR_AUTHORITY_UNAVAILABLE',
      'ERR_AUTHORITY_UNAVAILABLE',
    ])
  })

  it('does not revive what the deployment has said is gone', async () => {
    const { reader, vault, later, calls, state } = await deployed()
    const running = reader()
    await running.resolve(PASS)
    later(10 * MINUTE)
    vault.answers.delete('password')
    expect([await codeOf(running), calls()]).toEqual(['ERR_SECRET_NOT_FOUND', [PASS]])
    state.isDown = true
    expect(await codeOf(running)).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('tells the deployment once a day what is wanted, so that it is not forgotten', async () => {
    const { reader, later, look, calls, vault } = await deployed({ ttlMs: 0 })
    const running = reader()
    for (let day = 0; day < 10; day += 1) {
      later(DAY)
      await look()
      for (const references of [running, reader(), running]) expect(await references.resolve(PASS)).toBe('one')
      expect(calls()).toEqual([PASS])
    }
    expect(vault.asked).toEqual(['password'])
  })

  it('asks the deployment for what is wanted anew', async () => {
    const { reader, vault, calls, state } = await deployed()
    const references = reader()
    await references.resolve(PASS)
    vault.answers.set('password', { pass1: 'new' })
    state.reads = 0
    expect(await references.refresh({ a: PASS })).toEqual({ a: 'new' })
    expect([calls(), state.reads]).toEqual([[`${PASS}!`], 0])
    state.isDown = true
    await expect(references.refresh({ a: PASS })).rejects.toMatchObject({ code: 'ERR_AUTHORITY_UNAVAILABLE' })
    expect(await references.resolve(PASS)).toBe('new')
  })

  it('is refused a value anew, and goes on with the one of before', async () => {
    const { reader, state } = await deployed()
    const forbidding: ReferenceService = { resolve: async () => refusal('ERR_FORBIDDEN', 'Not anew.') }
    const references = reader([W1], forbidding)
    await references.resolve(PASS)
    await expect(references.refresh({ a: PASS })).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' })
    state.storeTrouble = new KeyringError('ERR_STORE_UNAVAILABLE', 'It is gone.')
    expect(await references.resolve(PASS)).toBe('one')
  })

  it('hears of other settings of the vault: what was stored for others does not count', async () => {
    const { reader, instance, later, vault, calls, serviceOf } = await deployed()
    const running = reader()
    await running.resolve(PASS)
    const next = instance({ identity: 'https://other.example kv' })
    vault.answers.set('password', { pass1: 'elsewhere' })
    await next.look()
    later(MINUTE)
    const service = serviceOf(next.secrets)
    expect([await reader([W1], service).resolve(PASS), calls()]).toEqual(['elsewhere', [PASS]])
    expect(await running.resolve(PASS)).toBe('elsewhere')
    expect([await reader([W1], service).resolve(PASS), calls()]).toEqual(['elsewhere', []])
  })

  it('goes by the rules that the vault has now', async () => {
    const { reader, instance, later, state, entity } = await deployed({ ttlMs: HOUR })
    await instance({ rules: { ...entity.rules, ttlMs: MINUTE, resurrectMs: 0 } }).look()
    state.isDown = true
    expect(await codeOf(reader())).toBe('one')
    later(MINUTE)
    expect(await codeOf(reader())).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('reads what the vault has in base64, and files as whole secrets', async () => {
    const on = await deployed({}, { isBase64: true })
    on.vault.answers.set('app/key', Buffer.from('text').toString('base64'))
    const files = on.instance(
      {
        prefix: 'files',
        isBase64: true,
        split: ({ resource, key }) => ({ resource: `${resource}/${key}`, key: null }),
      },
      { type: 'fs' },
    )
    await files.secrets.resolve(['{vault://files/app/key}'])
    await files.look()
    expect([await on.reader([W1], null).resolve('{vault://files/app/key}')]).toEqual(['text'])
  })

  it('says what is wrong with a field, or with a reference, and asks nobody', async () => {
    const { reader, calls } = await deployed()
    const references = reader()
    expect(await codeOf(references, '{vault://hcv/password/none}')).toBe('ERR_SECRET_UNUSABLE')
    expect(await codeOf(references, '{vault://hcv/password/a#x}')).toBe('ERR_REFERENCE_INVALID')
    expect(calls()).toEqual([])
  })

  it('does not go by an answer of a clock that is ahead', async () => {
    const { reader, later, calls } = await deployed()
    later(-2 * MINUTE)
    await codeOf(reader())
    expect(calls()).toEqual([PASS])
  })
})

describe('what the vault no longer gives', () => {
  /** Its word is kept for a minute at most, and then there is nothing. */
  async function ended(ttlMs: number, word: 'absent' | 'forbidden') {
    const on = await deployed({ ttlMs, resurrectMs: 1000 * DAY })
    const [alone, served] = [on.reader([W1], null), on.reader()]
    for (const one of [alone, served]) expect(await one.resolve(PASS)).toBe('one')
    on.later(MINUTE)
    on.vault.answers.set('password', word)
    await on.secrets.resolve([PASS], true)
    return { ...on, alone, served }
  }

  const all = [0, 2 * MINUTE].flatMap((ttlMs) =>
    (['absent', 'forbidden'] as const).map((word) => [ttlMs, word] as const),
  )

  it.each(all)('is given up where nobody can be asked, with ttl %i: %s', async (ttlMs, word) => {
    const { alone, later, state } = await ended(ttlMs, word)
    expect(await codeOf(alone)).toBe(word === 'absent' ? 'ERR_SECRET_NOT_FOUND' : 'ERR_SECRET_FORBIDDEN')
    later(HOUR)
    expect(await codeOf(alone)).not.toBe('one')
    state.storeTrouble = new KeyringError('ERR_STORE_UNAVAILABLE', 'It is gone.')
    expect(await codeOf(alone)).not.toBe('one')
  })

  it.each(all)('is given up also when its word is no longer kept, with ttl %i: %s', async (ttlMs, word) => {
    const { alone, later, state } = await ended(ttlMs, word)
    later(HOUR)
    expect(await codeOf(alone)).toBe('ERR_AUTHORITY_UNAVAILABLE')
    state.storeTrouble = new KeyringError('ERR_STORE_UNAVAILABLE', 'It is gone.')
    expect(await codeOf(alone)).toBe('ERR_STORE_UNAVAILABLE')
  })

  it.each(all)(
    'is for the deployment to say; in its outage it serves to its end, with ttl %i: %s',
    async (ttlMs, word) => {
      const { served, later, state } = await ended(ttlMs, word)
      later(HOUR)
      state.isDown = true
      expect(await codeOf(served)).toBe(ttlMs === 0 ? 'ERR_AUTHORITY_UNAVAILABLE' : 'one')
      state.isDown = false
      expect(await codeOf(served)).toBe(word === 'absent' ? 'ERR_SECRET_NOT_FOUND' : 'ERR_SECRET_FORBIDDEN')
      state.isDown = true
      expect(await codeOf(served)).toBe('ERR_AUTHORITY_UNAVAILABLE')
    },
  )

  it('serves no longer for having been heard of the deployment', async () => {
    const { reader, later, state } = await deployed({ ttlMs: MINUTE, resurrectMs: HOUR })
    const references = reader()
    await references.resolve(PASS)
    await references.refresh({ a: PASS })
    state.isDown = true
    state.storeTrouble = new KeyringError('ERR_STORE_UNAVAILABLE', 'It is gone.')
    later(MINUTE + HOUR - 1)
    expect(await references.resolve(PASS)).toBe('one')
    later(1)
    expect(await codeOf(references)).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })
})

describe('keys', () => {
  it('that were derived for the vault are enough, and open no other', async () => {
    const { reader, instance } = await deployed()
    const other = instance({ prefix: 'other' })
    await other.secrets.resolve(['{vault://other/password/pass1}'])
    await other.look()
    const derived = reader(await deriveFor(nodeCipher, [W1], 'secrets/hcv'), null)
    expect(await derived.resolve(PASS)).toBe('one')
    expect(await codeOf(derived, '{vault://other/password/pass1}')).toBe('ERR_WRAPPING_KEY_MISSING')
    expect(await reader([W1], null).resolve('{vault://other/password/pass1}')).toBe('one')
  })

  it.each([
    ['another key under the same id', wrappingKey('w1', 2)],
    ['a key of another id', wrappingKey('w2', 2)],
  ])('%s opens nothing: the deployment is asked', async (_what, key) => {
    const { reader, calls } = await deployed()
    expect([await reader([key]).resolve(PASS), calls()]).toEqual(['one', [PASS]])
    expect(await codeOf(reader([key], null))).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('of before and after a change are told apart by what the deployment has written last, in whatever order they are here', async () => {
    const { reader, instance, vault, later } = await deployed({ ttlMs: 0 })
    const w2 = wrappingKey('w2', 2)
    const next = instance({}, { sealer: sealerOf([w2, W1]) })
    vault.answers.set('password', { pass1: 'new' })
    later(DAY)
    await next.secrets.resolve([PASS])
    await next.look()
    for (const keys of [[w2, W1], [W1, w2], [w2]]) expect(await reader(keys, null).resolve(PASS)).toBe('new')
  })
})

describe('between the steps of a change of keys', () => {
  const w2 = wrappingKey('w2', 2)

  it('the latest of what was written in a day counts, under whichever key', async () => {
    const { reader, instance, vault, later } = await deployed({ ttlMs: 0 })
    vault.answers.set('password', { pass1: 'new' })
    later(MINUTE)
    const next = instance({}, { sealer: sealerOf([w2, W1]) })
    await next.secrets.resolve([PASS], true)
    await next.look()
    for (const keys of [[w2, W1], [W1, w2], [w2]]) expect(await reader(keys, null).resolve(PASS)).toBe('new')
  })

  it('what was described by a clock that is ahead counts for least', async () => {
    const { reader, instance, vault, later } = await deployed({ ttlMs: 0 })
    later(5 * DAY)
    await instance().look()
    later(-5 * DAY)
    expect(await reader([W1], null).resolve(PASS)).toBe('one')
    vault.answers.set('password', { pass1: 'new' })
    const next = instance({ identity: 'https://other.example kv' }, { sealer: sealerOf([w2, W1]) })
    await next.secrets.resolve([PASS])
    await next.look()
    for (const keys of [
      [w2, W1],
      [W1, w2],
    ])
      expect(await reader(keys, null).resolve(PASS)).toBe('new')
  })
})

describe('without a deployment to ask', () => {
  it('what is not kept says so, and what is kept is used to its end', async () => {
    const { reader, later } = await deployed()
    const references = reader([W1], null)
    await expect(references.resolve('{vault://hcv/none/a}')).rejects.toMatchObject({
      code: 'ERR_AUTHORITY_UNAVAILABLE',
      message: expect.stringContaining('no deployment is named'),
    })
    later(10 * MINUTE + HOUR - 1)
    expect(await references.resolve(PASS)).toBe('one')
    later(1)
    expect(await codeOf(references)).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('a store that cannot be read is the failure; with one the deployment is asked', async () => {
    const { reader, state, calls } = await deployed()
    state.storeTrouble = new KeyringError('ERR_STORE_UNAVAILABLE', 'It is gone.')
    expect(await codeOf(reader([W1], null))).toBe('ERR_STORE_UNAVAILABLE')
    expect([await reader().resolve(PASS), calls()]).toEqual(['one', [PASS]])
  })
})

describe('what describes a vault', () => {
  const names = (items: ItemStore) => items.list('hcv', '', 10)

  it('is in no list, summary or count, and forgotten by nobody', async () => {
    const { items, secrets, keepers, later, look, reader } = await deployed({ ttlMs: 2 * MINUTE })
    expect(await names(items)).toHaveLength(2)
    expect((await secrets.cached('')).secrets.map(({ reference }) => reference)).toEqual(['{vault://hcv/password/}'])
    const summary = await keepers.call({ call: 'summary', vault: 'hcv' })
    expect(summary).toMatchObject({ ok: true, value: { kept: 1, refused: 0, failing: null } })
    for (let day = 0; day < 20; day += 1) {
      later(DAY)
      await look()
    }
    expect(await names(items)).toHaveLength(1)
    await secrets.resolve([PASS])
    expect(await reader([W1], null).resolve(PASS)).toBe('one')
  })

  it('is written once a day and when the settings have changed, by whichever instance', async () => {
    const { items, instance, look, later, entity } = await deployed({ ttlMs: 0 })
    const puts: string[] = []
    const put = items.put.bind(items)
    items.put = (...how) => {
      puts.push(how[1])
      return put(...how)
    }
    const days = async (looks: number) => {
      for (let at = 0; at < looks; at += 1) {
        later(HOUR)
        await look()
        await instance().look()
      }
      return puts.splice(0).length
    }
    expect(await days(48)).toBe(2)
    const changed = instance({ rules: { ...entity.rules, negTtlMs: HOUR } })
    await changed.look()
    await changed.look()
    expect(puts.splice(0)).toHaveLength(1)
  })

  it('outlives what it describes', async () => {
    const { clock, look, later, reader, secrets } = await deployed({ ttlMs: 0 })
    clock.time += DAY - (clock.time % DAY)
    await look()
    later(DAY - 1)
    await secrets.resolve(['{vault://hcv/password/pass2}'])
    later(7 * DAY - 1)
    expect(await reader([W1], null).resolve(PASS)).toBe('one')
    later(1)
    expect(await codeOf(reader([W1], null))).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('is missing in a store of before, or does not open: the deployment is asked', async () => {
    const { items, reader, calls, instance, later } = await deployed()
    later(1000)
    for (const name of await names(items)) {
      const { version = 0 } = (await items.get('hcv', name)) ?? {}
      const times = { due: Number.POSITIVE_INFINITY, expires: Number.POSITIVE_INFINITY }
      await items.put('hcv', name, new Uint8Array([1, 2]), version, times)
    }
    expect([await reader().resolve(PASS), calls()]).toEqual(['one', [PASS]])
    expect(await codeOf(reader([W1], null))).toBe('ERR_AUTHORITY_UNAVAILABLE')
    await instance().look()
    expect(await codeOf(reader([W1], null))).toBe('one')
  })

  it('that cannot be written stops nothing', async () => {
    const { items, look, later } = await deployed({ ttlMs: 0 })
    items.put = async () => Promise.reject(new KeyringError('ERR_STORE_UNAVAILABLE', 'The disk is full.'))
    later(DAY)
    expect(await look()).toEqual({ ok: true, value: 'not-due' })
  })
})

/** The same deployment with a replica, and processes that have that alone. */
async function replicated(rules: Partial<SecretRules> = {}) {
  const on = await deployed({ ttlMs: 12 * HOUR, ...rules })
  const held = new Map<string, Bytes>()
  const replica: Replica = {
    get: async (name) => held.get(name) ?? null,
    set: async (name, bytes) => (held.set(name, bytes), true),
  }
  const { clock, items, keepers } = on
  const sealer = sealerOf([W1])
  const copying = new CopyingVaults({ vaults: keepers, items, replica, clock, sealer, periodMs: PERIOD })
  const look = () => copying.call({ call: 'refreshIfDue', vault: 'hcv' })
  const ages = { stampMs: 2 * PERIOD, recordMs: 7 * DAY }
  const invalid: string[] = []
  const worker = (service: ReferenceService | null = on.serviceOf(on.secrets), keys = [W1]) => {
    const troubles = new Map<string, ErrorData>()
    const sealer = sealerOf(keys)
    const parts = { replica, clock, ages, freshMs: MINUTE, pauseMs: 5000 }
    const copies = new ReplicaCopies(parts, (vault, error) => {
      troubles.set(vault, error)
      invalid.push(error.code)
    })
    return new References({
      service,
      kept: new StoredValues({ items: itemsOfCopies(copies, ages.recordMs, troubles), clock, sealer }),
      clock,
    })
  }
  await look()
  const copy = held.get('secrets/hcv') ?? expect.unreachable('Nothing was copied.')
  return { ...on, held, look, worker, copy, invalid }
}

describe('a process that reads the replica', () => {
  it('has what is fresh without a question', async () => {
    const { worker, calls } = await replicated()
    expect([await worker().resolveAll([PASS, OTHER]), calls()]).toEqual([['one', 'two'], []])
  })

  it('goes by an old copy while the deployment is down, as long as a record of a keyring may serve', async () => {
    const { worker, later, state, calls } = await replicated({ ttlMs: 0 })
    later(2 * PERIOD + 1)
    expect([await worker().resolve(PASS), calls()]).toEqual(['one', [PASS]])
    state.isDown = true
    later(7 * DAY - 2 * PERIOD - 1)
    expect(await worker().resolve(PASS)).toBe('one')
    later(1)
    expect(await codeOf(worker())).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('has from an old copy no longer than one that begins later', async () => {
    const { worker, later } = await replicated({ ttlMs: 0 })
    const running = worker(null)
    await running.resolve(PASS)
    later(7 * DAY)
    expect(await running.resolve(PASS)).toBe('one')
    later(1)
    expect([await codeOf(running), await codeOf(worker(null))]).toEqual([
      'ERR_AUTHORITY_UNAVAILABLE',
      'ERR_AUTHORITY_UNAVAILABLE',
    ])
  })

  it.each([0, 12 * HOUR])('gives up what a later copy lacks, with ttl %i', async (ttlMs) => {
    const { worker, later, look, vault, secrets } = await replicated({ ttlMs })
    vault.answers.set('other', { a: 'b' })
    await secrets.resolve(['{vault://hcv/other/a}'])
    const running = worker(null)
    await running.resolve(PASS)
    vault.answers.delete('password')
    later(PERIOD)
    await secrets.resolve([PASS], true)
    await look()
    expect(await codeOf(running)).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('goes on with what it heard after the copy was made, which says nothing of that', async () => {
    const { worker, later, vault, state } = await replicated({ ttlMs: 0 })
    later(MINUTE)
    vault.answers.set('new', { a: 'b' })
    const running = worker()
    expect(await running.resolve('{vault://hcv/new/a}')).toBe('b')
    state.isDown = true
    later(MINUTE)
    expect(await running.resolve('{vault://hcv/new/a}')).toBe('b')
  })

  it('believes an old copy that is put back for two periods, and not against what it has heard or read', async () => {
    const { worker, later, look, held, copy, vault, calls } = await replicated()
    const [heard, read] = [worker(), worker()]
    later(MINUTE)
    vault.answers.set('password', { pass1: 'new' })
    expect(await heard.refresh({ a: PASS })).toMatchObject({ a: 'new' })
    later(PERIOD)
    await look()
    expect([await read.resolve(PASS), calls()]).toEqual(['new', [`${PASS}!`]])
    held.set('secrets/hcv', copy)
    later(MINUTE)
    expect([await worker().resolve(PASS), calls()]).toEqual(['one', []])
    expect([await heard.resolve(PASS), calls()]).toEqual(['new', [PASS]])
    expect([await read.resolve(PASS), calls()]).toEqual(['new', []])
    later(2 * PERIOD)
    expect([await worker().resolve(PASS), calls()]).toEqual(['new', [PASS]])
  })

  it('does not go back to the copy when the deployment has said that a secret is gone', async () => {
    const { worker, later, vault, calls, state } = await replicated()
    const references = worker()
    await references.resolve(PASS)
    vault.answers.delete('password')
    later(MINUTE)
    await expect(references.refresh({ a: PASS })).rejects.toMatchObject({ code: 'ERR_SECRET_NOT_FOUND' })
    calls()
    expect([await codeOf(references), calls()]).toEqual(['ERR_SECRET_NOT_FOUND', [PASS]])
    state.isDown = true
    expect(await codeOf(references)).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('asks for what a copy does not have, or one that is none', async () => {
    const { worker, held, invalid, calls, copy } = await replicated()
    held.set('secrets/hcv', copy.slice(0, -1))
    expect([await worker().resolve(PASS), calls()]).toEqual(['one', [PASS]])
    expect(invalid).toEqual(['ERR_RECORD_INVALID'])
    held.clear()
    expect(await codeOf(worker(null))).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('says that the key is another one', async () => {
    const { worker } = await replicated()
    expect([
      await codeOf(worker(null, [wrappingKey('w1', 2)])),
      await codeOf(worker(null, [wrappingKey('w2', 2)])),
    ]).toEqual(['ERR_WRAPPING_KEY_WRONG', 'ERR_WRAPPING_KEY_MISSING'])
  })

  it('is not kept from its secrets by an outage of the vault', async () => {
    const { worker, later, look, vault, calls } = await replicated({ ttlMs: 10 * MINUTE })
    vault.answers.set('password', outage())
    later(10 * MINUTE)
    await look()
    expect([await worker().resolve(PASS), calls()]).toEqual(['one', [PASS]])
  })
})
