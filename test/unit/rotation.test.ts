/** Rotations in memory, under a clock that stands still: when they are due, what they may write, and what a fault leaves. */
import { describe, expect, it, vi } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { readCron } from '../../src/core/cadence.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { MOST_TIME } from '../../src/core/limits.ts'
import type { Audit, AuditEvent, Cadence } from '../../src/core/ports.ts'
import { PLAIN_SYNC, authorityOn, beside, keyringOn, world } from '../support/authority.ts'
import type { World } from '../support/authority.ts'
import { loginEnv } from '../support/logins.ts'
import { NOW, observed } from '../support/observed.ts'
import { refuseUnsafeWrite, rotationsLeft } from '../../src/keyring/rotation.ts'

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]
const WEEKLY: Cadence = { after: (since) => since + 7 * DAY }
const NONE = new Uint8Array()
const LOST = new KeyringError('ERR_VAULT_TIMEOUT', 'Vault did not answer.')

async function ring(versions: string[], more: Partial<World> = {}) {
  const on: World = { ...world(versions), ...more }
  const authority = authorityOn(on)
  await authority.sync('default', PLAIN_SYNC)
  on.asked.length = 0
  const rotate = (dryRun = false, by = authority) => by.call({ call: 'rotate', keyring: 'default', dryRun })
  const record = async () => (await (await keyringOn(on)).record()) ?? expect.unreachable()
  return { on, authority, rotate, record, look: () => authority.syncIfDue('default') }
}

const refused = (detail: RegExp) => ({
  ok: false,
  error: { code: 'ERR_ROTATION_REFUSED', message: expect.stringMatching(detail) },
})

describe('a cadence', () => {
  it.each([
    ['0 3 1 * *', null, true],
    ['*/5 0-3 1,15 jan mon', null, true],
    ['0 3 1 * *', 'Europe/Berlin', true],
    ['0 3 1 * *', 'Europe/Nowhere', false],
    ['0 0 3 1 * *', null, false],
    ['@daily', null, false],
    ['61 3 1 * *', null, false],
    ['0 0 30 2 *', null, false],
    ['', null, false],
  ])('%s in %s is one: %s', (text, zone, is) => expect(readCron(text, zone) !== null).toBe(is))

  const next = (expression: string, since: string, zone: string | null = null): string =>
    new Date(readCron(expression, zone)?.after(Date.parse(since)) ?? expect.unreachable()).toISOString()

  it('comes at the first time after the one given, and never at that one', () => {
    expect(next('0 3 * * *', '2026-03-01T02:59:59.999Z')).toBe('2026-03-01T03:00:00.000Z')
    expect(next('0 3 * * *', '2026-03-01T03:00:00.000Z')).toBe('2026-03-02T03:00:00.000Z')
    expect(next('0 3 * * *', '2026-03-01T03:00:00.001Z')).toBe('2026-03-02T03:00:00.000Z')
  })

  it.each([null, 'Europe/Berlin'])('has none after the last of all dates, in %s', (zone) => {
    expect(readCron('0 3 * * *', zone)?.after(MOST_TIME - 1000)).toBeNull()
  })

  it('goes by the time of its zone, also when the clocks are changed', () => {
    expect(next('30 2 * * *', '2026-03-27T12:00:00Z', 'Europe/Berlin')).toBe('2026-03-28T01:30:00.000Z')
    expect(next('30 2 * * *', '2026-03-29T12:00:00Z', 'Europe/Berlin')).toBe('2026-03-30T00:30:00.000Z')
  })

  it.each([
    ['30d', '2026-01-01T00:00:00Z', '2026-01-31T00:00:00.000Z'],
    ['36h', '2026-01-01T00:00:00Z', '2026-01-02T12:00:00.000Z'],
    ['0 3 1 * *', '2026-01-01T03:00:00Z', '2026-02-01T03:00:00.000Z'],
    [' CRON_TZ=Europe/Berlin  0  3 1 * * ', '2026-06-15T00:00:00Z', '2026-07-01T01:00:00.000Z'],
  ])('is read from the settings: %s', (KEYRING_ROTATION, since, then) => {
    const parsed = parseConfig(loginEnv({ token: 't' }, { KEYRING_ROTATION }), 'node', undefined, readCron)
    if (!parsed.ok) expect.unreachable(JSON.stringify(parsed))
    expect(parsed.config?.rotation.cadence?.after(Date.parse(since))).toBe(Date.parse(then))
  })

  it.each(['30', '59m', '0h', '3651d', '@daily', '0 0 3 1 * *', '61 3 1 * *', 'CRON_TZ=Europe/Nowhere 0 3 1 * *'])(
    'is refused when the settings are read: %s',
    (KEYRING_ROTATION) => {
      const parsed = parseConfig(loginEnv({ token: 't' }, { KEYRING_ROTATION }), 'node', undefined, readCron)
      expect(parsed).toMatchObject({ ok: false, problems: [{ name: 'KEYRING_ROTATION' }] })
    },
  )
})

