/** What the authority does for a record beside syncs: the replica, the daily seal, and what they mean for a removal. */
import { describe, expect, it } from 'vitest'
import { objectStore } from '../../functions/cloudflare/object-store.ts'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { KeyringError, refusal, unwrap } from '../../src/core/errors.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { decodeUtf8, utf8 } from '../../src/core/bytes.ts'
import type { Replica } from '../../src/core/ports.ts'
import { Keyring } from '../../src/keyring/keyring.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { stampIn } from '../../src/keyring/stamp.ts'
import type { SealerSet } from '../../src/crypto/seal.ts'
import { sealers } from '../../src/crypto/seal.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world, wrappingKey } from '../support/authority.ts'
import { sqlStorage } from '../support/sql-storage.ts'

const DAY = 24 * 60 * 60 * 1000
const SEALED = new KeyringError('ERR_VAULT_SEALED', 'Vault is sealed.')

/** A world whose replica can refuse; `taken` is what it has accepted of records, `stamped` of stamps. */
function withReplica(...versions: string[]) {
  const taken: { name: string; bytes: Bytes }[] = []
  const stamped: { name: string; bytes: Bytes }[] = []
  const listOf = (name: string) => (name.startsWith('stamp') ? stamped : taken)
  const replica = {
    refuses: false,
    get: async (name: string) => listOf(name).at(-1)?.bytes ?? null,
    set: async (name: string, bytes: Bytes) => !replica.refuses && listOf(name).push({ name, bytes }) > 0,
  }
  const on = { ...world(versions), replica }
  const authority = authorityOn(on)
  const status = async () => unwrap(await authority.status('default'))
  const stored = async () => (await on.store.get('keyring/default')) ?? expect.unreachable()
  return { on, taken, stamped, replica, authority, status, stored }
}

describe('an item of stamps', () => {
  it('is looked at for as many as there are keyrings, whoever wrote how many', async () => {
    const set = await sealers(nodeCipher, nodeHash, [wrappingKey('w1', 1)], 'default')
    const own = decodeUtf8(await set.first.sign('ekst1', '{"revision":2,"time":1}')) ?? expect.unreachable()
    const other = `${own.split('\n')[0]}\n{}`
    let looks = 0
    const counting: SealerSet = { ...set, byId: (id) => ((looks += 1), set.byId(id)) }
    const find = (items: readonly string[]) => stampIn(utf8(items.join('\n')), counting, 7)
    const others = (count: number) => Array.from({ length: count }, () => other)
    expect(await find([...others(6), own])).toEqual({ revision: 2, time: 1 })
    expect(looks).toBe(7)
    expect(await find(others(10_000))).toBeNull()
    expect(looks).toBe(14)
  })
})

