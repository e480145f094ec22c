/** Pushes in memory: what is offered and delivered is taken by the rules of a sync, and by no others. */
import { describe, expect, it } from 'vitest'
import { invokingAuthority } from '../../functions/lambda/authority.ts'
import type { Aws } from '../../functions/lambda/aws.ts'
import type { Push } from '../../src/core/operations.ts'
import type { Observation, PlainRead, SourceId } from '../../src/core/ports.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, wrappingKey, world } from '../support/authority.ts'
import type { World } from '../support/authority.ts'
import type { Versions } from '../support/observed.ts'
import { NOW, SOURCE, observed, readOf } from '../support/observed.ts'

const [MINUTE, DAY] = [60_000, 86_400_000]
const NONE = new Uint8Array()
const MADE = '2025-01-02T00:00:00.5Z'
const { address: _, ...SEEN } = SOURCE
const on = (more: Partial<World> = {}): World => ({ ...world([]), pushed: SOURCE, ...more })
const pushOf = (versions: Versions, more: Partial<Push> = {}): Push => ({
  source: SEEN,
  observation: observed(versions, MADE, NOW),
  force: false,
  adopt: false,
  ...more,
})

/** As the source of `authorityOn` would be read. */
function plainRead(versions: Versions, version: number): PlainRead {
  const read = readOf(versions, version)
  if (read.kind !== 'key') return read
  const key = `key string number ${read.commit} of no importance: 0123456789abcdef`
  return { version, kind: 'key', id: read.id, createdMs: NOW, key }
}

function ring(at: World = on()) {
  const authority = authorityOn(at)
  const offer = (push: Push, mountKeeps: number | null = null) =>
    authority.call({ call: 'offer', keyring: 'default', push, mountKeeps })
  const deliver = (push: Push, reads: readonly PlainRead[]) =>
    authority.call({ call: 'deliver', keyring: 'default', push, reads })
  const opened = () => keyringOn(at, [wrappingKey('w1', 1)], authority)
  return {
    at,
    authority,
    offer,
    deliver,
    record: async () => (await opened()).record(),
    status: async () => (await opened()).status(),
    /** Both steps. */
    push: async (versions: Versions, more: Partial<Push> = {}) => {
      const push = pushOf(versions, more)
      const offered = await offer(push)
      if (!offered.ok) return offered
      return deliver(
        push,
        offered.value.lacks.map((version) => plainRead(versions, version)),
      )
    },
  }
}

const refused = (code: string, message = /./) => ({
  ok: false,
  error: { code, message: expect.stringMatching(message) },
})