describe('a rotation by hand', () => {
  it('writes a new key, which is active at once, with four requests', async () => {
    const { on, rotate, record } = await ring(['a:1'])
    const result = await rotate()
    expect(result).toMatchObject({ ok: true, value: { rotated: true, version: 2, left: 8 } })
    expect(on.asked).toEqual(['observe', 'keeps', 'write', 'observe'])
    const { active, keys, intent } = await record()
    expect([active, keys.length, intent]).toEqual([keys[1]?.id, 2, undefined])
    expect(active).toMatch(/^[A-Za-z0-9]{8}$/)
    expect(on.versions).toEqual(['a:1', expect.stringMatching(/^[A-Za-z0-9]{8}:=[A-Za-z0-9+/]{43}=$/)])
  })

  it('holds the key that a sync of another deployment reads', async () => {
    const { on, rotate } = await ring(['a:1'])
    await rotate()
    const { ciphertext } = await (await keyringOn(on)).encrypt(NONE, NONE)
    const other = { ...on, store: world([]).store }
    await authorityOn(other).sync('default', PLAIN_SYNC)
    expect(await (await keyringOn(other)).decrypt(ciphertext, NONE)).toBeDefined()
  })

  it('is in the audit log before and after it, and does not happen without', async () => {
    const lines: AuditEvent[] = []
    const audit: Audit = { note: (event) => lines.push(event), commit: async (event) => void lines.push(event) }
    const made = await ring(['a:1'], { audit })
    await made.rotate()
    const { active: keyId } = await made.record()
    expect(lines).toMatchObject([
      { action: 'rotate', outcome: 'begun', keyId, request: lines[1]?.request },
      { action: 'rotate', outcome: 'ok', keyId, code: null },
    ])
    const full = new KeyringError('ERR_AUDIT_UNAVAILABLE', 'The disk is full.')
    const silent = await ring(['a:1'], { audit: { ...audit, commit: () => Promise.reject(full) } })
    expect(await silent.rotate()).toMatchObject({ error: { code: 'ERR_AUDIT_UNAVAILABLE' } })
    expect(silent.on.versions).toEqual(['a:1'])
  })

  it('that only looks writes nothing', async () => {
    const { on, rotate, record } = await ring(['a:1'])
    expect(await rotate(true)).toMatchObject({ value: { rotated: false, active: 'a', left: 9 } })
    expect([on.versions, (await record()).intent]).toEqual([['a:1'], undefined])
    on.versions = ['a:1', 'b:2']
    expect(await rotate(true)).toMatchObject({ value: { rotated: false, version: 2, left: 8 } })
  })

  it('that only looks asks whether it may write, and its outcome is none of a rotation', async () => {
    const made = await ring(['a:1'], { denied: new KeyringError('ERR_VAULT_DENIED', 'It may not update.') })
    const rotation = async () => (await (await keyringOn(made.on)).status()).rotation
    expect(await made.rotate(true)).toMatchObject({ ok: false, error: { code: 'ERR_VAULT_DENIED' } })
    expect(await rotation()).toBeNull()
    made.on.denied = undefined
    made.on.beforeWrite = async () => {
      throw LOST
    }
    await made.rotate()
    expect(await made.rotate(true)).toMatchObject({ value: { rotated: false, version: 1 } })
    expect(await rotation()).toMatchObject({ last: null, left: 9, last_error: { code: 'ERR_VAULT_TIMEOUT' } })
  })

  it('takes over what somebody else wrote meanwhile, and writes nothing', async () => {
    const { on, rotate } = await ring(['a:1'])
    on.versions = ['a:1', 'b:2']
    expect(await rotate()).toMatchObject({ value: { rotated: false, version: 2, active: 'b' } })
    expect(on.versions).toEqual(['a:1', 'b:2'])
  })

  it('fifty times at once is one version', async () => {
    const { on, rotate } = await ring(['a:1'])
    const results = await Promise.all(Array.from({ length: 50 }, () => rotate()))
    expect(results.filter((each) => each.ok && each.value.rotated)).toHaveLength(1)
    expect(new Set(results.map((each) => each.ok && each.value.active)).size).toBe(1)
    expect(on.versions).toHaveLength(2)
  })

  it('of KV version 1 is refused', async () => {
    const { rotate } = await ring(['a:1'], { kv1: true })
    expect(await rotate()).toMatchObject(refused(/KV version 1 has no check-and-set/))
  })

  it('replaces a current version that gave no key', async () => {
    const { on, rotate, record } = await ring(['a:1'])
    on.versions = ['a:1', 'deleted']
    await authorityOn(on).sync('default', PLAIN_SYNC)
    expect(await rotate()).toMatchObject({ value: { rotated: true, version: 3 } })
    expect((await record()).active).not.toBe('a')
  })
})

