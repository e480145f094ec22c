import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyChange } from '../../src/keyring/change.ts'
import type { KeyringRecord } from '../../src/keyring/record.ts'
import { NOW, SOURCE, codes, ids, observed, synced } from '../support/observed.ts'

const first = (...versions: (string | null)[]): KeyringRecord => synced(null, versions).record
const gone = (record: KeyringRecord, id: string) => record.keys.find((entry) => entry.id === id)?.gone
const code = (expected: string) => expect.objectContaining({ code: expected })

const BOUND = { ms: 1000, replicated: null }

describe('what is read', () => {
  it('is every readable version, the current one first', () => {
    expect(synced(null, ['a:1', 'deleted', 'b:2', 'destroyed', 'c:3']).plan.read).toEqual([5, 1, 3])
  })

  it('is nothing when nothing is new', () => {
    const record = first('a:1', 'malformed', 'b:2')
    const { plan, record: again } = synced(record, ['a:1', 'malformed', 'b:2'])
    expect(plan.read).toEqual([])
    expect(again).toEqual(record)
  })

  it('is at most one batch, and the rest is told', () => {
    const versions = ['a:1', 'b:2', 'c:3', 'd:4']
    const { plan, record } = synced(null, versions, { batch: 2 })
    expect([plan.read, plan.remaining, record.active]).toEqual([[4, 1], 2, 'd'])
    const next = synced(record, versions, { batch: 2 })
    expect([next.plan.read, next.plan.remaining]).toEqual([[2, 3], 0])
  })

  it('is what gave no key again when forced, never what was removed', () => {
    const removed = applyChange(
      first('a:1', 'malformed', 'b:2', 'a:9', 'c:3'),
      { op: 'remove', id: 'b', force: false },
      NOW + 1000,
      BOUND,
    )
    expect(removed.skipped.map(({ v, why }) => `${v} ${why}`)).toEqual(['2 no-id', '3 removed', '4 collision'])
    const now = ['a:1', 'd:4', 'b:2', 'e:5', 'c:3']
    expect(synced(removed, now).plan.read).toEqual([])
    const { plan, record } = synced(removed, now, { force: true })
    expect(plan.read).toEqual([2, 4])
    expect([ids(record), record.skipped]).toEqual([['a', 'c', 'd', 'e'], [{ v: 3, why: 'removed' }]])
  })

  it('is what gave no key once when forced: nothing changes if it still gives none, and a plain sync ends a batch', () => {
    const versions = ['malformed', 'a:1', 'malformed', 'a:9', 'c:3']
    const record = first(...versions)
    expect(synced(record, versions, { force: true }).record).toEqual(record)
    const some = synced(record, versions, { force: true, batch: 2 })
    expect([some.plan.read, some.plan.remaining]).toEqual([[1, 3], 1])
    const rest = synced(some.record, versions, { batch: 2 })
    expect([rest.plan.read, rest.plan.remaining, rest.record]).toEqual([[4], 0, record])
  })

  it('is a version again once it was undeleted', () => {
    expect(synced(first('deleted', 'b:2'), ['a:1', 'b:2']).plan.read).toEqual([1])
  })
})