describe('a push', () => {
  it('whose rotation does not follow what is held is told to push', async () => {
    const { push, offer, status } = ring()
    await push(['a:1', 'b:2'])
    const remedy = expect.stringMatching(/^Push; .*, push with \{"force": true\}\.$/)
    expect(await offer(pushOf(['a:1']), 10)).toMatchObject({ error: { code: 'ERR_ROTATION_REFUSED', remedy } })
    expect((await status()).needed).toContainEqual(remedy)
  })

  it('is told which versions are lacking, the current one first, and nothing changes', async () => {
    const { offer, record, authority } = ring()
    expect(await offer(pushOf(['a:1', 'b:2', 'c:3']))).toEqual({ ok: true, value: { lacks: [3, 1, 2], next: null } })
    expect(await record()).toBeNull()
    expect(await authority.status('default')).toMatchObject({ value: { lastAttempt: null } })
  })

  it('brings keys, and later only what is new', async () => {
    const { push, offer, record } = ring()
    expect(await push(['a:1', 'b:2'])).toMatchObject({ ok: true, value: { changed: true, remaining: 0, requests: 0 } })
    expect(await offer(pushOf(['a:1', 'b:2', 'c:3']))).toMatchObject({ value: { lacks: [3] } })
    expect(await push(['a:1', 'b:2', 'c:3'])).toMatchObject({ value: { changed: true } })
    expect(await push(['a:1', 'b:2', 'c:3'])).toMatchObject({ value: { changed: false } })
    expect(await record()).toMatchObject({ active: 'c', keys: [{ id: 'a' }, { id: 'b' }, { id: 'c' }], source: SOURCE })
  })

  it.each<[string, readonly Versions[]]>([
    ['a rotation', [['a:1'], ['a:1', 'b:2']]],
    ['what gives no key', [['a:1', 'malformed', 'deleted', 'destroyed']]],
    ['an id that is taken', [['a:1'], ['a:1', 'a:2', 'b:3']]],
    [
      'a version that is deleted, and undeleted',
      [
        ['a:1', 'b:2'],
        ['a:1', 'deleted'],
        ['a:1', 'b:2'],
      ],
    ],
    [
      'versions that were pruned',
      [
        ['a:1', 'b:2'],
        [null, 'b:2', 'c:3'],
      ],
    ],
    ['a source that is behind', [['a:1', 'b:2'], ['a:1']]],
  ])('leaves the same record and status as a sync does: %s', async (_name, steps) => {
    const [pushed, synced] = [ring(), { ...world([]), incarnation: MADE }]
    const authority = authorityOn(synced)
    for (const versions of steps) {
      synced.versions = versions
      const results = [await pushed.push(versions), await authority.sync('default', PLAIN_SYNC)]
      const notes = results.map((each) => each.ok && each.value.notes)
      expect(notes[0]).toEqual(notes[1])
    }
    const bare = (record: Awaited<ReturnType<typeof pushed.record>>) => ({
      ...record,
      revision: 0,
      keys: record?.keys.map(({ key: _key, ...entry }) => entry),
    })
    expect(bare(await pushed.record())).toEqual(bare(await (await keyringOn(synced)).record()))
    const stalled = [pushed.authority, authority].map(async (each) => {
      const status = await each.status('default')
      return status.ok && [status.value.stalled, status.value.failures]
    })
    expect(await stalled[0]).toEqual(await stalled[1])
  })

  it('may be delivered in parts, and the current version is in the first', async () => {
    const { deliver, record } = ring()
    const versions = ['a:1', 'b:2', 'c:3']
    const push = pushOf(versions)
    expect(await deliver(push, [plainRead(versions, 3)])).toMatchObject({ ok: true, value: { remaining: 2 } })
    expect((await record())?.active).toBe('c')
    expect(await deliver(push, [plainRead(versions, 1), plainRead(versions, 2)])).toMatchObject({
      value: { remaining: 0 },
    })
    expect((await record())?.keys).toHaveLength(3)
  })

  it('that delivers nothing, or something else than is lacking, changes nothing', async () => {
    const { push, deliver, record } = ring()
    await push(['a:1'])
    const next = pushOf(['a:1', 'b:2'])
    expect(await deliver(next, [])).toMatchObject(refused('ERR_SYNC_CONTENDED', /version 2 is missing/))
    expect(await deliver(next, [plainRead(['x:9'], 1)])).toMatchObject(refused('ERR_SYNC_CONTENDED'))
    expect(await record()).toMatchObject({ active: 'a', highest: 1, keys: [{ id: 'a' }] })
  })

  it('cannot replace what is held: versions that are not lacking are not looked at', async () => {
    const { push, deliver, record } = ring()
    await push(['a:1'])
    const before = (await record())?.keys[0]?.commit
    expect(await deliver(pushOf(['a:1']), [plainRead(['a:9'], 1)])).toMatchObject({ value: { changed: false } })
    expect((await record())?.keys[0]?.commit).toBe(before)
  })

  it('of no secret is refused, and the status says so', async () => {
    const { push, offer, status } = ring()
    await push(['a:1'])
    expect(await offer(pushOf([], { observation: null }))).toMatchObject(refused('ERR_SOURCE_NOT_FOUND'))
    expect((await status()).last_error?.code).toBe('ERR_SOURCE_NOT_FOUND')
    await push(['a:1'])
    expect((await status()).last_error).toBeNull()
  })
})

