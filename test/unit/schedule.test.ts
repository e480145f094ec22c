import { describe, expect, it } from 'vitest'
import { underLease } from '../../src/core/lease.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { SharedStore } from '../../src/core/ports.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { runSchedule } from '../../src/keyring/schedule.ts'
import { nextTry } from '../../src/keyring/status.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world } from '../support/authority.ts'
import { NOW } from '../support/observed.ts'

const MINUTE = 60_000
const PERIOD = 10 * MINUTE
const SEALED = new KeyringError('ERR_VAULT_SEALED', 'Vault is sealed.')
const ok = (value: unknown) => ({ ok: true, value })

describe('a lease', () => {
  const clock = { time: NOW, now: () => clock.time, sleep: async () => {} }
  const doubt = () => {}

  it('has one holder at a time, and is free again afterwards', async () => {
    const store = memoryStore()
    const inner = () => underLease({ store, clock, doubt }, 'x', async () => 'inner')
    expect(await underLease({ store, clock, doubt }, 'x', inner)).toBe('held')
    expect(await inner()).toBe('inner')
  })

  it('has one winner among those who ask at once', async () => {
    const store = memoryStore()
    const outcomes = await Promise.all(
      [1, 2, 3].map((each) => underLease({ store, clock, doubt }, 'x', async () => each)),
    )
    expect(outcomes.filter((outcome) => outcome === 'held')).toHaveLength(2)
  })

  it('of a dead holder runs out after 30 s', async () => {
    const store = memoryStore()
    const dying: SharedStore = { ...store, put: async (...write) => (deaths++ === 0 ? store.put(...write) : never()) }
    let deaths = 0
    const never = (): never => {
      throw new KeyringError('ERR_STORE_UNAVAILABLE', 'Gone.')
    }
    await underLease({ store: dying, clock, doubt }, 'x', async () => 'done')
    clock.time += 29_999
    expect(await underLease({ store, clock, doubt }, 'x', async () => 'next')).toBe('held')
    clock.time += 1
    expect(await underLease({ store, clock, doubt }, 'x', async () => 'next')).toBe('next')
  })

  it('is given back when the work fails', async () => {
    const store = memoryStore()
    await expect(underLease({ store, clock, doubt }, 'x', () => Promise.reject(SEALED))).rejects.toBe(SEALED)
    expect(await underLease({ store, clock, doubt }, 'x', async () => 'next')).toBe('next')
  })
})

describe('a login that failed', () => {
  it('is insisted on by whoever asks, past a refusal by force alone, and never by the schedule', async () => {
    const on = world(['a:1'])
    const authority = authorityOn(on)
    const sync = (more: object) => authority.sync('default', { ...PLAIN_SYNC, ...more })
    expect(await authority.syncIfDue('default')).toEqual(ok('synced'))
    await sync({})
    await sync({ adopt: true })
    await sync({ force: true })
    expect(on.insisted).toEqual(['none', 'outage', 'outage', 'refusal'])
  })

  it('is insisted on by a doctor who is told to, whatever was found some seconds ago', async () => {
    const on = world(['a:1'])
    const authority = authorityOn(on)
    for (const login of [false, false, true, true, false]) await authority.diagnose('default', { login })
    await Promise.all([true, true].map((login) => authority.diagnose('default', { login })))
    expect(on.insisted).toEqual([false, true, true, true])
  })
})

describe('the next try', () => {
  const status = {
    lastAttempt: NOW,
    lastSuccess: null,
    failures: 0,
    remaining: 0,
    stalled: null,
    pushed: false,
    failing: null,
    rotation: null,
  }
  it.each([
    ['is now when there was none', { lastAttempt: null }, NOW + 5],
    ['is a period after a success', {}, NOW + PERIOD],
    ['is now while versions remain', { remaining: 3 }, NOW + 5],
    ['is a minute after the first failure, versions remaining or not', { failures: 1, remaining: 3 }, NOW + MINUTE],
    ['is four minutes after the third', { failures: 3 }, NOW + 4 * MINUTE],
    ['is never later than a period', { failures: 9 }, NOW + PERIOD],
  ])('%s', (_name, more, expected) => {
    expect(nextTry({ ...status, ...more }, PERIOD, NOW + 5)).toBe(expected)
  })

  it('is nothing without a period', () => expect(nextTry(status, null, NOW)).toBeNull())
})

describe('syncIfDue', () => {
  it('syncs at once, then when a period has passed', async () => {
    const on = world(['a:1'])
    const authority = authorityOn(on)
    expect(await authority.syncIfDue('default')).toEqual(ok('synced'))
    expect(await authority.syncIfDue('default')).toEqual(ok('not-due'))
    expect(await authority.status('default')).toMatchObject({ value: { nextTry: NOW + PERIOD } })
    on.clock.time += PERIOD
    expect(await authority.syncIfDue('default')).toEqual(ok('synced'))
    expect(on.asked).toEqual(['observe', 1, 'observe'])
  })

  it('brings into the status what the settings have that is not taken, also when no sync is due, until it is', async () => {
    const on = world(['a:1'])
    const look = async (...refused: string[]) => {
      await authorityOn(on).call({ call: 'syncIfDue', keyring: 'default', refused })
      return {
        needed: (await (await keyringOn(on)).status()).needed,
        version: (await on.store.get('status/default'))?.version,
      }
    }
    await look()
    const told = await look('A_SETTING is wrong')
    expect(told.needed).toContain('A_SETTING is wrong')
    expect(await look('A_SETTING is wrong')).toEqual(told)
    expect((await look('A_SETTING is wrong', 'ANOTHER is too')).needed).toContain('ANOTHER is too')
    expect((await look()).needed).toEqual([])
    expect(on.asked).toEqual(['observe', 1])
  })

  it('counts a sync on request', async () => {
    const authority = authorityOn(world(['a:1']))
    await authority.sync('default', PLAIN_SYNC)
    expect(await authority.syncIfDue('default')).toEqual(ok('not-due'))
  })

  it('asks the source once, whoever looks at the same moment', async () => {
    const on = world(['a:1'])
    const outcomes = await Promise.all([1, 2, 3].map(() => authorityOn(on).syncIfDue('default')))
    expect(on.asked).toEqual(['observe', 1])
    expect(outcomes.filter((outcome) => outcome.ok && outcome.value === 'synced')).toHaveLength(1)
  })

  it('comes back sooner after a failure, and later each time', async () => {
    const on = world(SEALED)
    const authority = authorityOn(on)
    for (const minutes of [1, 2, 4]) {
      expect(await authority.syncIfDue('default')).toMatchObject({ ok: false, error: { code: 'ERR_VAULT_SEALED' } })
      on.clock.time += minutes * MINUTE - 1
      expect(await authority.syncIfDue('default')).toEqual(ok('not-due'))
      on.clock.time += 1
    }
  })
})

it('a schedule goes on with the next keyring after a failure, and says what it did', async () => {
  const failing = world(SEALED)
  const [bad, good] = [authorityOn(failing), authorityOn(world(['a:1']), undefined, ['orders'])]
  const both = distantAuthority((message) =>
    ('keyring' in message && message.keyring === 'default' ? bad : good).call(message),
  )
  const lines: string[] = []
  const run = () => runSchedule(both, ['default', 'orders'], (line) => lines.push(line))
  await run()
  await run()
  expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
    { level: 'warn', keyring: 'default', outcome: 'failed', code: 'ERR_VAULT_SEALED' },
    { level: 'info', keyring: 'orders', outcome: 'synced', code: null },
  ])
})
