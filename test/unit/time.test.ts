/** Clocks that were ahead, and clocks that go back: every time that was stored or remembered, under a clock that is told. */
import { describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { KeyringError, unwrap } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { doubtsOnce } from '../../src/core/time.ts'
import { sealers } from '../../src/crypto/seal.ts'
import { Diagnoses } from '../../src/keyring/diagnoses.ts'
import { Ledger } from '../../src/keyring/ledger.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import type { StoredStatus } from '../../src/keyring/status.ts'
import { identityTokens } from '../../src/vault/login/identity-token.ts'
import { encodeState } from '../../src/vault/token/record.ts'
import type { TokenState } from '../../src/vault/token/state.ts'
import { NO_TOKEN } from '../../src/vault/token/state.ts'
import type { World } from '../support/authority.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world, wrappingKey } from '../support/authority.ts'
import { FakeVault, instance } from '../support/fake-vault.ts'
import { NOW } from '../support/observed.ts'
import { withRead } from '../support/verbs.ts'

const [SECOND, MINUTE, HOUR, DAY] = [1000, 60_000, 3_600_000, 86_400_000]
const YEAR = 365 * DAY
const NONE = utf8('')
const due = (value: string) => ({ ok: true, value })
const inUse = expect.objectContaining({ code: 'ERR_KEY_IN_USE' })

/** Two instances far from one authority, as processes with clocks of their own. */
async function apart(on: World) {
  const [here, there] = [{ ...on.clock }, on.clock]
  here.now = () => here.time
  const authority = authorityOn(on)
  const asked = { here: 0 }
  const counting = withRead(authority, (...given) => {
    asked.here += 1
    return authority.read(...given)
  })
  const own = { ...on, clock: here }
  return { here, there, authority, asked, near: await keyringOn(own, undefined, counting) }
}

describe('an instance whose clock goes back', () => {
  it('looks again at once, and does not go on with a key that was rotated, compromised and removed elsewhere', async () => {
    const on = world(['a:1'])
    const { here, authority, near, asked } = await apart(on)
    await near.sync(PLAIN_SYNC)
    expect((await near.encrypt(NONE, NONE)).keyId).toBe('a')
    on.versions = ['a:1', 'b:2']
    await authority.sync('default', PLAIN_SYNC)
    await authority.change('default', { op: 'compromise', id: 'a', force: false })
    await authority.change('default', { op: 'remove', id: 'a', force: true })
    asked.here = 0
    here.time -= HOUR
    const { keyId, ciphertext } = await near.encrypt(NONE, NONE)
    expect([keyId, asked.here]).toEqual(['b', 1])
    await near.decrypt(ciphertext, NONE)
    expect(asked.here).toBe(1)
  })

  it('and whose snapshot is still older than the step looks again, too', async () => {
    const on = world(['a:1'])
    const keyring = await keyringWith(on)
    await keyring.encrypt(NONE, NONE)
    on.clock.time += 50 * SECOND
    await keyring.encrypt(NONE, NONE)
    on.versions = ['a:1', 'b:2']
    await authorityOn(on).sync('default', PLAIN_SYNC)
    on.clock.time -= 40 * SECOND
    expect((await keyring.encrypt(NONE, NONE)).keyId).toBe('b')
    expect(keyring.noted).toEqual(['clock', 'record'])
    on.clock.time -= HOUR
    await keyring.encrypt(NONE, NONE)
    expect(keyring.noted).toEqual(['clock', 'record'])
  })

  it('by less than a second goes on with what it has: requests of one isolate have clocks of their own', async () => {
    const on = world(['a:1'])
    const keyring = await keyringWith(on)
    await keyring.encrypt(NONE, NONE)
    on.clock.time -= SECOND
    const before = on.asked.length
    await keyring.encrypt(NONE, NONE)
    expect([on.asked.length - before, keyring.noted]).toEqual([0, []])
  })

  it('does not keep the authority from being asked for an unknown key', async () => {
    const on = world(['a:1'])
    const keyring = await keyringWith(on)
    const { ciphertext } = await keyring.encrypt(NONE, NONE)
    const unknown = () => keyring.decrypt(ciphertext.replace(/^ek1\.\w+/, 'ek1.zz'), NONE)
    await expect(unknown()).rejects.toThrow(expect.objectContaining({ code: 'ERR_KEY_NOT_FOUND' }))
    on.clock.time -= HOUR
    await expect(unknown()).rejects.toThrow(expect.objectContaining({ code: 'ERR_KEY_NOT_FOUND' }))
  })
})

/** As an isolate is, a minute's snapshot and a pause; `noted` is what it wrote to the audit log by itself. */
async function keyringWith(on: World) {
  await authorityOn(on).sync('default', PLAIN_SYNC)
  const noted: string[] = []
  const keyring = await keyringOn(on, undefined, undefined, {
    replica: on.replica ?? null,
    audit: { note: ({ action }) => noted.push(action) },
    freshness: { freshMs: MINUTE, backgroundMs: MINUTE, pauseMs: 5 * SECOND },
  })
  return Object.assign(keyring, { noted })
}

/** A keyring synced by a clock that was so far ahead, and is right again. */
async function ahead(ms: number, ...versions: string[]) {
  const on = world(versions)
  on.clock.time += ms
  const authority = authorityOn(on)
  await authority.sync('default', PLAIN_SYNC)
  const right = () => (on.clock.time = NOW)
  return { on, authority, right }
}

describe('a record that was written by a clock that was ahead', () => {
  it('is too old: it is used with a warning, until a sync seals it anew', async () => {
    const { on, right } = await ahead(YEAR, 'a:1')
    right()
    const keyring = await keyringOn(on)
    await keyring.encrypt(NONE, NONE)
    expect(keyring.warning).toBe('ERR_RECORD_OUTDATED')
    await keyring.sync(PLAIN_SYNC)
    expect(keyring.warning).toBeNull()
    const other = await keyringOn(on)
    expect([(await other.encrypt(NONE, NONE)).keyId, other.warning]).toEqual(['a', null])
  })

  it('is not taken from a replica, and never counts as young there', async () => {
    const held = new Map<string, Uint8Array<ArrayBuffer>>()
    const replica = {
      get: async (name: string) => held.get(name) ?? null,
      set: async (name: string, bytes: Uint8Array<ArrayBuffer>) => (held.set(name, bytes), true),
    }
    const { on, right } = await ahead(YEAR, 'a:1')
    const bytes = (await on.store.get('keyring/default'))?.bytes ?? NONE
    right()
    held.set('keyring/default', bytes)
    const keyring = await keyringWith({ ...on, store: memoryStore(), versions: ['b:2'], replica })
    held.set('keyring/default', bytes)
    expect((await keyring.encrypt(NONE, NONE)).keyId).toBe('b')
  })

  it('does not differ by 30 s: so far apart may the clocks of two instances be', async () => {
    const { on, right } = await ahead(30 * SECOND, 'a:1')
    right()
    const keyring = await keyringOn(on)
    await keyring.encrypt(NONE, NONE)
    expect(keyring.warning).toBeNull()
  })

  it('names keys that stopped in the future: they stopped now, and can be removed when the bound is over', async () => {
    const { on, authority, right } = await ahead(YEAR, 'a:1')
    on.versions = ['a:1', 'b:2']
    await authority.sync('default', PLAIN_SYNC)
    right()
    const keyring = await keyringOn(on)
    const remove = () => keyring.change({ op: 'remove', id: 'a', force: false })
    await expect(remove()).rejects.toThrow(
      expect.objectContaining({ facts: expect.objectContaining({ allowedFrom: iso(NOW + 31_000) }) }),
    )
    await keyring.sync(PLAIN_SYNC)
    on.clock.time += 30_999
    await expect(remove()).rejects.toThrow(inUse)
    on.clock.time += 1
    await remove()
    expect(on.doubted).toContain('stopped')
  })

  it('and a key that stops after it: the replica must have that very revision, which is ahead of the time', async () => {
    const { on, right } = await ahead(YEAR, 'a:1')
    right()
    const { stopRevision, replicated } = await rotatedAfter(on)
    expect(stopRevision).toBeGreaterThan(NOW + YEAR)
    const keyring = await keyringOn(on, undefined, authorityOn(replicated(stopRevision - 1)))
    on.clock.time += DAY
    await expect(keyring.change({ op: 'remove', id: 'a', force: false })).rejects.toThrow(inUse)
  })
})

const iso = (time: number) => new Date(time).toISOString()

async function rotatedAfter(on: World) {
  on.versions = ['a:1', 'b:2']
  const keyring = await keyringOn(on)
  await keyring.sync(PLAIN_SYNC)
  const stopRevision = (await keyring.record())?.revision ?? 0
  /** A world whose status says what the replica has. */
  const replicated = (revision: number): World => {
    const replica = { get: async () => null, set: async () => false }
    const world = { ...on, replica }
    void writeStatus(on, { replicated: revision })
    return world
  }
  return { stopRevision, replicated }
}

async function writeStatus(on: World, status: Partial<StoredStatus>): Promise<void> {
  const set = await sealers(nodeCipher, nodeHash, [wrappingKey('w1', 1)], 'default')
  const version = (await on.store.get('status/default'))?.version ?? 0
  await on.store.put('status/default', await set.first.sign('eks1', JSON.stringify(status)), version)
}

describe('a status that was written by a clock that was ahead', () => {
  it('leaves the schedule alive: a sync is due now, and that is said', async () => {
    const { on, authority, right } = await ahead(YEAR, 'a:1')
    right()
    expect(unwrap(await authority.status('default'))).toMatchObject({ nextTry: NOW, lastAttempt: null })
    expect(await authority.syncIfDue('default')).toEqual(due('synced'))
    expect(on.doubted).toContain('status')
    expect(unwrap(await authority.status('default'))).toMatchObject({ nextTry: NOW + 10 * MINUTE, lastSuccess: NOW })
  })

  it('that fails since the future fails since now', async () => {
    const on = world([])
    on.clock.time += YEAR
    Object.assign(on, { versions: new KeyringError('ERR_VAULT_SEALED', 'Vault is sealed.') })
    await authorityOn(on).sync('default', PLAIN_SYNC)
    on.clock.time = NOW
    expect(unwrap(await authorityOn(on).status('default'))).toMatchObject({ failing: { since: NOW }, nextTry: NOW })
  })

  it('says what is needed when rotations stall, whichever way the clock went', async () => {
    const on = world(['a:1'])
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    const { stalled } = { stalled: { since: NOW, code: 'source-behind' as const, version: 1 } }
    await writeStatus(on, { lastAttempt: NOW - HOUR, lastSuccess: NOW - HOUR, stalled })
    expect((await keyring.status()).needed).toEqual([
      expect.stringMatching(/^Vault shows version/),
      expect.stringMatching(/^Nothing has been noted/),
    ])
  })
})

describe('a lease from the future', () => {
  const leased = (on: World, until: number) => on.store.put('lease/sync/default', utf8(JSON.stringify({ until })), 0)

  it('is none: the schedule goes on, and that is said', async () => {
    const on = world(['a:1'])
    await leased(on, NOW + YEAR)
    expect(await authorityOn(on).syncIfDue('default')).toEqual(due('synced'))
    expect(on.doubted).toEqual(['lease'])
  })

  it('is one while clocks that differ by 30 s could have taken it', async () => {
    const on = world(['a:1'])
    await leased(on, NOW + MINUTE)
    expect(await authorityOn(on).syncIfDue('default')).toEqual(due('held'))
  })
})

describe('the stored state of a login', () => {
  const state = (more: Partial<TokenState>): TokenState => ({ ...NO_TOKEN, generation: 1, ...more })
  const token = (more: object) => ({
    secret: new Secret('token-of-the-future'),
    ttlMs: HOUR,
    expires: NOW + HOUR,
    due: NOW + HOUR,
    renewable: false,
    type: 'service' as const,
    ...more,
  })
  const error = { code: 'ERR_VAULT_LOGIN_REFUSED' as const, message: 'Refused.', remedy: 'x', facts: {} }

  const sealed = { ...error, code: 'ERR_VAULT_SEALED' as const }

  async function from(stored: TokenState) {
    const vault = new FakeVault()
    const store = memoryStore()
    let name = ''
    const watched = {
      ...store,
      get: (item: string) => ((name = item.startsWith('token/') ? item : name), store.get(item)),
    }
    const one = instance(vault, watched)
    await vault.clock.run(one.read())
    await one.items.write(name, encodeState(stored), (await store.get(name))?.version ?? 0)
    vault.logins.length = 0
    vault.clock.time = NOW
    return { vault, read: () => vault.clock.run(instance(vault, store).read()) }
  }

  it.each<[string, TokenState]>([
    ['a next try', state({ failing: { error, count: 3, nextTry: NOW + YEAR, soonest: NOW, requests: [] } })],
    ['a lease', state({ lease: NOW + YEAR })],
    ['a denial', state({ denied: { generation: 1, by: 'token', count: 2, until: NOW + YEAR } })],
    ['the end of a token', state({ token: token({ expires: NOW + YEAR, due: NOW + YEAR }) })],
  ])('with %s a year away is as if that were over: one login', async (_what, stored) => {
    const { vault, read } = await from(stored)
    await read()
    expect([vault.logins.length, vault.doubted.length > 0]).toEqual([1, true])
  })

  it('with a wait that can be true is waited for', async () => {
    const failing = { error: sealed, count: 9, nextTry: NOW + 5 * MINUTE, soonest: NOW, requests: [] }
    const { vault, read } = await from(state({ failing }))
    await expect(read()).rejects.toThrow(expect.objectContaining({ code: 'ERR_VAULT_SEALED' }))
    expect([vault.logins, vault.doubted]).toEqual([[], []])
  })

  it('is looked at again by an instance whose clock goes back', async () => {
    const vault = new FakeVault()
    const store = memoryStore()
    const gets: string[] = []
    const one = instance(vault, { ...store, get: (name) => (gets.push(name), store.get(name)) })
    await vault.clock.run(one.read())
    gets.length = 0
    vault.clock.time -= MINUTE
    await vault.clock.run(one.read())
    expect(gets.length).toBeGreaterThan(0)
  })
})

describe('what a process remembers', () => {
  it('an answer of the doctor from the future is not kept', async () => {
    const clock = { time: NOW, now: () => clock.time, sleep: async () => {} }
    let examined = 0
    const diagnoses = new Diagnoses(async () => ((examined += 1), []), { clock, leftMs: () => MINUTE })
    await diagnoses.diagnose({ login: false })
    await diagnoses.diagnose({ login: false })
    clock.time -= HOUR
    await diagnoses.diagnose({ login: false })
    expect(examined).toBe(2)
  })

  it('an answer of the doctor that is given again says how old it is', async () => {
    const clock = { time: NOW, now: () => clock.time, sleep: async () => {} }
    const found = (['dns', 'server'] as const).map((check) => ({ check, outcome: 'ok', detail: 'Well.' }) as const)
    const diagnoses = new Diagnoses(async () => found, { clock, leftMs: () => MINUTE })
    const details = async () => (await diagnoses.diagnose({ login: false })).findings.map(({ detail }) => detail)
    expect(await details()).toEqual(['Well.', 'Well.'])
    clock.time += 999
    expect(await details()).toEqual(['Well.', 'Well.'])
    clock.time += 8001
    for (const _ of [1, 2]) expect(await details()).toEqual(['Well. (All of this: 9 s ago.)', 'Well.'])
    clock.time += 1000
    expect(await details()).toEqual(['Well.', 'Well.'])
  })

  it('a JWT of the platform is fetched anew', async () => {
    const clock = { time: NOW, now: () => clock.time, sleep: async () => {} }
    let fetched = 0
    const fetch = async () => ((fetched += 1), new Response(`e30.e30.${fetched}`))
    const endpoint = { url: 'http://127.0.0.1/', header: { name: 'x', value: new Secret('y') }, field: null }
    const jwt = identityTokens(endpoint, { clock, fetch } as never)
    const signal = new AbortController().signal
    await jwt(signal)
    await jwt(signal)
    clock.time -= HOUR
    await jwt(signal)
    expect(fetched).toBe(2)
  })
})

it('each kind of a time that cannot be true is logged once', () => {
  const lines: string[] = []
  const doubt = doubtsOnce((line) => lines.push(line))
  for (const what of ['lease', 'status', 'lease', 'lease'] as const) doubt(what)
  expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
    { level: 'warn', clock: 'lease', message: 'A lease was taken by a clock that was ahead: it is over.' },
    { level: 'warn', clock: 'status' },
  ])
})

it('a ledger does not go back behind a revision that is ahead of the time', async () => {
  const { on, authority, right } = await ahead(YEAR, 'a:1')
  right()
  on.versions = ['a:1', 'b:2']
  expect(await authority.sync('default', PLAIN_SYNC)).toMatchObject({ ok: true })
  const set = await sealers(nodeCipher, nodeHash, [wrappingKey('w1', 1)], 'default')
  const loaded = await new Ledger(on.store, set, 'default').load()
  expect([loaded?.record.revision, loaded?.record.sealed]).toEqual([NOW + YEAR + 1, NOW])
})
