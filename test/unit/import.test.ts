/** A record that is brought back: into an empty store, into one that has a record, and into one that cannot be read. */
import { describe, expect, it } from 'vitest'
import { decodeUtf8, utf8 } from '../../src/core/bytes.ts'
import { KeyringError, unwrap } from '../../src/core/errors.ts'
import type { SharedStore } from '../../src/core/ports.ts'
import { mergeRecord } from '../../src/keyring/import.ts'
import type { KeyringRecord } from '../../src/keyring/record.ts'
import { tellingAuthority } from '../../src/keyring/wrapping-trouble.ts'
import type { World } from '../support/authority.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world, wrappingKey } from '../support/authority.ts'
import type { Versions } from '../support/observed.ts'
import type { Verbs } from '../support/verbs.ts'

const RECORD = 'keyring/default'
const DAY = 24 * 60 * 60 * 1000
const NONE = utf8('')
const DOWN = new KeyringError('ERR_VAULT_SEALED', 'Vault is sealed.')
const code = (expected: string) => ({ ok: false, error: { code: expected } })

async function textIn(store: SharedStore): Promise<string> {
  return decodeUtf8((await store.get(RECORD))?.bytes ?? expect.unreachable()) ?? expect.unreachable()
}
const parsed = (text: string): KeyringRecord => JSON.parse(text.slice(text.indexOf('\n'))) as KeyringRecord
const recordIn = async ({ store }: World): Promise<KeyringRecord> => parsed(await textIn(store))
const idsIn = async (on: World): Promise<string[]> => (await recordIn(on)).keys.map(({ id }) => id)

interface Deployment {
  readonly on: World
  readonly authority: Verbs
}

/** A deployment that has synced these. */
async function synced(
  versions: Versions,
  more: Partial<World> = {},
  keys = [wrappingKey('w1', 1)],
): Promise<Deployment> {
  const on = { ...world(versions), ...more }
  const authority = authorityOn(on, keys)
  unwrap(await authority.sync('default', PLAIN_SYNC))
  return { on, authority }
}

const textOf = ({ on }: Deployment): Promise<string> => textIn(on.store)
const changed = async ({ authority }: Deployment, op: 'remove' | 'compromise', id: string): Promise<void> =>
  void unwrap(await authority.change('default', { op, id, force: true }))
const resync = ({ authority }: Deployment) => authority.sync('default', PLAIN_SYNC)

/** A deployment whose rotation has begun, and has not written its key. */
async function begun(versions: Versions): Promise<Deployment & { readonly id: string }> {
  const deployment = await synced(versions)
  deployment.on.beforeWrite = () => Promise.reject(DOWN)
  const rotate = { call: 'rotate', keyring: 'default', dryRun: false } as const
  expect(await deployment.authority.call(rotate)).toMatchObject(code('ERR_VAULT_SEALED'))
  deployment.on.beforeWrite = async () => {}
  return { ...deployment, id: (await recordIn(deployment.on)).intent?.id ?? expect.unreachable() }
}

const ORDERS = authorityOn(world(['a:1']), undefined, ['orders'])
const ofOrders = decodeUtf8(unwrap(await ORDERS.sync('orders', PLAIN_SYNC)).sealed) ?? ''
const SMALL = await synced(['a:1'])
const text = await textOf(SMALL)
const status = decodeUtf8((await SMALL.on.store.get('status/default'))?.bytes ?? NONE) ?? ''

