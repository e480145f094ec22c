/** What a newer release has added to a record outlives every write of this one. */
import { expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { KeyringChange, SyncOptions } from '../../src/core/operations.ts'
import type { RecordStore } from '../../src/core/ports.ts'
import { parseSigned, sealers } from '../../src/crypto/seal.ts'
import type { SealerSet, WrappingKey } from '../../src/crypto/seal.ts'
import { PLAIN_SYNC, authorityOn, world, wrappingKey } from '../support/authority.ts'

type Loose = Record<string, unknown> & { keys: (Record<string, unknown> & { id: string })[] }

const sealersOf = (keys: readonly WrappingKey[]) => sealers(nodeCipher, nodeHash, keys, 'default')

async function read(store: RecordStore, set: SealerSet, name: string): Promise<Loose> {
  const signed = parseSigned((await store.get(name))?.bytes ?? expect.unreachable())
  return JSON.parse((await set.byId(signed.wrappingKeyId).verify(signed)) ?? expect.unreachable()) as Loose
}

async function add(store: RecordStore, set: SealerSet, name: string, format: string, extend: (item: Loose) => Loose) {
  const stored = await store.get(name)
  const bytes = await set.first.sign(format, JSON.stringify(extend(await read(store, set, name))))
  expect(await store.put(name, bytes, stored?.version ?? 0)).not.toBe('conflict')
}

const extended = (item: Loose): Loose => ({
  ...item,
  future: 'record',
  source: { ...(item['source'] as object), future: 'source' },
  keys: item.keys.map((key) => ({ ...key, future: key.id })),
  skipped: (item['skipped'] as object[]).map((each) => ({ ...each, future: 'skipped' })),
  tombstones: (item['tombstones'] as object[]).map((each) => ({ ...each, future: 'tombstone' })),
})

async function prepared() {
  const on = world(['a:1', 'malformed', 'b:3', 'c:4'])
  const authority = authorityOn(on)
  await authority.sync('default', PLAIN_SYNC)
  await authority.change('default', { op: 'remove', id: 'a', force: true })
  await add(on.store, await sealersOf([wrappingKey('w1', 1)]), 'keyring/default', 'ekr1', extended)
  return on
}

const sync = (options: Partial<SyncOptions>) => ({ sync: { ...PLAIN_SYNC, ...options } })
const change = (change: KeyringChange) => ({ change })
const W2 = [wrappingKey('w2', 2), wrappingKey('w1', 1)]

it.each([
  ['a sync with a new version', sync({}), 'first', [wrappingKey('w1', 1)]],
  ['a sync under a new wrapping key', sync({}), 'first', W2],
  ['a secret that was made anew', sync({ force: true }), 'second', [wrappingKey('w1', 1)]],
  ['a removal', change({ op: 'remove', id: 'b', force: true }), 'first', [wrappingKey('w1', 1)]],
  ['a compromise', change({ op: 'compromise', id: 'c', force: true }), 'first', [wrappingKey('w1', 1)]],
])('is kept through %s', async (_name, step, incarnation, keys) => {
  const on = await prepared()
  const before = await on.store.get('keyring/default')
  on.versions = ['a:1', 'malformed', 'b:3', 'c:4', 'd:5']
  on.incarnation = incarnation
  const authority = authorityOn(on, keys)
  const done =
    'sync' in step ? await authority.sync('default', step.sync) : await authority.change('default', step.change)
  expect(done.ok).toBe(true)
  expect((await on.store.get('keyring/default'))?.version).toBe((before?.version ?? 0) + 1)
  const record = await read(on.store, await sealersOf(keys), 'keyring/default')
  expect(record['future']).toBe('record')
  const held = record.keys.filter(({ id }) => id !== 'd')
  expect(held.map((key) => key['future'])).toEqual(held.map(({ id }) => id))
  expect(record['tombstones']).toMatchObject([{ id: 'a', future: 'tombstone' }, ...(held.length === 1 ? [{}] : [])])
  // The source and the versions of the secret are facts about one incarnation.
  if (incarnation !== 'first') return
  expect(record['source']).toMatchObject({ future: 'source' })
  expect(record['skipped']).toContainEqual(expect.objectContaining({ v: 2, future: 'skipped' }))
})

it('is kept in the status too, through a success and a failure', async () => {
  const on = await prepared()
  const set = await sealersOf([wrappingKey('w1', 1)])
  await add(on.store, set, 'status/default', 'eks1', (item) => ({ ...item, future: 'status' }))
  await authorityOn(on).sync('default', PLAIN_SYNC)
  expect(await read(on.store, set, 'status/default')).toMatchObject({ failures: 0, future: 'status' })
  on.versions = new KeyringError('ERR_VAULT_SEALED', 'Vault is sealed.')
  await authorityOn(on).sync('default', PLAIN_SYNC)
  expect(await read(on.store, set, 'status/default')).toMatchObject({ failures: 1, future: 'status' })
})