describe('the active key', () => {
  it('is the key of the current version', () => {
    expect(first('a:1', 'b:2').active).toBe('b')
  })

  it.each([['deleted'], ['destroyed'], ['malformed'], ['a:other']])(
    'stays as it was when the current version is %s',
    (current) => {
      const { record, notes } = synced(first('a:1', 'b:2'), ['a:1', 'b:2', current])
      expect(record.active).toBe('b')
      expect(codes(notes)).toContain('active-unusable 3')
    },
  )

  it('is none after a first sync without a usable current version, and the keys are stored', () => {
    const { record, notes } = synced(null, ['a:1', 'malformed'])
    expect([record.active, ids(record)]).toEqual([null, ['a']])
    expect(codes(notes)).toEqual(['version-malformed 2', 'active-unusable 2'])
  })

  it('goes back to an earlier key when a new version repeats it', () => {
    const { record } = synced(first('a:1', 'b:2'), ['a:1', 'b:2', 'a:1'], { now: NOW + 5 })
    expect(record.active).toBe('a')
    expect(record.keys.map(({ id, v, stopped }) => [id, v, stopped])).toEqual([
      ['a', [1, 3], undefined],
      ['b', [2], NOW + 5],
    ])
  })

  it('never moves backwards because a standby serves an older answer', () => {
    const { record, notes } = synced(first('a:1', 'b:2'), ['a:1'])
    expect([record.active, ids(record), codes(notes)]).toEqual(['b', ['a', 'b'], ['source-behind 1']])
  })

  it('follows again after a bad answer was accepted: that nothing was read of its current version tells it from a standby', () => {
    const record = { ...first('a:1', 'b:2', 'c:3'), highest: 7 }
    const good = synced(record, ['a:1', 'b:2', 'c:3'])
    expect([good.record.highest, good.record.active, good.notes]).toEqual([3, 'c', []])
    const next = synced(record, ['a:1', 'b:2', 'c:3', 'd:4'])
    expect([next.record.highest, next.record.active, next.notes]).toEqual([4, 'd', []])
    expect(codes(synced(record, ['a:1', 'b:2']).notes)).toEqual(['source-behind 2'])
  })

  it('does not follow a source that shows less than was read of it, be it malformed or removed since', () => {
    expect(codes(synced(first('a:1', 'b:2', 'malformed'), ['a:1', 'b:2']).notes)).toEqual(['source-behind 2'])
    const rotated = synced(first('a:1', 'b:2'), ['a:1', 'b:2', 'a:1']).record
    const removed = applyChange(rotated, { op: 'remove', id: 'b', force: true }, NOW, BOUND)
    expect(codes(synced(removed, ['a:1']).notes)).toEqual(['source-behind 1'])
  })

  it('moves backwards when forced', () => {
    expect(synced(first('a:1', 'b:2'), ['a:1'], { force: true }).record.active).toBe('a')
  })

  it('forgets versions above when forced back: they may come again with other keys', () => {
    const { record } = synced(first('a:1', 'b:2', 'malformed'), ['a:1'], { force: true })
    expect(record.keys.map(({ id, inc }) => [id, inc])).toEqual([
      ['a', undefined],
      ['b', 'first'],
    ])
    const again = synced(record, ['a:1', 'c:3', 'd:4'])
    expect([again.plan.read, again.record.active]).toEqual([[3, 2], 'd'])
    const same = synced(record, ['a:1', 'b:2'])
    expect(same.record.keys.map(({ id, v, inc }) => [id, v, inc])).toEqual([
      ['a', [1], undefined],
      ['b', [2], undefined],
    ])
  })
})

describe('a source that went back and was written to since, when forced', () => {
  it('is read anew, because its numbers may have other keys now', () => {
    const { plan, record } = synced(first('a:1', 'b:2', 'c:3'), ['a:1', 'd:4'], { force: true })
    expect([plan.read, record.active]).toEqual([[2, 1], 'd'])
    expect(record.keys.map(({ id, v, inc }) => [id, v, inc])).toEqual([
      ['a', [1], undefined],
      ['b', [2], 'first'],
      ['c', [3], 'first'],
      ['d', [2], undefined],
    ])
  })
})

describe('a source that went back and was written to beyond what was read of it', () => {
  const record = first('a:1', 'b:2', 'c:3', 'c:3')
  /** Each version is as old as its number, unless said. */
  const written = (versions: string[], times: Record<number, number | null>) => {
    const seen = observed(versions)
    const dated = seen.versions.map((each) => ({ ...each, createdMs: times[each.version] ?? each.version }))
    return { ...seen, versions: dated }
  }
  const again = ['a:1', 'b:2', 'd:4', 'e:5', 'f:6']
  const observation = written(again, { 3: 33, 4: 44, 5: 55 })

  it('is told by the time of a version that is held, and nothing changes', () => {
    expect(() => synced(record, again, { observation })).toThrow(code('ERR_SOURCE_RECREATED'))
  })

  it('is told also while it still shows less than was read', () => {
    const longer = first('a:1', 'b:2', 'c:3', 'z:4')
    const less = ['a:1', 'b:2', 'd:4']
    const back = written(less, { 3: 33 })
    expect(() => synced(longer, less, { observation: back })).toThrow(code('ERR_SOURCE_RECREATED'))
  })

  it.each([{ force: true }, { adopt: true }])('is read anew with %j, and a plain sync goes on', (how) => {
    const batch = synced(record, again, { observation, batch: 3, ...how })
    expect(batch.plan.read).toEqual([5, 1, 2])
    const { record: all } = synced(batch.record, again, { observation })
    expect([all.active, ids(all).toSorted()]).toEqual(['f', ['a', 'b', 'c', 'd', 'e', 'f']])
    expect(all.keys.find(({ id }) => id === 'c')).toMatchObject({ v: [3, 4], inc: 'first' })
  })

  it('is not what a key looks like whose version is there still, was pruned, or has no time that is told', () => {
    const versions = ['a:1', 'b:2', 'c:3', 'c:3']
    expect(synced(record, versions, { observation: written(versions, {}) }).record).toEqual(record)
    const pruned = { ...observation, versions: observation.versions.filter(({ version }) => version !== 3) }
    expect(synced(record, again, { observation: pruned }).record.active).toBe('f')
    expect(synced(record, versions).record).toEqual(record)
  })

  it('has the time at which a key came again', () => {
    const attached = synced(first('a:1'), ['z:9', 'a:1'], {
      observation: observed(['z:9', 'a:1'], 'second'),
      force: true,
    })
    expect(attached.record.keys).toMatchObject([
      { id: 'a', v: [2], created: 2 },
      { id: 'z', created: 1 },
    ])
  })
})