describe('an empty store', () => {
  it('takes the record over, and every key of it works without the source', async () => {
    const origin = await synced(['a:1', 'b:2', 'c:3', 'd:4'])
    const keyring = await keyringOn(origin.on)
    const { ciphertext } = await keyring.encrypt(utf8('x'), NONE)
    await changed(origin, 'remove', 'a')
    await changed(origin, 'compromise', 'b')
    const on = world(DOWN)
    const answer = await authorityOn(on).import('default', await textOf(origin))
    expect(answer).toMatchObject({ ok: true, value: { added: ['b', 'c', 'd'], removed: [], active: 'd' } })
    const [{ revision, sealed: _, ...before }, { revision: next, sealed: __, ...after }] = [
      await recordIn(origin.on),
      await recordIn(on),
    ]
    expect(after).toEqual(before)
    expect(next).toBeGreaterThan(revision)
    expect((await (await keyringOn(on)).decrypt(ciphertext, NONE)).keyId).toBe('d')
  })

  it('has it under the first wrapping key, and no removed key comes back with the next sync', async () => {
    const origin = await synced(['a:1', 'b:2'])
    await changed(origin, 'remove', 'a')
    const keys = [wrappingKey('w2', 2), wrappingKey('w1', 1)]
    const on = world(['a:1', 'b:2'])
    const authority = authorityOn(on, keys)
    unwrap(await authority.import('default', await textOf(origin)))
    expect(await textIn(on.store)).toMatch(/^ekr1 w2 /)
    unwrap(await authority.sync('default', PLAIN_SYNC))
    expect(await idsIn(on)).toEqual(['b'])
    const [own] = keys
    const keyring = await keyringOn(on, own && [own], authority)
    expect((await keyring.encrypt(utf8('x'), NONE)).keyId).toBe('b')
  })

  it('gets nothing when the store fails, and the record by the next try', async () => {
    const on = world(DOWN)
    const put: SharedStore['put'] = () => Promise.reject(new KeyringError('ERR_STORE_UNAVAILABLE', 'It is full.'))
    const failing = authorityOn({ ...on, store: { ...on.store, put } })
    expect(await failing.import('default', text)).toMatchObject(code('ERR_STORE_UNAVAILABLE'))
    expect(await on.store.get(RECORD)).toBeNull()
    expect(await authorityOn(on).import('default', text)).toMatchObject({ ok: true })
  })
})

describe('bytes that are not believed', () => {
  it.each([
    ['nothing', ''],
    ['no record', '<html>'],
    ['an altered record', text.replace('"lost":0', '"lost":1')],
    ['one that was cut', text.slice(0, -1)],
    ['the line alone', text.slice(0, text.indexOf('\n') + 1)],
    ['a later layout', text.replace('ekr1', 'ekr2')],
    ['what else is stored', status],
    ['the record of another keyring', ofOrders],
  ])('are refused, also by force: %s', async (_name, given) => {
    const on = world(DOWN)
    for (const force of [false, true]) {
      const answer = await authorityOn(on).import('default', given, force)
      expect(answer).toMatchObject({
        error: {
          code: 'ERR_RECORD_INVALID',
          message: 'The record given for keyring "default" was altered, or is none of it; nothing was written.',
          remedy: expect.stringContaining('"export"'),
        },
      })
    }
    expect(await on.store.get(RECORD)).toBeNull()
  })

  it.each([
    ['its wrapping key is not there', wrappingKey('w2', 2), 'ERR_WRAPPING_KEY_MISSING'],
    ['another key has its id', wrappingKey('w1', 2), 'ERR_WRAPPING_KEY_WRONG'],
  ])('are refused: %s', async (_name, key, expected) => {
    const on = world(DOWN)
    const lines: string[] = []
    const told = tellingAuthority(authorityOn(on, [key]), (line) => lines.push(line))
    expect(await told.call({ call: 'import', keyring: 'default', record: text, force: true })).toMatchObject({
      error: {
        code: expected,
        message: expect.stringMatching(/^The record given for keyring "default" .*wrapping key "w1"/),
        remedy: expect.stringContaining('KEYRING_WRAPPING_KEYS'),
        facts: { keyring: 'default', wrappingKey: 'w1' },
      },
    })
    expect([lines, await on.store.get(RECORD)]).toEqual([[], null])
  })
})