describe('the replica', () => {
  it('gets the sealed record after each put, and nothing else', async () => {
    const { on, taken, authority, stored, status } = withReplica('a:1')
    await authority.sync('default', PLAIN_SYNC)
    const first = (await stored()).bytes
    await authority.sync('default', PLAIN_SYNC)
    on.versions = ['a:1', 'b:2']
    await authority.sync('default', PLAIN_SYNC)
    await authority.change('default', { op: 'compromise', id: 'a', force: false })
    expect(taken).toHaveLength(3)
    expect(taken.map(({ name }) => name)).toEqual(Array.from({ length: 3 }, () => 'keyring/default'))
    expect([taken[0]?.bytes, taken[2]?.bytes]).toEqual([first, (await stored()).bytes])
    expect((await status()).replica).toMatchObject({ revision: 0, lags: true })
    await authority.syncIfDue('default')
    expect((await status()).replica).toMatchObject({ lags: false })
  })

  it('is known by what is read back: a write that was given up and lands late is seen, and keeps a removal off', async () => {
    const { on, taken, authority, status } = withReplica('a:1')
    await authority.sync('default', PLAIN_SYNC)
    const late = taken[0] ?? expect.unreachable()
    on.clock.time += 1000
    on.versions = ['a:1', 'b:2']
    await authority.sync('default', PLAIN_SYNC)
    taken.push(late)
    const stopped = on.clock.time
    await authority.syncIfDue('default')
    expect((await status()).replica).toEqual({ revision: stopped - 1000, lags: true })
    on.clock.time += 31_000
    const remove = () => authority.change('default', { op: 'remove', id: 'a', force: false })
    expect(await remove()).toMatchObject({ ok: false, error: { code: 'ERR_KEY_IN_USE' } })
    await authority.syncIfDue('default')
    expect((await status()).replica).toEqual({ revision: stopped, lags: false })
    expect(await remove()).toMatchObject({ ok: true })
  })

  it('that holds what cannot be believed holds nothing, and is given the record', async () => {
    const { on, taken, authority, status, stored } = withReplica('a:1')
    await authority.sync('default', PLAIN_SYNC)
    await authority.syncIfDue('default')
    taken.push({ name: 'keyring/default', bytes: (await stored()).bytes.map((byte) => byte ^ 1) })
    await authority.syncIfDue('default')
    expect((await status()).replica).toEqual({ revision: 0, lags: true })
    await authority.syncIfDue('default')
    expect((await status()).replica).toEqual({ revision: on.clock.time, lags: false })
  })

  it('that refuses harms nothing; it is shown to lag, and the schedule pushes again until it has taken it', async () => {
    const { on, taken, replica, authority, status } = withReplica('a:1')
    replica.refuses = true
    expect(await authority.sync('default', PLAIN_SYNC)).toMatchObject({ ok: true, value: { changed: true } })
    expect((await status()).replica).toEqual({ revision: 0, lags: true })
    await authority.syncIfDue('default')
    expect(taken).toEqual([])
    replica.refuses = false
    expect(await authority.syncIfDue('default')).toEqual({ ok: true, value: 'not-due' })
    await authority.syncIfDue('default')
    expect(taken).toHaveLength(1)
    expect((await status()).replica).toEqual({ revision: on.clock.time, lags: false })
  })

  it('is none where none is configured', async () => {
    const on = world(['a:1'])
    await authorityOn(on).sync('default', PLAIN_SYNC)
    expect(unwrap(await authorityOn(on).status('default')).replica).toBeNull()
    expect((await (await keyringOn(on)).status()).replica).toBeNull()
  })

  it('gets the keys of a first sync that leaves no active one', async () => {
    const { taken, authority } = withReplica('a:1', 'malformed')
    expect(await authority.sync('default', PLAIN_SYNC)).toMatchObject({ ok: false })
    expect(taken).toHaveLength(1)
  })

  it('lets a removal wait from when it has taken that the key stopped', async () => {
    const { on, replica, authority } = withReplica('a:1')
    await authority.sync('default', PLAIN_SYNC)
    replica.refuses = true
    on.clock.time += 1000
    on.versions = ['a:1', 'b:2']
    await authority.sync('default', PLAIN_SYNC)
    const remove = () => authority.change('default', { op: 'remove', id: 'a', force: false })
    on.clock.time += DAY
    expect(await remove()).toMatchObject({ ok: false, error: { code: 'ERR_KEY_IN_USE' } })
    replica.refuses = false
    await authority.syncIfDue('default')
    expect(await remove()).toMatchObject({ ok: false, error: { code: 'ERR_KEY_IN_USE' } })
    await authority.syncIfDue('default')
    expect(await remove()).toMatchObject({ ok: true })
  })
})

describe('the daily seal', () => {
  const syncedAt = async (later: number) => {
    const made = withReplica('a:1')
    await made.authority.sync('default', PLAIN_SYNC)
    made.on.versions = SEALED
    made.on.clock.time += later
    const before = await made.stored()
    await made.authority.syncIfDue('default')
    const after = await made.stored()
    return { ...made, isNew: after.version > before.version, after }
  }

  it('comes after a day, with Vault down, and goes to the replica', async () => {
    const { isNew, taken, after, status, authority } = await syncedAt(DAY)
    expect([isNew, taken.length, taken[1]?.bytes]).toEqual([true, 2, after.bytes])
    await authority.syncIfDue('default')
    expect((await status()).replica).toMatchObject({ lags: false })
  })

  it('does not come earlier', async () => expect((await syncedAt(DAY - 1)).isNew).toBe(false))

  it('does not come for a record that went without for a week: that is for people to see', async () => {
    expect((await syncedAt(7 * DAY)).isNew).toBe(true)
    expect((await syncedAt(7 * DAY + 1)).isNew).toBe(false)
  })

  it('comes with a sync that finds nothing new, too', async () => {
    const { on, authority, stored } = withReplica('a:1')
    await authority.sync('default', PLAIN_SYNC)
    on.clock.time += 8 * DAY
    expect(await authority.sync('default', PLAIN_SYNC)).toMatchObject({ value: { changed: false } })
    expect((await stored()).version).toBe(2)
  })

  it('keeps what the keyring decrypts', async () => {
    const { on, authority } = withReplica('a:1')
    const keyring = await keyringOn(on, undefined, authority)
    await keyring.sync(PLAIN_SYNC)
    const { ciphertext } = await keyring.encrypt(new Uint8Array([1]), new Uint8Array())
    on.clock.time += DAY
    await authority.syncIfDue('default')
    expect((await (await keyringOn(on)).decrypt(ciphertext, new Uint8Array())).keyId).toBe('a')
  })
})