describe('a secret that was made anew', () => {
  const made = (incarnation: string, versions: Versions = ['n:7']) => observed(versions, incarnation, NOW)

  it('is refused, and accepted with force; earlier keys stay', async () => {
    const { push, record } = ring()
    await push(['a:1'])
    const observation = made('2025-01-02T00:00:00.6Z')
    expect(await push(['n:7'], { observation })).toMatchObject({
      ok: false,
      error: { code: 'ERR_SOURCE_RECREATED', remedy: expect.stringMatching(/^If this is meant, push with \{"force"/) },
    })
    expect(await push(['n:7'], { observation, force: true })).toMatchObject({ ok: true })
    expect(await record()).toMatchObject({ active: 'n', keys: [{ id: 'a', inc: MADE }, { id: 'n' }] })
  })

  it.each([{ force: true }, { adopt: true }, { force: true, adopt: true }])(
    'before the one that is held is refused, also with %o',
    async (flags) => {
      const { push, offer, deliver, record } = ring()
      await push(['a:1'])
      const old = { observation: made('2025-01-02T00:00:00.4Z'), ...flags }
      expect(await offer(pushOf(['n:7'], old))).toMatchObject(refused('ERR_SOURCE_RECREATED', /an earlier one/))
      expect(await deliver(pushOf(['n:7'], old), [plainRead(['n:7'], 1)])).toMatchObject(
        refused('ERR_SOURCE_RECREATED', /an earlier one/),
      )
      expect(await record()).toMatchObject({ active: 'a', incarnation: MADE })
    },
  )

  it('is not undone by an earlier one that is delivered at the same time', async () => {
    const { at, push, deliver, record } = ring()
    await push(['a:1'])
    const { store } = at
    const older = pushOf(['n:7'], { observation: made('2025-01-02T00:00:01Z'), force: true })
    const newer = pushOf(['m:8'], { observation: made('2025-01-02T00:00:02Z', ['m:8']), force: true })
    const other = ring({ ...at })
    // The newer one is committed between the older one's decision and its write.
    let isFirst = true
    const racing = ring({
      ...at,
      store: {
        ...store,
        async put(name, bytes, expected) {
          if (isFirst && name.startsWith('keyring/')) {
            isFirst = false
            expect(await other.deliver(newer, [plainRead(['m:8'], 1)])).toMatchObject({ ok: true })
          }
          return store.put(name, bytes, expected)
        },
      },
    })
    expect(await racing.deliver(older, [plainRead(['n:7'], 1)])).toMatchObject(refused('ERR_SOURCE_RECREATED'))
    expect((await record())?.active).toBe('m')
    expect(await deliver(older, [plainRead(['n:7'], 1)])).toMatchObject(refused('ERR_SOURCE_RECREATED'))
  })
})

describe('what is pushed', () => {
  it.each<[string, Partial<SourceId>]>([
    ['path', { path: 'other' }],
    ['mount', { mount: 'other' }],
    ['namespace', { namespace: 'team' }],
    ['engine', { kind: 'kv1' }],
  ])('must be of the secret in the settings: another %s is refused', async (_name, more) => {
    const { offer, deliver, record } = ring()
    const other = pushOf(['a:1'], { source: { ...SEEN, ...more } })
    expect(await offer(other)).toMatchObject(refused('ERR_SOURCE_CHANGED'))
    expect(await deliver(other, [plainRead(['a:1'], 1)])).toMatchObject(refused('ERR_SOURCE_CHANGED'))
    expect(await record()).toBeNull()
  })

  it.each([
    ['not ascending', [2, 1]],
    ['twice there', [1, 1]],
    ['without the current one', [1]],
  ])('must be such as a source shows: versions that are %s are refused', async (_name, numbers) => {
    const { offer, deliver, record } = ring()
    const versions = numbers.map((version) => ({ version, state: 'readable' as const, createdMs: null }))
    const observation = { ...observed(['a:1', 'b:2'], MADE, NOW), versions }
    const wrong = pushOf([], { observation })
    expect(await offer(wrong)).toMatchObject(refused('ERR_REQUEST_INVALID'))
    expect(await deliver(wrong, [plainRead(['a:1', 'b:2'], 2)])).toMatchObject(refused('ERR_REQUEST_INVALID'))
    expect(await record()).toBeNull()
  })

  const seen = (part: Partial<Observation>): Observation => ({ ...observed(['a:1', 'b:2'], MADE, NOW), ...part })
  const listed = (...numbers: number[]): Partial<Observation> => ({
    current: numbers.at(-1) ?? 0,
    versions: numbers.map((version) => ({ version, state: 'readable', createdMs: NOW })),
  })
  /** What the current version says. */
  const made = (createdMs: number | null) => ({
    versions: seen({}).versions.map((each) => ({ ...each, ...(each.version === 2 && { createdMs }) })),
  })
  const LATE = NOW + DAY + 1

  it.each<[string, Partial<Observation>]>([
    ['a version that is missing between two', listed(1, 3)],
    ['a number that Vault never gives', listed(1e15)],
    ['the incarnation of version 1', { incarnation: 'kv1' }],
    ['no time of the current version', made(null)],
    ['an incarnation of tomorrow', { incarnation: new Date(LATE).toISOString() }],
    ['a current version of tomorrow', made(LATE)],
    ['a source where it is tomorrow', { sourceMs: LATE }],
    [
      'a version of tomorrow',
      { versions: seen({}).versions.map((each) => ({ ...each, createdMs: LATE - 1 + Number(each.version === 1) })) },
    ],
  ])('must be such as KV version 2 shows: %s is refused, also with force', async (_name, part) => {
    const { push, offer, deliver, record } = ring()
    await push(['a:1'])
    const wrong = pushOf([], { observation: seen(part), force: true })
    const reads = [2, 3, 1e15].map((version): PlainRead => ({ version, kind: 'malformed', why: 'no-id' }))
    expect(await offer(wrong)).toMatchObject(refused('ERR_REQUEST_INVALID'))
    expect(await deliver(wrong, reads)).toMatchObject(refused('ERR_REQUEST_INVALID'))
    expect(await record()).toMatchObject({ highest: 1, incarnation: MADE, active: 'a' })
  })

  it('may be as far ahead as clocks are wrong, and have lost what was pruned', async () => {
    const { offer, deliver, record } = ring()
    const versions = [41, 42].map((version) => ({ version, state: 'readable' as const, createdMs: NOW + DAY }))
    const push = pushOf([], { observation: seen({ current: 42, versions, sourceMs: NOW + DAY }) })
    expect(await offer(push)).toMatchObject({ value: { lacks: [42, 41] } })
    const read: PlainRead = { version: 42, kind: 'key', id: 'b', createdMs: NOW + DAY, key: 'of no importance' }
    expect(await deliver(push, [{ ...read, createdMs: LATE }])).toMatchObject(refused('ERR_REQUEST_INVALID', /later/))
    expect(await record()).toBeNull()
    expect(await deliver(push, [read])).toMatchObject({ ok: true })
  })

  it('of KV version 1 has gaps, no times, and numbers of five digits', async () => {
    const { offer } = ring(on({ pushed: { ...SOURCE, kind: 'kv1' } }))
    const of = (current: number) =>
      pushOf([], {
        source: { ...SEEN, kind: 'kv1' },
        observation: seen({ ...listed(1, current), incarnation: 'kv1', sourceMs: 0 }),
      })
    expect(await offer(of(99_999))).toMatchObject({ value: { lacks: [99_999, 1] } })
    expect(await offer(of(100_000))).toMatchObject(refused('ERR_REQUEST_INVALID'))
  })

  it('of versions that were written again is refused like a secret made anew, until it is forced', async () => {
    const { push, offer, record } = ring()
    await push(['a:1', 'b:2'])
    const seen = observed(['a:1', 'b:2', 'c:3'], MADE, NOW)
    const versions = seen.versions.map((each) => ({ ...each, createdMs: NOW + Math.floor(each.version / 2) }))
    const observation = { ...seen, versions }
    expect(await offer(pushOf([], { observation }))).toMatchObject(refused('ERR_SOURCE_RECREATED', /written again/))
    expect(await offer(pushOf([], { observation, force: true }))).toMatchObject({ value: { lacks: [3, 1, 2] } })
    expect(await record()).toMatchObject({ active: 'b' })
  })

  it('is refused where the source is asked', async () => {
    const { push, deliver } = ring(world(['a:1']))
    expect(await push(['a:1'])).toMatchObject(refused('ERR_REQUEST_INVALID', /is synced from here/))
    expect(await deliver(pushOf(['a:1']), [])).toMatchObject(refused('ERR_REQUEST_INVALID', /is synced from here/))
  })
})

describe('a keyring that is pushed', () => {
  it('asks no source: sync and rotation are refused, and an unknown key is unknown', async () => {
    const { at, authority, push } = ring()
    await push(['a:1'])
    expect(await authority.sync('default', PLAIN_SYNC)).toMatchObject(refused('ERR_REQUEST_INVALID', /from inside/))
    expect(await authority.call({ call: 'rotate', keyring: 'default', dryRun: false })).toMatchObject(
      refused('ERR_REQUEST_INVALID', /from inside/),
    )
    at.clock.time += DAY
    expect(await authority.call({ call: 'seek', keyring: 'default', id: 'zz' })).toMatchObject({ ok: true })
    expect([at.asked, at.insisted]).toEqual([[], []])
    expect(await authority.status('default')).toMatchObject({ value: { failures: 0, nextTry: null, pushed: true } })
  })

  it('is looked after by the schedule, which syncs nothing', async () => {
    const copies = new Map<string, Uint8Array>()
    const replica = {
      get: async (name: string) => (copies.get(name) as never) ?? null,
      set: async (name: string, bytes: Uint8Array) => (copies.set(name, bytes), true),
    }
    const { at, authority, push, record } = ring(on({ replica }))
    await push(['a:1'])
    copies.clear()
    const sealed = (await record())?.sealed ?? 0
    at.clock.time += DAY + MINUTE
    expect(await authority.syncIfDue('default')).toEqual({ ok: true, value: 'not-due' })
    expect([...copies.keys()].sort()).toEqual(['keyring/default', 'stamp/default'])
    expect((await record())?.sealed).toBeGreaterThan(sealed)
    expect(at.asked).toEqual([])
  })

  it('whose pusher is silent for two periods says so, until it speaks again', async () => {
    const { at, push, status } = ring()
    expect((await status()).needed).toEqual([expect.stringMatching(/^Push for the first time/)])
    await push(['a:1'])
    at.clock.time += 20 * MINUTE - 1
    expect(await status()).toMatchObject({ needed: [], ends: [], next_try: null })
    at.clock.time += 1
    const { needed, ends } = await status()
    expect(needed).toEqual([expect.stringMatching(/^The time for a push was over at 20.*edge-keyring push/)])
    expect(ends).toMatchObject([{ what: 'pusher', days: 0 }])
    await push(['a:1'])
    expect((await status()).needed).toEqual([])
  })

  it('is known as such by an instance that reads the store alone', async () => {
    const { at, push } = ring()
    await push(['a:1'])
    at.clock.time += DAY
    const { pushed: _pushed, ...reading } = at
    expect(await authorityOn(reading).status('default')).toMatchObject({ value: { pushed: false } })
    const { Reader } = await import('../../src/keyring/reader.ts')
    const { sealers } = await import('../../src/crypto/seal.ts')
    const { nodeCipher: cipher, nodeHash: hash } = await import('../../functions/node-shared/cipher.ts')
    const wrappingKeys = [wrappingKey('w1', 1)]
    const parts = { ...at, cipher, hash, wrappingKeys, syncPeriodMs: 600_000, doubt: () => {} }
    const reader = new Reader(parts, await sealers(cipher, hash, wrappingKeys, 'default'), 'default')
    expect(await reader.status()).toMatchObject({ pushed: true, silentFrom: NOW + 20 * MINUTE, nextTry: null })
  })

  it('hears what is needed of whoever pushes, and of no sync', async () => {
    const { push, status } = ring()
    await push(['a:1'])
    await push(['a:1', 'malformed'])
    expect((await status()).needed).toEqual([expect.stringMatching(/cannot be used.*then push\.$/)])
  })

  it('keeps its status when no date follows for a rotation', async () => {
    const rotation = { cadence: { after: () => 9e15 }, delayMs: 0, prunesHeld: false }
    const { push, status, authority } = ring(on({ rotation }))
    await push(['a:1'])
    expect(await authority.status('default')).toMatchObject({ value: { lastSuccess: NOW, pushed: true } })
    expect((await status()).rotation?.next ?? null).toBeNull()
  })

  it('uses what was pushed at once', async () => {
    const { at, push, authority } = ring()
    await push(['a:1'])
    const keyring = await keyringOn(at, [wrappingKey('w1', 1)], authority)
    const { ciphertext, keyId } = await keyring.encrypt(NONE, NONE)
    expect(keyId).toBe('a')
    await push(['a:1', 'b:2'])
    at.clock.time += 1001
    expect((await keyring.encrypt(NONE, NONE)).keyId).toBe('b')
    expect((await keyring.decrypt(ciphertext, NONE)).keyId).toBe('a')
  })
})

describe('a rotation by whoever pushes', () => {
  const WEEKLY = { cadence: { after: (since: number) => since + 7 * DAY } as const, delayMs: 0, prunesHeld: false }
  const seen = (versions: Versions, ageMs: number): Partial<Push> => ({
    observation: { ...observed(versions, MADE, NOW), sourceMs: NOW + ageMs },
  })

  it('is given an id of 8 letters and digits that no key has', async () => {
    const { push, offer } = ring()
    await push(['a:1'])
    expect(await offer(pushOf(['a:1']), 0)).toEqual({
      ok: true,
      value: { lacks: [], next: expect.stringMatching(/^[A-Za-z0-9]{8}$/) },
    })
  })

  it('waits until all is pushed', async () => {
    const { push, offer } = ring()
    await push(['a:1'])
    expect(await offer(pushOf(['a:1', 'b:2']), 0)).toMatchObject({ value: { lacks: [2], next: null } })
  })

  it('waits until one is due by the source, where the settings say when', async () => {
    const { at, push, offer } = ring(on({ rotation: WEEKLY }))
    await push(['a:1'], seen(['a:1'], 0))
    at.clock.time += 7 * DAY
    expect(await offer(pushOf(['a:1'], seen(['a:1'], 7 * DAY - 1)), 0)).toMatchObject({ value: { next: null } })
    expect(await offer(pushOf(['a:1'], seen(['a:1'], 7 * DAY)), 0)).toMatchObject({
      value: { next: expect.any(String) },
    })
  })

  it('does not wait while no key is active', async () => {
    const { push, offer, authority } = ring(on({ rotation: WEEKLY }))
    await push(['a:1'], seen(['a:1'], 0))
    await authority.change('default', { op: 'compromise', id: 'a', force: true })
    expect(await offer(pushOf(['a:1'], seen(['a:1'], 1)), 0)).toMatchObject({ value: { next: expect.any(String) } })
  })

  it('is refused as any other, by what is held here, and the status says so', async () => {
    const ten = Array.from({ length: 10 }, (_version, index) => `k${index}:${index}`)
    const { push, offer, status } = ring()
    await push(ten)
    expect(await offer(pushOf(ten), 0)).toMatchObject(refused('ERR_ROTATION_REFUSED', /prune version 1, which has/))
    expect((await status()).rotation?.last_error?.code).toBe('ERR_ROTATION_REFUSED')
    expect(await offer(pushOf(ten), 12)).toMatchObject({ value: { next: expect.any(String) } })
    expect(await status()).toMatchObject({ rotation: { left: 1, last_error: null }, last_error: null })
  })

  it('is known afterwards, whoever delivers its key, and other keys are none', async () => {
    const { push, offer, status } = ring()
    await push(['a:1'])
    const ids: string[] = []
    for (const _job of ['one', 'two']) {
      const offered = await offer(pushOf(['a:1']), 0)
      ids.push((offered.ok && offered.value.next) || expect.unreachable())
    }
    await push(['a:1', 'b:2'])
    expect((await status()).rotation?.last).toBeNull()
    await push(['a:1', 'b:2', `${ids[0]}:3`])
    expect((await status()).rotation?.last).toBe(new Date(NOW).toISOString())
  })

  it('of KV version 1 is refused', async () => {
    const { push, offer } = ring(on({ pushed: { ...SOURCE, kind: 'kv1' } }))
    const source = { ...SEEN, kind: 'kv1' as const }
    const kv1 = { source, observation: observed(['a:1'], 'kv1') }
    await push(['a:1'], kv1)
    expect(await offer(pushOf(['a:1'], kv1), 0)).toMatchObject(refused('ERR_ROTATION_REFUSED', /no check-and-set/))
  })
})

describe('on Lambda', () => {
  it('the function that rotates says whether a key may be written, by its rules, and the other one all else', async () => {
    const invoked: string[] = []
    const aws: Aws = async ({ path }) => {
      invoked.push(/functions\/(\w+)/.exec(path)?.[1] ?? '')
      return { status: 200, headers: new Headers(), body: { ok: true, value: null } }
    }
    const authority = invokingAuthority({ aws, syncFunction: 'sync', rotateFunction: 'rotate', leftMs: () => 5000 })
    const push = pushOf(['a:1'])
    for (const mountKeeps of [null, 0, 10])
      await authority.call({ call: 'offer', keyring: 'default', push, mountKeeps })
    await authority.call({ call: 'deliver', keyring: 'default', push, reads: [] })
    expect(invoked).toEqual(['sync', 'rotate', 'rotate', 'sync'])
  })
})