describe('a known key', () => {
  it.each([
    ['deleted', ['deleted', 'b:2']],
    ['destroyed', ['destroyed', 'b:2']],
    ['pruned', [null, 'b:2']],
  ])('stays when its version is %s, and says so', (state, versions) => {
    const { record } = synced(first('a:1', 'b:2'), versions)
    expect(ids(record)).toEqual(['a', 'b'])
    expect(gone(record, 'a')).toBe(state)
  })

  it('is present again once its version was undeleted', () => {
    const deleted = synced(first('a:1', 'b:2'), ['deleted', 'b:2']).record
    expect(gone(synced(deleted, ['a:1', 'b:2']).record, 'a')).toBeUndefined()
  })

  it('has its versions in order, whichever was read first', () => {
    const some = synced(null, ['a:1', 'b:2', 'a:1', 'a:1'], { batch: 1 }).record
    expect(synced(some, ['a:1', 'b:2', 'a:1', 'a:1']).record.keys.find(({ id }) => id === 'a')?.v).toEqual([1, 3, 4])
  })

  it('is not called pruned by an answer that merely lacks it', () => {
    const { record } = synced(first('a:1', 'b:2', 'c:3'), ['a:1', null, 'c:3'])
    expect(gone(record, 'b')).toBeUndefined()
  })

  it('keeps its id: another key under it is a collision', () => {
    const { record, notes } = synced(first('a:1'), ['a:1', 'a:2', 'b:3'])
    expect(record.keys.map(({ id, commit }) => `${id}:${commit}`)).toEqual(['a:1', 'b:3'])
    expect([codes(notes), record.skipped]).toEqual([['id-collision 2'], [{ v: 2, why: 'collision' }]])
  })
})

it('lets the lowest version win a collision within a batch', () => {
  const { record } = synced(null, ['a:1', 'b:2', 'a:3', 'c:4'])
  expect(record.keys.map(({ id, commit }) => `${id}:${commit}`)).toEqual(['a:1', 'b:2', 'c:4'])
})

describe('versions that vanished before they were read', () => {
  it('are counted', () => {
    expect(first(null, null, 'destroyed', 'deleted', 'e:5').lost).toBe(3)
    expect(synced(first('a:1', 'b:2'), [null, 'b:2', null, 'malformed', 'e:5']).record.lost).toBe(1)
  })

  it('are counted without going through the numbers: how many there are is the word of the source', () => {
    const versions = [{ version: 1_000_000_000, state: 'destroyed' as const, createdMs: null }]
    const observation = { ...observed([]), current: 1_000_000_000, versions }
    expect(synced(first('a:1'), [], { observation }).record.lost).toBe(999_999_999)
  })
})