describe('what Vault would prune', () => {
  const eleven = (first: string) => [first, ...Array.from({ length: 9 }, (_, index) => `k${index}:${index}`)]

  it.each([
    ['held', eleven('a:1'), /prune version 1, which has the key "a"/],
    ['deleted', eleven('deleted'), /prune version 1, which is deleted/],
  ])('and is %s keeps a rotation off', async (_what, versions, detail) => {
    const { on, rotate } = await ring(versions)
    expect(await rotate()).toMatchObject(refused(detail))
    expect(on.versions).toHaveLength(10)
  })

  it('and has a key whose id is taken keeps a rotation off', async () => {
    const { record } = await ring(eleven('destroyed'))
    const taken = { ...(await record()), skipped: [{ v: 1, why: 'collision' as const }] }
    expect(() =>
      refuseUnsafeWrite(taken, observed(eleven('malformed')), 0, { mountKeeps: 0, prunesHeld: true }),
    ).toThrow(/prune version 1, which has a key whose id is taken/)
  })

  it.each([
    ['destroyed', eleven('destroyed')],
    ['without a key', eleven('malformed')],
  ])('and is %s does not', async (_what, versions) => {
    const { rotate } = await ring(versions)
    expect(await rotate()).toMatchObject({ value: { rotated: true } })
  })

  it('and is held may go where the operator says so, and where the same key stays in another version', async () => {
    const allowed = await ring(eleven('a:1'), { rotation: { cadence: null, delayMs: 0, prunesHeld: true } })
    expect(await allowed.rotate()).toMatchObject({ value: { rotated: true } })
    const twice = await ring([...eleven('a:1').slice(0, 9), 'a:1'])
    expect(await twice.rotate()).toMatchObject({ value: { rotated: true } })
  })

  it.each([
    ['destroyed', 0],
    ['malformed', 0],
    ['a:1', 5000],
  ])('is found in thousands of versions (%s) by going through them a few times', async (content, held) => {
    const { record } = await ring(['a:1'])
    const [count, bare] = [10_000, await record()]
    const all = Array.from({ length: count }, (_, index) => index + 1)
    const [entry = expect.unreachable()] = bare.keys
    const many = {
      ...bare,
      highest: count,
      keys: [{ ...entry, v: [...all.slice(0, held), count] }],
      skipped: all.slice(held, -1).map((v) => ({ v, why: 'no-id' as const })),
    }
    const observation = observed([...Array.from({ length: count - 1 }, () => content), 'a:1'])
    let looks = 0
    const versions = observation.versions.map(({ version, ...rest }) => ({
      ...rest,
      get version() {
        looks += 1
        return version
      },
    }))
    const rules = { mountKeeps: count, prunesHeld: false }
    refuseUnsafeWrite(many, { ...observation, versions }, 0, rules)
    expect(rotationsLeft(many, { ...observation, versions }, rules)).toBeGreaterThan(1)
    expect(looks).toBeLessThan(20 * count)
  })

  it('follows from the larger of what mount and secret keep', async () => {
    const { rotate } = await ring(eleven('a:1'), { keeps: 12 })
    expect(await rotate()).toMatchObject({ value: { rotated: true, left: 1 } })
    expect(await rotate()).toMatchObject({ value: { rotated: true, left: 0 } })
    expect(await rotate()).toMatchObject(refused(/prune version 1/))
  })
})

