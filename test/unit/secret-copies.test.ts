/** Copies of secrets in a replica: when they are written, when an isolate goes by them, and that an old one revives nothing for long. */
import { beforeEach, describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { decodeUtf8, utf8 } from '../../src/core/bytes.ts'
import { KeyringError, refusal } from '../../src/core/errors.ts'
import { MAX_RECORD_BYTES } from '../../src/core/limits.ts'
import type { AuditEvent, Replica } from '../../src/core/ports.ts'
import type { SecretRules } from '../../src/core/secrets.ts'
import { itemSealer, secretsOf } from '../../src/crypto/seal-item.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { CopiedAuthority } from '../../src/secrets/copies.ts'
import { signCopy } from '../../src/secrets/copy.ts'
import { CopyingVaults } from '../../src/secrets/copying.ts'
import { Secrets } from '../../src/secrets/secrets.ts'
import { wrappingKey } from '../support/authority.ts'
import { outage, secretWorld, valueOrCode } from '../support/secrets.ts'

const [MINUTE, DAY] = [60_000, 86_400_000]
const PERIOD = 10 * MINUTE
const PASS = '{vault://hcv/password/pass1}'
const NAME = 'secrets/hcv'
const sealer = (vault: string) => itemSealer(nodeCipher, nodeHash, [wrappingKey('w1', 1)], secretsOf(vault))

/** A vault with the secret `password`, an authority that copies, and as many isolates as are wanted. */
function replicated(rules: Partial<SecretRules> = {}) {
  const on = secretWorld({ ttlMs: 12 * 60 * MINUTE, ...rules })
  on.vault.answers.set('password', { pass1: 'one' })
  const held = new Map<string, Bytes>()
  const state = { copies: 0, calls: [] as string[], isDown: false, events: [] as AuditEvent[] }
  const replica: Replica = {
    get: async (name) => held.get(name) ?? null,
    set: async (name, bytes) => ((state.copies += 1), held.set(name, bytes), true),
  }
  const { clock, items } = on
  const vaults = new CopyingVaults({ vaults: on.keepers, items, replica, clock, sealer, periodMs: PERIOD })
  const authority = distantAuthority(async (message) => {
    state.calls.push(message.call)
    if (state.isDown) return refusal('ERR_AUTHORITY_UNAVAILABLE', 'It is down.')
    return 'vault' in message ? vaults.call(message) : null
  })
  const entity = {
    prefix: 'hcv',
    identity: 'https://vault.example kv',
    rules: { ttlMs: 12 * 60 * MINUTE, negTtlMs: 0, resurrectMs: 60 * MINUTE, resurrectDeleted: false, ...rules },
    isBase64: false,
    split: (written: { resource: string; key: string | null }) => written,
    trouble: () => null,
  }
  /** One that has just begun. */
  const isolate = () => {
    const copies = new CopiedAuthority({
      authority,
      replica,
      audit: { note: (event) => void state.events.push(event) },
      clock,
      sealer,
      entities: [entity],
      ages: { stampMs: 2 * PERIOD, recordMs: 7 * DAY },
      freshMs: MINUTE,
      pauseMs: 5000,
    })
    const entities = new Map([[entity.prefix, entity]])
    return new Secrets({ authority: copies, clock, sealer, entities, freshMs: MINUTE })
  }
  const look = () => authority.call({ call: 'refreshIfDue', vault: 'hcv' })
  const later = (ms: number) => void (clock.time += ms)
  /** Since the last look. */
  const calls = () => state.calls.splice(0)
  return { ...on, held, state, isolate, look, later, calls }
}

let on: ReturnType<typeof replicated>
/** What was copied while the secret was there. */
let copy: Bytes
const value = (secrets = on.isolate(), text = PASS) => valueOrCode(secrets, text)

async function begin(rules: Partial<SecretRules> = {}) {
  on = replicated(rules)
  await value()
  await on.look()
  copy = on.held.get(NAME) ?? expect.unreachable('Nothing was copied.')
  on.calls()
}
beforeEach(() => begin())

describe('an isolate that has just begun', () => {
  it('has from the copy what the authority would say, and asks nobody', async () => {
    expect(await value()).toBe('one')
    expect(on.calls()).toEqual([])
    expect(on.vault.asked).toEqual(['password'])
  })

  it('asks for what the copy does not have, and for nothing else', async () => {
    on.vault.answers.set('other', { a: 'b' })
    const results = await on.isolate().resolve([PASS, '{vault://hcv/other/a}'])
    expect(results.map((one) => one.ok && one.value.value)).toEqual(['one', 'b'])
    expect(on.calls()).toEqual(['resolve'])
    expect(on.vault.asked).toEqual(['password', 'other'])
  })

  it('asks when the secret has expired by the rules of its vault', async () => {
    await begin({ ttlMs: 5 * MINUTE })
    on.later(5 * MINUTE)
    on.vault.answers.set('password', { pass1: 'two' })
    expect(await value()).toBe('two')
  })

  it('asks once a day, so that the authority does not forget what is wanted', async () => {
    await begin({ ttlMs: 0 })
    on.later(DAY)
    await on.look()
    on.calls()
    expect(await value()).toBe('one')
    expect(on.calls()).toEqual(['resolve'])
    on.later(PERIOD)
    await on.look()
    on.calls()
    expect(await value()).toBe('one')
    expect(on.calls()).toEqual([])
    expect(on.vault.asked).toEqual(['password'])
  })

  it('asks when a caller wants it anew', async () => {
    on.vault.answers.set('password', { pass1: 'two' })
    expect(await valueOrCode(on.isolate(), PASS, true)).toBe('two')
  })
})

describe('an old copy', () => {
  beforeEach(async () => {
    on.vault.answers.delete('password')
    on.later(MINUTE)
    await valueOrCode(on.isolate(), PASS, true)
    await on.look()
  })

  it('is replaced at the next look after a caller wanted everything anew', async () => {
    expect(on.held.get(NAME)).not.toEqual(copy)
    expect(await value()).toBe('ERR_SECRET_NOT_FOUND')
  })

  it('that is put back is believed for two periods at most', async () => {
    on.held.set(NAME, copy)
    on.later(2 * PERIOD - MINUTE)
    expect(await value()).toBe('one')
    on.later(1)
    expect(await value()).toBe('ERR_SECRET_NOT_FOUND')
  })

  it('says nothing to an isolate that has heard of later', async () => {
    on = replicated()
    const isolate = on.isolate()
    await value(isolate)
    await on.look()
    on.vault.answers.set('password', { pass1: 'two' })
    on.later(1000)
    expect(await valueOrCode(isolate, PASS, true)).toBe('two')
    on.later(MINUTE)
    expect(await value(isolate)).toBe('two')
    on.vault.answers.delete('password')
    on.later(20_000)
    expect(await valueOrCode(isolate, PASS, true)).toBe('ERR_SECRET_NOT_FOUND')
    on.state.isDown = true
    on.later(MINUTE)
    expect(await value(isolate)).not.toBe('one')
  })

  it('is not taken again by an isolate that went by a later one', async () => {
    on.vault.answers.set('password', { pass1: 'two' })
    on.later(MINUTE)
    await valueOrCode(on.isolate(), PASS, true)
    await on.look()
    const isolate = on.isolate()
    expect(await value(isolate)).toBe('two')
    on.held.set(NAME, copy)
    on.later(MINUTE)
    on.calls()
    expect(await value(isolate)).toBe('two')
    expect(on.calls()).toEqual([])
  })

  it('cannot be made young: its states in another copy, altered, or of another vault', async () => {
    const young = on.held.get(NAME) ?? expect.unreachable()
    const [first = ''] = (decodeUtf8(young) ?? '').split('\n')
    const old = (decodeUtf8(copy) ?? '').split('\n').slice(1).join('\n')
    const foreign = await signCopy(await sealer('other'), on.clock.time, [])
    for (const bytes of [utf8(`${first}\n${old}`), utf8('x'), utf8(''), foreign, copy.slice(0, -1)]) {
      on.held.set(NAME, bytes)
      on.state.events.length = 0
      expect(await value()).toBe('ERR_SECRET_NOT_FOUND')
      expect(on.state.events).toMatchObject([
        { action: 'replica', vault: 'hcv', outcome: 'refused', code: 'ERR_REPLICA_INVALID' },
      ])
    }
  })

  it('of a clock that was ahead is none', async () => {
    on.held.set(NAME, copy)
    on.later(-2 * MINUTE)
    await value()
    expect(on.calls()).toContain('resolve')
  })
})

describe('while the authority cannot be asked', () => {
  it('an isolate goes by the copy, also by an expired secret in it, to the end of resurrect_ttl', async () => {
    await begin({ ttlMs: 5 * MINUTE, resurrectMs: 60 * MINUTE })
    on.state.isDown = true
    on.later(65 * MINUTE - 1)
    const [result] = await on.isolate().resolve([PASS])
    expect(result).toMatchObject({ ok: true, value: { value: 'one', cache: 'stale' } })
    on.later(1)
    expect(await value()).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('no copy counts that is older than a record of a keyring may be', async () => {
    await begin({ ttlMs: 0 })
    on.state.isDown = true
    on.later(7 * DAY)
    expect(await value()).toBe('one')
    on.later(1)
    expect(await value()).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('an isolate goes by what it has seen where there is no copy', async () => {
    const isolate = on.isolate()
    on.held.clear()
    expect(await value(isolate)).toBe('one')
    on.state.isDown = true
    on.later(MINUTE)
    expect(await value(isolate)).toBe('one')
    expect(await value()).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it('an isolate goes by 8 MiB of what it has seen, the latest', async () => {
    const texts = Array.from({ length: 45 }, (_, at) => {
      on.vault.answers.set(`large-${at}`, 'x'.repeat(200_000))
      return `{vault://hcv/large-${at}/}`
    })
    const isolate = on.isolate()
    for (const text of texts) await value(isolate, text)
    on.state.isDown = true
    on.later(MINUTE)
    const codes = (await isolate.resolve(texts)).map((one) => (one.ok ? 'a value' : one.error.code))
    const lost = codes.indexOf('a value')
    expect(lost).toBeGreaterThan(2)
    expect(lost).toBeLessThan(20)
    expect(new Set(codes.slice(0, lost))).toEqual(new Set(['ERR_AUTHORITY_UNAVAILABLE']))
    expect(new Set(codes.slice(lost))).toEqual(new Set(['a value']))
  })

  it('what is not in the copy fails alone, and whoever wants it anew hears that he cannot', async () => {
    const isolate = on.isolate()
    expect(await valueOrCode(isolate, PASS, true)).toBe('one')
    on.state.isDown = true
    const results = await on.isolate().resolve([PASS, '{vault://hcv/other/a}'])
    expect(results).toMatchObject([{ ok: true }, { ok: false, error: { code: 'ERR_AUTHORITY_UNAVAILABLE' } }])
    expect(await valueOrCode(isolate, PASS, true)).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })

  it("a store of the authority's that fails counts as the same", async () => {
    on.later(2 * PERIOD + 1)
    on.items.get = async () => Promise.reject(new KeyringError('ERR_STORE_UNAVAILABLE', 'The disk is gone.'))
    expect(await value()).toBe('one')
  })

  it('what is absent by its last word is not revived', async () => {
    const isolate = on.isolate()
    on.vault.answers.delete('password')
    on.later(MINUTE)
    await valueOrCode(isolate, PASS, true)
    on.state.isDown = true
    on.later(MINUTE)
    expect(await value(isolate)).toBe('ERR_AUTHORITY_UNAVAILABLE')
  })
})

describe('a copy', () => {
  it('is written once a period, whatever the ttl, with Vault down too: 160 times a day', async () => {
    await begin({ ttlMs: MINUTE })
    on.vault.answers.set('password', outage())
    on.state.copies = 0
    for (let minute = 0; minute < 1440; minute += 1) {
      on.later(MINUTE)
      await on.look()
    }
    expect(on.state.copies).toBe(160)
  })

  it('is not written of a vault that nobody has asked, nor while it holds what it would', async () => {
    on = replicated()
    await on.look()
    expect(on.state.copies).toBe(0)
    await value()
    for (let look = 0; look < 5; look += 1) await on.look()
    expect(on.state.copies).toBe(1)
  })

  it('is written again when the replica has lost it', async () => {
    on.held.clear()
    await on.look()
    expect(await value()).toBe('one')
    expect(on.calls()).not.toContain('resolve')
  })

  it('has no names that the vault does not have, and as many secrets as fit', async () => {
    await begin({ negTtlMs: 60 * MINUTE })
    const names = Array.from({ length: 30 }, (_, at) => `{vault://hcv/large-${at}/}`)
    for (let at = 0; at < 15; at += 1) on.vault.answers.set(`large-${at}`, 'x'.repeat(30_000))
    await on.isolate().resolve(names)
    on.later(PERIOD)
    await on.look()
    const length = on.held.get(NAME)?.length ?? 0
    expect(length).toBeLessThanOrEqual(MAX_RECORD_BYTES)
    expect(length).toBeGreaterThan(MAX_RECORD_BYTES - 2 * 45_000)
    const [, text = ''] = (decodeUtf8(on.held.get(NAME) ?? new Uint8Array()) ?? '').split('\n')
    expect(Object.keys((JSON.parse(text) as { states: object }).states).length).toBeLessThan(12)
    expect(await value()).toBe('one')
    expect(await value(on.isolate(), names[3])).toBe('x'.repeat(30_000))
  })
})