describe('another source', () => {
  const other = { ...SOURCE, path: 'elsewhere' }

  it('is refused until it is adopted; a force is not enough', () => {
    const record = first('a:1')
    expect(() => synced(record, ['x:9'], { source: other })).toThrow(code('ERR_SOURCE_CHANGED'))
    expect(() => synced(record, ['x:9'], { source: other, force: true })).toThrow(code('ERR_SOURCE_CHANGED'))
  })

  it('keeps the earlier keys, detached, when adopted', () => {
    const { record } = synced(first('a:1'), ['x:9'], { source: other, adopt: true })
    expect(record.keys.map(({ id, inc }) => [id, inc])).toEqual([
      ['a', 'first'],
      ['x', undefined],
    ])
    expect([record.active, record.source]).toEqual(['x', other])
  })

  it('takes a key up again that it holds as well', () => {
    const { record } = synced(first('a:1', 'b:2'), ['b:2', 'a:1'], { source: other, adopt: true })
    expect(record.keys.map(({ id, v, inc }) => [id, v, inc])).toEqual([
      ['a', [2], undefined],
      ['b', [1], undefined],
    ])
  })
})

describe('a secret that was deleted and made again', () => {
  const observation = observed(['x:9'], 'second')

  it('is refused, and nothing changes', () => {
    expect(() => synced(first('a:1'), ['x:9'], { observation })).toThrow(code('ERR_SOURCE_RECREATED'))
  })

  it.each([{ force: true }, { adopt: true }])('begins anew with %j', (how) => {
    const { record } = synced(first('a:1', 'b:2'), ['x:9'], { observation, ...how })
    expect([record.active, ids(record), record.highest]).toEqual(['x', ['a', 'b', 'x'], 1])
  })

  it('is named when it is not there at all', () => {
    expect(() => synced(first('a:1'), [], { observation: null })).toThrow(code('ERR_SOURCE_NOT_FOUND'))
  })
})

describe('removal', () => {
  const remove = (record: KeyringRecord, id: string, more = {}) =>
    applyChange(record, { op: 'remove', id, force: false, ...more }, NOW + 1000, BOUND)
  const rotated = () => synced(first('a:1'), ['a:1', 'b:2']).record

  it('leaves a tombstone that every later sync respects, by id and by key', () => {
    const removed = remove(first('a:1', 'b:2'), 'a')
    expect(synced(removed, ['a:1', 'b:2']).plan.read).toEqual([])
    const { record, notes } = synced(removed, ['a:1', 'b:2', 'a:7', 'z:1', 'c:3'])
    expect([ids(record), codes(notes)]).toEqual([
      ['b', 'c'],
      ['key-removed 3', 'key-removed 4'],
    ])
  })

  it('never takes the active key, not by force either', () => {
    expect(() => remove(rotated(), 'b', { force: true })).toThrow(code('ERR_KEY_ACTIVE'))
  })

  it('never takes material that is active under another id, nor lets removed material become active', () => {
    expect(() => remove(first('a:1', 'b:1'), 'a', { force: true })).toThrow(code('ERR_KEY_ACTIVE'))
    const removed = remove(first('a:1', 'b:1', 'c:3'), 'a')
    expect(synced(removed, ['a:1', 'b:1'], { force: true }).record.active).toBe('c')
  })

  it('waits until no instance can still encrypt with the key, unless forced', () => {
    expect(ids(remove(rotated(), 'a'))).toEqual(['b'])
    const early = () => applyChange(rotated(), { op: 'remove', id: 'a', force: false }, NOW + 999, BOUND)
    expect(early).toThrow(
      expect.objectContaining({
        code: 'ERR_KEY_IN_USE',
        facts: expect.objectContaining({ allowedFrom: new Date(NOW + 1000).toISOString() }),
      }),
    )
    expect(ids(applyChange(rotated(), { op: 'remove', id: 'a', force: true }, NOW + 999, BOUND))).toEqual(['b'])
  })

  it('says so when there is no such key', () => {
    expect(() => remove(first('a:1'), 'zz')).toThrow(code('ERR_KEY_NOT_FOUND'))
  })
})

