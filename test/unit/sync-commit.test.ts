/** What a sync or a change commits, and with which time: Vault and the store may be slow, and the record may be full. */
import { describe, expect, it } from 'vitest'
import { KeyringError } from '../../src/core/errors.ts'
import type { SharedStore } from '../../src/core/ports.ts'
import { PLAIN_SYNC, keyringOn, world } from '../support/authority.ts'
import type { World } from '../support/authority.ts'
import { NOW } from '../support/observed.ts'

const recordOn = async (on: World) => (await (await keyringOn(on)).record()) ?? expect.unreachable()

describe('a time in the record is that of the commit', () => {
  /** Each answer of the source takes 3 s. */
  async function slow(...versions: string[]) {
    const on = world(versions)
    const keyring = await keyringOn(on)
    await keyring.sync(PLAIN_SYNC)
    on.answerMs = 3000
    return { on, keyring }
  }
  const stopped = async (on: World, id: string) => (await recordOn(on)).keys.find((entry) => entry.id === id)?.stopped

  it('when a key stops being active: others encrypt with it until then, however slow Vault is', async () => {
    const { on, keyring } = await slow('a:1')
    on.versions = ['a:1', 'b:2']
    await keyring.sync(PLAIN_SYNC)
    expect(on.clock.time).toBe(NOW + 6000)
    expect(await stopped(on, 'a')).toBe(on.clock.time)
    expect((await recordOn(on)).keys.map(({ synced }) => synced)).toEqual([NOW, on.clock.time])
    const early = keyring.change({ op: 'remove', id: 'a', force: false })
    await expect(early).rejects.toThrow(expect.objectContaining({ code: 'ERR_KEY_IN_USE' }))
  })

  it('when its source is left', async () => {
    const { on, keyring } = await slow('a:1')
    on.incarnation = 'second'
    on.versions = ['x:9']
    await keyring.sync({ ...PLAIN_SYNC, force: true })
    expect(await stopped(on, 'a')).toBe(NOW + 6000)
  })

  it('when its source is left for one whose current version is unusable', async () => {
    const { on, keyring } = await slow('a:1')
    on.incarnation = 'second'
    on.versions = ['malformed']
    const refused = expect.objectContaining({ code: 'ERR_ACTIVE_UNUSABLE' })
    await expect(keyring.sync({ ...PLAIN_SYNC, force: true })).rejects.toThrow(refused)
    expect(await stopped(on, 'a')).toBe(NOW + 6000)
    expect((await recordOn(on)).active).toBeNull()
  })

  it('when it is compromised, however slow the store is before the write', async () => {
    const on = world(['a:1'])
    const slowly: SharedStore = {
      ...on.store,
      get: async (name) => {
        const stored = await on.store.get(name)
        if (name === 'status/default') on.clock.time += 3000
        return stored
      },
    }
    const replica = { get: async () => null, set: async () => true }
    const keyring = await keyringOn({ ...on, store: slowly, replica })
    await keyring.sync(PLAIN_SYNC)
    on.clock.time = NOW + 60_000
    await keyring.change({ op: 'compromise', id: 'a', force: true })
    expect(await stopped(on, 'a')).toBe(NOW + 63_000)
  })
})