describe('a store with a record', () => {
  it('takes in the keys that it lacks, for decryption only, and a sync sees them at the source', async () => {
    const origin = await synced(['a:1', 'b:2', 'c:3'])
    const target = await synced([null, 'b:2'])
    const answer = await target.authority.import('default', await textOf(origin))
    expect(answer).toMatchObject({ ok: true, value: { added: ['a', 'c'], removed: [], active: 'b' } })
    const { keys, highest } = await recordIn(target.on)
    expect(highest).toBe(2)
    expect(keys.map(({ id, inc, stopped }) => [id, inc, stopped])).toEqual([
      ['b', undefined, undefined],
      ['a', 'first', target.on.clock.time],
      ['c', 'first', target.on.clock.time],
    ])
    target.on.versions = [null, 'b:2', 'c:3']
    unwrap(await resync(target))
    const after = await recordIn(target.on)
    expect(after.active).toBe('c')
    expect(after.keys.map(({ id, inc, v }) => [id, inc, v])).toContainEqual(['c', undefined, [3]])
  })

  it('does not believe a version of it that the source has under another key', async () => {
    const origin = await synced(['a:1', 'b:2'])
    const target = await synced(['a:1'])
    unwrap(await target.authority.import('default', await textOf(origin)))
    target.on.versions = ['a:1', 'c:3']
    unwrap(await resync(target))
    expect(await recordIn(target.on)).toMatchObject({ active: 'c' })
  })

  it('writes nothing when nothing is new, and what it has stays as it is', async () => {
    const target = await synced(['a:1', 'b:2'])
    const text = await textOf(target)
    target.on.versions = ['a:1', 'b:2', 'c:3']
    unwrap(await resync(target))
    const stored = await target.on.store.get(RECORD)
    expect(await target.authority.import('default', text)).toMatchObject({ value: { added: [], active: 'c' } })
    expect(await target.on.store.get(RECORD)).toBe(stored)
  })

  it.each([
    ['under whatever id that comes', ['a:1', 'b:2', 'again:1', 'd:4']],
    ['whatever has its id', ['a:9', 'b:2', 'd:4']],
  ])('keeps removed what it has removed, %s', async (_name, versions) => {
    const origin = await synced(versions)
    const target = await synced(['a:1', 'b:2', 'd:4'])
    await changed(target, 'remove', 'a')
    expect(await target.authority.import('default', await textOf(origin), true)).toMatchObject({ value: { added: [] } })
    expect(await idsIn(target.on)).toEqual(['b', 'd'])
  })

  it('remembers once what both have removed', async () => {
    const [origin, target] = [await synced(['a:1', 'b:2', 'c:3']), await synced(['a:1', 'b:2'])]
    for (const each of [origin, target]) await changed(each, 'remove', 'a')
    expect(await target.authority.import('default', await textOf(origin))).toMatchObject({ value: { added: ['c'] } })
    expect((await recordIn(target.on)).tombstones).toHaveLength(1)
  })

  it('removes what was removed there, by the rules of a removal', async () => {
    const origin = await synced(['a:1', 'b:2', 'c:3'])
    await changed(origin, 'remove', 'a')
    const text = await textOf(origin)
    const target = await synced(['a:1'])
    expect(await target.authority.import('default', text, true)).toMatchObject(code('ERR_KEY_ACTIVE'))
    target.on.versions = ['a:1', 'b:2']
    unwrap(await resync(target))
    expect(await target.authority.import('default', text)).toMatchObject(code('ERR_KEY_IN_USE'))
    expect(await idsIn(target.on)).toEqual(['a', 'b'])
    target.on.clock.time += DAY
    expect(await target.authority.import('default', text)).toMatchObject({ value: { added: ['c'], removed: ['a'] } })
    unwrap(await resync(target))
    expect(await idsIn(target.on)).not.toContain('a')
  })

  it('knows what was removed there before it has seen it', async () => {
    const origin = await synced(['a:1', 'b:2'])
    await changed(origin, 'remove', 'a')
    const target = await synced([null, 'b:2'])
    unwrap(await target.authority.import('default', await textOf(origin)))
    target.on.versions = [null, 'b:2', 'a:1', 'd:4']
    unwrap(await resync(target))
    expect(await idsIn(target.on)).toEqual(['b', 'd'])
  })

  it.each(['origin', 'target'])('marks a key that is compromised at the %s, under every id', async (where) => {
    const origin = await synced(['a:1', 'x:1', 'b:2'])
    const target = await synced([null, where === 'origin' ? 'a:1' : 'x:1', 'b:2'])
    await changed(where === 'origin' ? origin : target, 'compromise', where === 'origin' ? 'a' : 'x')
    unwrap(await target.authority.import('default', await textOf(origin)))
    const { keys, active } = await recordIn(target.on)
    expect(active).toBe('b')
    expect(
      keys
        .filter(({ compromised }) => compromised)
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(['a', 'x'])
  })

  it('lets its active key go for a mark only by force: nobody encrypts then', async () => {
    const origin = await synced(['a:1', 'b:2'])
    await changed(origin, 'compromise', 'a')
    const target = await synced(['a:1'])
    const text = await textOf(origin)
    expect(await target.authority.import('default', text)).toMatchObject(code('ERR_KEY_ACTIVE'))
    expect(await recordIn(target.on)).toMatchObject({ active: 'a' })
    expect(await target.authority.import('default', text, true)).toMatchObject({ value: { active: null } })
  })

  it('never makes a key active that is compromised there, also when here another one of its id was removed', async () => {
    const origin = await synced(['a:1', 'b:2', 'c:3'])
    await changed(origin, 'compromise', 'a')
    const target = await synced(['a:9', 'b:2', 'c:3'])
    await changed(target, 'remove', 'a')
    const text = await textOf(origin)
    expect(await target.authority.import('default', text)).toMatchObject({ value: { added: [], active: 'c' } })
    const stored = await target.on.store.get(RECORD)
    expect(await target.authority.import('default', text)).toMatchObject({ ok: true })
    expect(await target.on.store.get(RECORD)).toBe(stored)
    target.on.versions = ['a:9', 'b:2', 'c:3', 'd:1']
    await resync(target)
    expect(await recordIn(target.on)).toMatchObject({ active: 'c' })
  })

  it('refuses, also by force, a removal of what is active under another id: nobody could encrypt from the next sync on', async () => {
    const origin = await synced(['x:1', 'b:2'])
    await changed(origin, 'remove', 'x')
    const target = await synced(['y:1'])
    const [text, stored] = [await textOf(origin), await target.on.store.get(RECORD)]
    for (const force of [false, true])
      expect(await target.authority.import('default', text, force)).toMatchObject(code('ERR_KEY_ACTIVE'))
    expect(await target.on.store.get(RECORD)).toBe(stored)
    target.on.versions = ['y:1', 'b:2']
    unwrap(await resync(target))
    expect(await target.authority.import('default', text)).toMatchObject({ ok: true, value: { active: 'b' } })
    expect((await recordIn(target.on)).tombstones).toMatchObject([{ id: 'x' }])
  })

  it.each([
    ['a key', ['a:2', 'b:3'], null],
    ['a removed one', ['a:2', 'b:3'], 'a'],
  ])('refuses, also by force, another key under an id that it has: %s', async (_name, versions, removed) => {
    const origin = await synced(versions)
    if (removed !== null) await changed(origin, 'remove', removed)
    const target = await synced(['a:1', 'c:4'])
    const stored = await target.on.store.get(RECORD)
    for (const force of [false, true]) {
      const answer = await target.authority.import('default', await textOf(origin), force)
      expect(answer).toMatchObject(code('ERR_KEY_MISMATCH'))
    }
    expect(await target.on.store.get(RECORD)).toBe(stored)
  })

  it('takes a record of another incarnation by force alone, and stays with its own', async () => {
    const origin = await synced(['a:1', 'b:2'], { incarnation: 'second' })
    const target = await synced(['c:3'])
    const text = await textOf(origin)
    expect(await target.authority.import('default', text)).toMatchObject(code('ERR_SOURCE_RECREATED'))
    expect(await idsIn(target.on)).toEqual(['c'])
    expect(await target.authority.import('default', text, true)).toMatchObject({ value: { added: ['a', 'b'] } })
    const { incarnation, active, keys } = await recordIn(target.on)
    expect([incarnation, active, keys.map(({ inc }) => inc)]).toEqual(['first', 'c', [undefined, 'second', 'second']])
    expect(await resync(target)).toMatchObject({ ok: true, value: { changed: false } })
  })

  it('decides again when others write meanwhile, and loses nothing of theirs', async () => {
    const text = await textOf(await synced(['a:1', 'b:2']))
    const on = world(['b:2', 'c:3'])
    let others = 0
    const put: SharedStore['put'] = async (name, bytes, expected) => {
      if (name === RECORD && others++ === 0) unwrap(await authorityOn(on).sync('default', PLAIN_SYNC))
      return on.store.put(name, bytes, expected)
    }
    const racing = authorityOn({ ...on, store: { ...on.store, put } })
    expect(await racing.import('default', text)).toMatchObject({ value: { added: ['a'], active: 'c' } })
    expect((await idsIn(on)).toSorted()).toEqual(['a', 'b', 'c'])
    expect(await recordIn(on)).toMatchObject({ active: 'c' })
  })

  it('gives up when others keep writing', async () => {
    const on = world(DOWN)
    const put: SharedStore['put'] = async () => 'conflict'
    const answer = await authorityOn({ ...on, store: { ...on.store, put } }).import('default', text)
    expect(answer).toMatchObject(code('ERR_SYNC_CONTENDED'))
  })
})

describe('a record that cannot be read', () => {
  it('is replaced by force alone', async () => {
    const target = await synced(['b:2'])
    const version = (await target.on.store.get(RECORD))?.version ?? 0
    await target.on.store.put(RECORD, utf8('ekr1 w1 AAAA\n{}'), version)
    expect(await target.authority.import('default', text)).toMatchObject(code('ERR_RECORD_INVALID'))
    expect(await textIn(target.on.store)).toMatch(/\{\}$/)
    expect(await target.authority.import('default', text, true)).toMatchObject({ value: { added: ['a'], active: 'a' } })
    unwrap(await resync(target))
    expect(await idsIn(target.on)).toEqual(['a'])
  })

  it.each([0, 1])(
    'is not replaced when somebody has mended it meanwhile (look %i): that one takes in what it lacks',
    async (at) => {
      const target = await synced(['b:2'])
      const good = await target.on.store.get(RECORD)
      await target.on.store.put(RECORD, utf8('ekr1 w1 AAAA\n{}'), good?.version ?? 0)
      let looks = 0
      const get: SharedStore['get'] = async (name) => {
        const stored = await target.on.store.get(name)
        if (name === RECORD && looks++ === at)
          await target.on.store.put(RECORD, good?.bytes ?? NONE, stored?.version ?? 0)
        return stored
      }
      const authority = authorityOn({ ...target.on, store: { ...target.on.store, get } })
      expect(await authority.import('default', text, true)).toMatchObject({ value: { added: ['a'], active: 'b' } })
      expect((await idsIn(target.on)).toSorted()).toEqual(['a', 'b'])
    },
  )

  it('for want of its wrapping key stays, also by force', async () => {
    const { on } = await synced(['b:2'], {}, [wrappingKey('w2', 2)])
    const stored = await on.store.get(RECORD)
    expect(await authorityOn(on).import('default', text, true)).toMatchObject(code('ERR_WRAPPING_KEY_MISSING'))
    expect(await on.store.get(RECORD)).toBe(stored)
  })
})

describe('a rotation that has begun there', () => {
  const rotate = { call: 'rotate', keyring: 'default', dryRun: false } as const

  it('is settled in an empty store by the version that the source has', async () => {
    const origin = await begun(['a:1'])
    const text = await textOf(origin)
    const rotated = unwrap(await origin.authority.call(rotate))
    expect(rotated).toMatchObject({ rotated: true, active: origin.id })
    const on = world(origin.on.versions)
    const authority = authorityOn(on)
    unwrap(await authority.import('default', text))
    unwrap(await authority.sync('default', PLAIN_SYNC))
    const record = await recordIn(on)
    expect([record.active, record.intent]).toEqual([origin.id, undefined])
    expect(on.versions).toHaveLength(2)
  })

  it('goes on from an empty store with the same key, when the source has no such version', async () => {
    const origin = await begun(['a:1'])
    const on = world(['a:1'])
    const authority = authorityOn(on, [wrappingKey('w2', 2), wrappingKey('w1', 1)])
    unwrap(await authority.import('default', await textOf(origin)))
    expect(unwrap(await authority.call(rotate))).toMatchObject({ rotated: true, version: 2, active: origin.id })
    const { versions } = on
    on.versions = ['a:1']
    unwrap(await origin.authority.call(rotate))
    expect(origin.on.versions).toEqual(versions)
  })

  it('goes on where none has begun, and gives way where one has', async () => {
    const origin = await begun(['a:1'])
    const [none, own] = [await synced(['a:1']), await begun(['a:1'])]
    for (const { authority } of [none, own]) unwrap(await authority.import('default', await textOf(origin)))
    expect((await recordIn(none.on)).intent?.id).toBe(origin.id)
    expect((await recordIn(own.on)).intent?.id).toBe(own.id)
  })

  it.each([
    ['the source has gone on', ['a:1', 'b:2'], 'first'],
    ['the secret was made again', ['a:1'], 'second'],
  ])('is over when %s', async (_name, versions, incarnation) => {
    const origin = await begun(['a:1'])
    const target = await synced(versions, { incarnation })
    unwrap(await target.authority.import('default', await textOf(origin), true))
    expect((await recordIn(target.on)).intent).toBeUndefined()
  })

  it('is not for another source', async () => {
    const given = await recordIn((await begun(['a:1'])).on)
    const held = await recordIn((await synced(['a:1'])).on)
    const moved = { ...given, source: { ...given.source, path: 'elsewhere' } }
    const bound = { ms: 0, replicated: null }
    expect(() => mergeRecord(held, moved, false, 0, bound)).toThrow(
      expect.objectContaining({ code: 'ERR_SOURCE_CHANGED' }),
    )
    expect(mergeRecord(held, given, true, 0, bound).intent).toBeDefined()
    expect(mergeRecord(held, moved, true, 0, bound).intent).toBeUndefined()
  })

  it('is over when its key was removed here', async () => {
    const origin = await begun(['a:1'])
    const text = await textOf(origin)
    unwrap(await origin.authority.call(rotate))
    const target = await synced(origin.on.versions instanceof Error ? [] : origin.on.versions)
    target.on.versions = ['a:1']
    const back = await target.authority.sync('default', { ...PLAIN_SYNC, force: true })
    expect(back).toMatchObject({ ok: true })
    await changed(target, 'remove', origin.id)
    unwrap(await target.authority.import('default', text))
    expect((await recordIn(target.on)).intent).toBeUndefined()
  })
})