describe('compromise', () => {
  it('of the active key needs force; encryption then waits for a new version', () => {
    const record = first('a:1', 'b:2')
    expect(() => applyChange(record, { op: 'compromise', id: 'b', force: false }, NOW, BOUND)).toThrow(
      code('ERR_KEY_ACTIVE'),
    )
    const marked = applyChange(record, { op: 'compromise', id: 'b', force: true }, NOW, BOUND)
    expect(marked.active).toBeNull()
    expect(synced(marked, ['a:1', 'b:2']).record.active).toBeNull()
    expect(synced(marked, ['a:1', 'b:2', 'c:3']).record.active).toBe('c')
  })

  it('of another key stays through syncs', () => {
    const marked = applyChange(first('a:1', 'b:2'), { op: 'compromise', id: 'a', force: false }, NOW, BOUND)
    expect(synced(marked, ['a:1', 'b:2', 'c:3']).record.keys[0]).toMatchObject({ id: 'a', compromised: true })
  })

  const compromise = (record: KeyringRecord, id: string, force = false) =>
    applyChange(record, { op: 'compromise', id, force }, NOW + 7, BOUND)
  const marks = (record: KeyringRecord) => record.keys.map(({ id, compromised = false }) => [id, compromised])

  it('is of the material: every entry that holds it is marked, whichever id is named', () => {
    for (const id of ['a', 'b'])
      expect(marks(compromise(first('a:1', 'b:1', 'c:3'), id))).toEqual([
        ['a', true],
        ['b', true],
        ['c', false],
      ])
  })

  it('needs force when the material is active under another id, and stops that one', () => {
    const record = first('a:1', 'b:1')
    expect(() => compromise(record, 'a')).toThrow(
      expect.objectContaining({ code: 'ERR_KEY_ACTIVE', message: expect.stringContaining('"b", which is active') }),
    )
    const marked = compromise(record, 'a', true)
    expect(marked.active).toBeNull()
    expect(marked.keys.map(({ id, stopped }) => [id, stopped])).toEqual([
      ['a', undefined],
      ['b', NOW + 7],
    ])
  })

  it('reaches what comes later: the material under a new id is held for decryption, and never becomes active', () => {
    const { record, notes } = synced(compromise(first('a:1', 'b:2'), 'a'), ['a:1', 'b:2', 'c:1'])
    expect(record.active).toBe('b')
    expect(marks(record)).toContainEqual(['c', true])
    expect(codes(notes)).toEqual(['key-compromised 3', 'active-unusable 3'])
    expect(synced(record, ['a:1', 'b:2', 'c:1']).record.active).toBe('b')
  })

  it('reaches what comes later also from another source, and from a secret that was made again', () => {
    const marked = compromise(first('a:1', 'b:2'), 'a')
    for (const more of [
      { source: { ...SOURCE, path: 'elsewhere' }, adopt: true },
      { observation: observed(['c:1'], 'second'), force: true },
    ]) {
      const { record } = synced(marked, ['c:1'], more)
      expect([record.active, marks(record).at(-1)]).toEqual([null, ['c', true]])
    }
  })

  it('holds for a record in which only one of two entries was marked', () => {
    const record = first('a:1', 'b:1', 'c:3')
    const half = {
      ...record,
      keys: record.keys.map((entry) => (entry.id === 'a' ? { ...entry, compromised: true as const } : entry)),
    }
    expect(synced(half, ['a:1', 'b:1', 'c:3', 'b:1']).record.active).toBe('c')
  })
})

it('keeps fields that a later release has added', () => {
  const later = { ...first('a:1'), tags: ['x'] }
  expect(synced(later, ['a:1', 'b:2']).record).toMatchObject({ tags: ['x'] })
})

describe('any history of the source', () => {
  const content = fc.constantFrom('a:1', 'a:2', 'b:1', 'b:2', 'c:3', 'd:4', 'malformed', 'deleted', 'destroyed')
  const history = fc.array(fc.array(content, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 })

  it('never loses a held key, never gives an id another key, never reads a version twice', () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 1, max: 3 }), (steps, batch) => {
        let record: KeyringRecord | null = null
        let versions: (string | null)[] = []
        const seen = new Set<number>()
        for (const added of steps) {
          versions = [...versions.map((old, index) => (index < versions.length - 3 ? null : old)), ...added]
          const before: KeyringRecord | null = record
          const { plan, record: next } = synced(before, versions, { batch })
          expect(plan.read.filter((version) => seen.has(version))).toEqual([])
          for (const version of plan.read) seen.add(version)
          for (const entry of before?.keys ?? [])
            expect(next.keys).toContainEqual(expect.objectContaining({ id: entry.id, commit: entry.commit }))
          expect(new Set(ids(next)).size).toBe(next.keys.length)
          if (next.active !== null) expect(ids(next)).toContain(next.active)
          record = next
        }
      }),
    )
  })
})