describe('a batch that does not fit the record', () => {
  /** A keyring that holds a:1 and b:2, in a store with so much room for more. */
  async function full(room: number) {
    const on = world(['a:1', 'b:2'])
    const size = async () => (await on.store.get('keyring/default'))?.bytes.length ?? 0
    await (await keyringOn(on)).sync(PLAIN_SYNC)
    const most = (await size()) + room
    const store: SharedStore = {
      ...on.store,
      put: async (name, bytes, expected) => {
        if (name.startsWith('keyring/') && bytes.length > most)
          throw new KeyringError('ERR_RECORD_TOO_LARGE', 'The record would be too large.', { facts: { limit: most } })
        return on.store.put(name, bytes, expected)
      },
    }
    const small = { ...on, store }
    return { on: small, keyring: await keyringOn(small) }
  }
  const tooLarge = (facts: object = {}) =>
    expect.objectContaining({ code: 'ERR_RECORD_TOO_LARGE', facts: expect.objectContaining(facts) })

  it('takes the current version alone, and says what was left out', async () => {
    const { on, keyring } = await full(600)
    on.versions = ['a:1', 'b:2', 'c:3', 'd:4', 'e:5', 'f:6']
    await expect(keyring.sync(PLAIN_SYNC)).rejects.toThrow(tooLarge({ leftOut: 3 }))
    expect((await recordOn(on)).keys.map(({ id }) => id)).toEqual(['a', 'b', 'f'])
    expect((await keyring.encrypt(new Uint8Array(), new Uint8Array())).keyId).toBe('f')
    expect(await keyring.status()).toMatchObject({ active: 'f', last_error: { code: 'ERR_RECORD_TOO_LARGE' } })
    on.versions = [...on.versions, 'g:7']
    await expect(keyring.sync(PLAIN_SYNC)).rejects.toThrow(tooLarge({ leftOut: 3 }))
    expect((await recordOn(on)).active).toBe('g')
  })

  it('takes a current version whose key is held, however little room there is', async () => {
    const { on, keyring } = await full(60)
    on.versions = ['a:1', 'b:2', 'c:3', 'a:1']
    await expect(keyring.sync(PLAIN_SYNC)).rejects.toThrow(tooLarge({ leftOut: 1 }))
    expect((await recordOn(on)).active).toBe('a')
  })

  it('changes nothing when the current version does not fit either', async () => {
    const { on, keyring } = await full(10)
    const before = await recordOn(on)
    on.versions = ['a:1', 'b:2', 'c:3', 'd:4']
    await expect(keyring.sync(PLAIN_SYNC)).rejects.toThrow(tooLarge())
    expect(await recordOn(on)).toEqual(before)
  })
})

describe('a Vault too slow for one sync', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => `k${index + 1}:${index + 1}`)
  const tooSlow = () => new KeyringError('ERR_VAULT_TIMEOUT', 'Vault did not answer within 10000 ms.')
  const down = () => new KeyringError('ERR_VAULT_UNAVAILABLE', 'Vault cannot answer now.')

  /** At these versions the deadline comes. */
  const hangingFrom = (from: number, to: number) => async (version: number, signal: AbortSignal) => {
    if (version < from || version > to) return
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    throw tooSlow()
  }
  async function slow(count: number, beforeRead: (version: number, signal: AbortSignal) => Promise<void>) {
    const on = Object.assign(world(many(count)), { beforeRead, leftMs: 1 })
    return { on, keyring: await keyringOn(on) }
  }

  it('has what was read kept at the deadline, without a gap, the current version first; the next sync goes on', async () => {
    const { on, keyring } = await slow(300, hangingFrom(258, 299))
    expect(await keyring.sync(PLAIN_SYNC)).toMatchObject({ changed: true, remaining: 42, notes: [] })
    const record = await recordOn(on)
    expect([record.active, record.keys.length]).toEqual(['k300', 258])
    expect(await keyring.status()).toMatchObject({ last_error: null, next_try: new Date(NOW).toISOString() })
    Object.assign(on, { beforeRead: async () => {}, leftMs: Number.POSITIVE_INFINITY })
    on.asked.length = 0
    expect(await keyring.sync(PLAIN_SYNC)).toMatchObject({ remaining: 0 })
    expect(on.asked).toHaveLength(43)
    expect((await recordOn(on)).keys).toHaveLength(300)
  })

  it('keeps nothing behind a version that is missing: the lowest wins a collision in every batch', async () => {
    const { on, keyring } = await slow(9, hangingFrom(3, 3))
    expect(await keyring.sync(PLAIN_SYNC)).toMatchObject({ remaining: 6 })
    expect((await recordOn(on)).keys.map(({ id }) => id)).toEqual(['k1', 'k2', 'k9'])
  })

  it('is named when not even the current version was read in time', async () => {
    const { on, keyring } = await slow(3, hangingFrom(1, 3))
    await expect(keyring.sync(PLAIN_SYNC)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_VAULT_TIMEOUT',
        message:
          'Vault at vault.example was too slow for a sync of keyring "default": the time was over before one of 3 new versions was read.',
      }),
    )
    expect(await on.store.get('keyring/default')).toBeNull()
  })

  it('or one that fails late has whole batches of 40 kept, and the failure is told', async () => {
    const { on, keyring } = await slow(100, async (version) => {
      if (version === 90) throw down()
    })
    on.leftMs = Number.POSITIVE_INFINITY
    await expect(keyring.sync(PLAIN_SYNC)).rejects.toThrow(expect.objectContaining({ code: 'ERR_VAULT_UNAVAILABLE' }))
    const record = await recordOn(on)
    expect([record.active, record.keys.length]).toEqual(['k100', 80])
    expect(await keyring.status()).toMatchObject({ last_error: { code: 'ERR_VAULT_UNAVAILABLE', failures: 1 } })
  })
})