describe('a rotation by the schedule', () => {
  const weekly = { rotation: { cadence: WEEKLY, delayMs: 0, prunesHeld: false } }
  const daysOf = async (made: Awaited<ReturnType<typeof ring>>, days: number) => {
    for (let minute = 0; minute < days * 24 * 60; minute += 10) {
      await made.look()
      made.on.clock.time += 10 * MINUTE
    }
  }

  it('comes once a period, and costs nothing between', async () => {
    const made = await ring(['a:1'], weekly)
    await daysOf(made, 15)
    expect(made.on.versions).toHaveLength(3)
    expect(made.on.asked.filter((what) => what !== 'observe')).toEqual(['keeps', 'write', 'keeps', 'write'])
  })

  it('is made up once when several were missed', async () => {
    const made = await ring(['a:1'], weekly)
    made.on.clock.time += 30 * DAY
    await daysOf(made, 1)
    expect(made.on.versions).toHaveLength(2)
  })

  it.each([-HOUR, HOUR])('goes by the clock of the source, which has %i ms more', async (aheadMs) => {
    const made = await ring(['a:1'], { ...weekly, aheadMs })
    made.on.clock.time += 7 * DAY - aheadMs - 1
    await made.look()
    expect(made.on.versions).toHaveLength(1)
    made.on.clock.time += 10 * MINUTE
    await made.look()
    expect(made.on.versions).toHaveLength(2)
  })

  it('comes at the minute, not at the next sync', async () => {
    const made = await ring(['a:1'], weekly)
    made.on.clock.time += 7 * DAY - MINUTE
    await made.look()
    made.on.clock.time += MINUTE
    await made.look()
    expect(made.on.versions).toHaveLength(2)
  })

  it('is not put off by syncs that others ask for', async () => {
    const made = await ring(['a:1'], weekly)
    for (let minute = 0; minute < 15 * 24 * 60; minute += 5) {
      made.on.clock.time += 5 * MINUTE
      await made.authority.sync('default', PLAIN_SYNC)
      await made.look()
    }
    expect(made.on.versions).toHaveLength(3)
  })

  it('whose time came while nobody was there is not put off by the sync of the start', async () => {
    const made = await ring(['a:1'], weekly)
    made.on.clock.time += 7 * DAY + MINUTE
    await made.authority.sync('default', PLAIN_SYNC)
    await made.look()
    expect(made.on.versions).toHaveLength(2)
  })

  it('that was refused is looked at again once a period, whoever syncs meanwhile', async () => {
    const made = await ring(['a:1'], { ...weekly, keeps: 1 })
    made.on.clock.time += 7 * DAY
    await made.look()
    made.on.asked.length = 0
    for (let minute = 0; minute < 60; minute += 1) {
      made.on.clock.time += MINUTE
      await made.authority.sync('default', PLAIN_SYNC)
      await made.look()
    }
    expect(made.on.asked.filter((what) => what === 'keeps')).toHaveLength(6)
  })

  it('of two deployments on one secret is one version for each period', async () => {
    const one = await ring(['a:1'], weekly)
    const second = authorityOn(beside(one.on))
    await second.sync('default', PLAIN_SYNC)
    for (let day = 0; day < 15; day += 1) {
      await Promise.all([one.look(), second.syncIfDue('default')])
      one.on.clock.time += DAY
    }
    expect(one.on.versions).toHaveLength(3)
  })

  it('says what was refused, since when, and how many are left', async () => {
    const made = await ring(['a:1'], { ...weekly, keeps: 1 })
    made.on.clock.time += 7 * DAY
    expect(await made.look()).toMatchObject(refused(/prune version 1/))
    const { rotation } = await (await keyringOn(made.on)).status()
    expect(rotation).toMatchObject({ last: null, left: null, last_error: { code: 'ERR_ROTATION_REFUSED' } })
  })
})