describe.each([
  ['that read it anew each time', sharedStore],
  ['of two objects, where one is superseded and still runs', storesOfObjects],
])('two authorities on one store, %s,', (_name, stores) => {
  const two = (...versions: string[]) => {
    const [store, other] = stores()
    const on = world(versions, store)
    return { on, one: authorityOn(on), two: authorityOn({ ...on, store: other }) }
  }

  it('lose nothing: compare-and-set decides, and both syncs succeed', async () => {
    const { on, one, two: other } = two('a:1', 'b:2', 'c:3')
    const results = await Promise.all([one, other].map((authority) => authority.sync('default', PLAIN_SYNC)))
    expect(results).toMatchObject([{ ok: true }, { ok: true }])
    expect((await on.store.get('keyring/default'))?.version).toBe(1)
  })

  it('decide each change once, whoever comes first', async () => {
    const { on, one, two: other } = two('a:1', 'b:2', 'c:3')
    await one.sync('default', PLAIN_SYNC)
    await other.sync('default', PLAIN_SYNC)
    const changes = await Promise.all([
      one.change('default', { op: 'remove', id: 'a', force: false }),
      other.change('default', { op: 'remove', id: 'b', force: false }),
      other.change('default', { op: 'remove', id: 'a', force: false }),
      one.sync('default', PLAIN_SYNC),
    ])
    expect(changes.filter(({ ok }) => ok)).toHaveLength(3)
    expect((await (await keyringOn(on)).record())?.keys.map(({ id }) => id)).toEqual(['c'])
  })
})

function sharedStore() {
  const store = memoryStore()
  return [store, store] as const
}

function storesOfObjects() {
  const { sql } = sqlStorage()
  const open = () => objectStore({ sql, sync: async () => {} }, 1000)
  return [open(), open()] as const
}

describe('the stamp in the replica', () => {
  const MINUTE = 60_000
  const cold = async (on: Parameters<typeof keyringOn>[0] & { replica: Replica }, siblings = 1, name = 'default') =>
    Keyring.open(name, {
      authority: distantAuthority(async () => refusal('ERR_AUTHORITY_UNAVAILABLE', 'Gone.')),
      cipher: nodeCipher,
      hash: nodeHash,
      clock: on.clock,
      wrappingKeys: [wrappingKey('w1', 1)],
      replica: on.replica,
      background: null,
      audit: { note: () => {} },
      freshness: { freshMs: MINUTE, backgroundMs: 5 * MINUTE, pauseMs: 5000 },
      ages: { stampMs: 20 * MINUTE, recordMs: 7 * DAY },
      siblings,
    })

  it('is written once a period, Vault up or down, so that it is never two periods old', async () => {
    const { on, authority, stamped } = withReplica('a:1')
    await authority.sync('default', PLAIN_SYNC)
    on.versions = SEALED
    for (let minute = 0; minute < 60; minute += 1) {
      await authority.syncIfDue('default')
      const keyring = await cold(on)
      expect((await keyring.encrypt(new Uint8Array(), new Uint8Array())).keyId).toBe('a')
      on.clock.time += MINUTE
    }
    expect(stamped.length).toBeLessThanOrEqual(7)
    expect(new Set(stamped.map(({ name }) => name))).toEqual(new Set(['stamp/default']))
  })

  it('is none for a record that cannot be read, or was never written', async () => {
    const { on, authority, stamped } = withReplica('a:1')
    on.versions = SEALED
    await authority.syncIfDue('default')
    await on.store.put('keyring/default', new TextEncoder().encode('altered'), 0)
    await authority.syncIfDue('default')
    expect(stamped).toEqual([])
  })

  it.each([6, 7])('of %i keyrings costs at most six writes a period', async (count) => {
    const held = new Map<string, Bytes>()
    let writes = 0
    const replica: Replica = {
      get: async (name) => held.get(name) ?? null,
      set: async (name, bytes) => ((writes += Number(name.startsWith('stamp'))), held.set(name, bytes), true),
    }
    const names = Array.from({ length: count }, (_, index) => `k${index}`)
    const on = { ...world(['a:1']), replica }
    const authority = authorityOn(on, undefined, names)
    for (const name of names) await authority.sync(name, PLAIN_SYNC)
    on.versions = SEALED
    await on.store.put('keyring/k1', new Uint8Array([1]), 1)
    for (let minute = 0; minute < 9; minute += 1) {
      for (const name of names) await authority.syncIfDue(name)
      on.clock.time += MINUTE
    }
    expect(writes).toBe(count < 7 ? count - 1 : 1)
    for (const name of names.filter((each) => each !== 'k1')) {
      const keyring = await cold(on, count, name)
      expect((await keyring.encrypt(new Uint8Array(), new Uint8Array())).keyId).toBe('a')
    }
  })
})