describe('a rotation that was cut off', () => {
  it('before the write goes on with the same key', async () => {
    const made = await ring(['a:1'])
    const tried: string[] = []
    made.on.beforeWrite = async (id) => {
      tried.push(id)
      if (tried.length === 1) throw LOST
    }
    expect(await made.rotate()).toMatchObject({ ok: false, error: { code: 'ERR_VAULT_TIMEOUT' } })
    expect((await made.record()).intent).toMatchObject({ id: tried[0], expected: 1 })
    expect(await made.rotate()).toMatchObject({ value: { rotated: true } })
    expect([tried[0], (await made.record()).intent]).toEqual([tried[1], undefined])
  })

  /** One whose key Vault has taken, and whose answer got lost. */
  async function answerless(more: Partial<World> = {}) {
    const lines: AuditEvent[] = []
    const audit: Audit = { note: (event) => lines.push(event), commit: async (event) => void lines.push(event) }
    const made = await ring(['a:1'], { ...more, audit })
    made.on.beforeWrite = async (id) => {
      made.on.beforeWrite = async () => {}
      made.on.versions = ['a:1', `${id}:=0123456789abcdef0123456789abcdef`]
      throw LOST
    }
    expect(await made.rotate()).toMatchObject({ ok: false })
    const status = async () => (await (await keyringOn(made.on)).status()).rotation
    return { ...made, lines, status }
  }

  it('whose answer got lost is known by the next sync, and no second key is written', async () => {
    const { on, record, authority, lines, status } = await answerless()
    expect(await status()).toMatchObject({ last: null, last_error: { code: 'ERR_VAULT_TIMEOUT' } })
    for (let times = 0; times < 2; times += 1) await authority.sync('default', PLAIN_SYNC)
    const { active: keyId, highest, intent } = await record()
    expect([keyId, highest, intent]).toEqual([expect.stringMatching(/^[A-Za-z0-9]{8}$/), 2, undefined])
    expect(on.versions).toHaveLength(2)
    expect(await status()).toMatchObject({ last: new Date(NOW).toISOString(), last_error: null })
    const one = { action: 'rotate', keyId, request: lines[0]?.request }
    expect(lines).toMatchObject([
      { ...one, outcome: 'begun' },
      { ...one, outcome: 'failed', code: 'ERR_VAULT_TIMEOUT' },
      { ...one, outcome: 'ok', code: null },
    ])
  })

  it('whose answer got lost is what another one answers with, by this keyring', async () => {
    const { rotate, record, lines } = await answerless()
    expect(await rotate()).toMatchObject({ value: { rotated: true, version: 2, active: (await record()).active } })
    expect(await rotate()).toMatchObject({ value: { rotated: true, version: 3 } })
    expect(lines.map(({ outcome }) => outcome)).toEqual(['begun', 'failed', 'ok', 'begun', 'ok'])
  })

  it('after its key was written, by a sync that failed, is told as done once', async () => {
    const { lines, ...made } = await answerless()
    await made.authority.sync('default', PLAIN_SYNC)
    lines.length = 0
    made.on.beforeWrite = async () => {
      const { store } = made.on
      vi.spyOn(store, 'put').mockRejectedValueOnce(new KeyringError('ERR_STORE_UNAVAILABLE', 'It is full.'))
    }
    expect(await made.rotate()).toMatchObject({ ok: false, error: { code: 'ERR_STORE_UNAVAILABLE' } })
    expect(await made.rotate()).toMatchObject({ value: { rotated: true, version: 3 } })
    expect(lines.map(({ outcome }) => outcome)).toEqual(['begun', 'ok'])
  })

  it('while another one won is over, and the winner is active', async () => {
    const { rotate, on, record } = await ring(['a:1'])
    on.beforeWrite = async () => {
      on.versions = ['a:1', 'b:2']
    }
    expect(await rotate()).toMatchObject({ value: { rotated: false, active: 'b' } })
    expect((await record()).intent).toBeUndefined()
    expect((await (await keyringOn(on)).status()).rotation).toMatchObject({ last: null })
  })

  it('and whose secret was made again is dropped', async () => {
    const { rotate, on, record, authority } = await ring(['a:1'])
    on.beforeWrite = async () => {
      throw LOST
    }
    await rotate()
    on.versions = ['z:1']
    on.incarnation = 'second'
    expect(await rotate()).toMatchObject({ ok: false, error: { code: 'ERR_SOURCE_RECREATED' } })
    await authority.sync('default', { ...PLAIN_SYNC, force: true })
    expect([(await record()).active, (await record()).intent]).toEqual(['z', undefined])
  })
})

describe('a delay', () => {
  it('keeps a new version inactive until others had time to sync', async () => {
    const { on, authority, rotate, record } = await ring(['a:1'], {
      rotation: { cadence: null, delayMs: HOUR, prunesHeld: false },
    })
    expect(await rotate()).toMatchObject({ value: { rotated: true, version: 2, active: 'a' } })
    expect(await rotate()).toMatchObject(refused(/version 2 is not active yet/))
    on.clock.time += HOUR - 1
    await authority.sync('default', PLAIN_SYNC)
    expect((await record()).active).toBe('a')
    on.clock.time += 1
    await authority.sync('default', PLAIN_SYNC)
    expect((await record()).active).not.toBe('a')
  })
})

describe('a key that is not held', () => {
  const foreign = async (on: World) => {
    const other = { ...on, store: world([]).store, versions: [...(on.versions as string[]), 'b:2'] }
    const keyring = await keyringOn(other)
    await keyring.sync(PLAIN_SYNC)
    return (await keyring.encrypt(NONE, NONE)).ciphertext
  }

  it('lets the source be asked before it is called unknown, at most once a minute', async () => {
    const { on } = await ring(['a:1'])
    const keyring = await keyringOn(on)
    const ciphertext = await foreign(on)
    on.clock.time += MINUTE
    on.versions = ['a:1', 'b:2']
    expect((await keyring.decrypt(ciphertext, NONE)).keyId).toBe('b')
    on.asked.length = 0
    const unknown = ciphertext.replace(/^ek1\.b/, 'ek1.zz')
    for (let times = 0; times < 3; times += 1)
      await expect(keyring.decrypt(unknown, NONE)).rejects.toMatchObject({ code: 'ERR_KEY_NOT_FOUND' })
    expect(on.asked).toEqual([])
    on.clock.time += MINUTE
    for (let times = 0; times < 3; times += 1)
      await expect(keyring.decrypt(unknown, NONE)).rejects.toMatchObject({ code: 'ERR_KEY_NOT_FOUND' })
    expect(on.asked).toEqual(['observe'])
  })

  it('is unknown when the source cannot be asked, and when it was removed here', async () => {
    const { on, authority } = await ring(['a:1', 'b:2'])
    const keyring = await keyringOn(on)
    const ciphertext = await foreign({ ...on, versions: ['a:1'] })
    await authority.sync('default', PLAIN_SYNC)
    await authority.change('default', { op: 'remove', id: 'a', force: true })
    on.clock.time += MINUTE
    on.asked.length = 0
    await expect(keyring.decrypt(ciphertext.replace(/^ek1\.b/, 'ek1.a'), NONE)).rejects.toMatchObject({
      code: 'ERR_KEY_NOT_FOUND',
    })
    expect(on.asked).toEqual([])
    on.versions = LOST
    await expect(keyring.decrypt(ciphertext.replace(/^ek1\.b/, 'ek1.zz'), NONE)).rejects.toMatchObject({
      code: 'ERR_KEY_NOT_FOUND',
    })
  })
})
