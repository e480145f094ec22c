import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openReferences } from '../../functions/lambda/resolving.ts'
import { itemStoreContract } from '../contract/item-store.ts'
import { recordStoreContract } from '../contract/record-store.ts'
import { recordNumber } from '../node/children/numbered.ts'
import { authorityOn, world } from '../support/authority.ts'
import { killedAfter } from '../support/killed.ts'
import { startDynamoLocal } from '../support/lambda/dynamodb-local.ts'
import type { DynamoServer } from '../support/lambda/table.ts'
import { NOW } from '../support/observed.ts'
import { secretWorld } from '../support/secrets.ts'
import {
  awsEnvironment,
  createSecretsTable,
  createTable,
  itemsOn,
  raw,
  startDynalite,
  storeOn,
} from '../support/lambda/table.ts'

const WRITER = join(import.meta.dirname, 'children/write.ts')
const KILLS = 20
/** For the download of DynamoDB Local and its start. */
const START_MS = 180_000

describe('dynalite', () => {
  dynamoSuite(startDynalite)
})
describe.skipIf(process.env['CI'] !== 'true')('DynamoDB Local', () => {
  dynamoSuite(startDynamoLocal)
})

function dynamoSuite(start: () => Promise<DynamoServer>): void {
  let server: DynamoServer
  beforeAll(async () => {
    server = await start()
  }, START_MS)
  afterAll(() => server.close())

  recordStoreContract('in DynamoDB', async () => {
    const table = await createTable(server.endpoint)
    return { handles: [storeOn(server.endpoint, table), storeOn(server.endpoint, table)], close: () => {} }
  })

  itemStoreContract('in DynamoDB', async () => {
    const table = await createSecretsTable(server.endpoint)
    const open = (now: () => number) => itemsOn(server.endpoint, table, now)
    return { open: (now) => [open(now), open(now)], close: () => {} }
  })

  it('gives an application the references that are kept in it', async () => {
    const KEYRING_SECRETS_TABLE = await createSecretsTable(server.endpoint)
    const on = secretWorld({ ttlMs: 60_000 })
    on.clock.time = Date.now()
    on.vault.answers.set('password', { pass: 'kept' })
    const { secrets, look } = on.instance({}, { items: itemsOn(server.endpoint, KEYRING_SECRETS_TABLE, Date.now) })
    await secrets.resolve(['{vault://hcv/password/pass}'])
    await look()
    await using references = await openReferences({
      ...awsEnvironment(server.endpoint),
      KEYRING_SECRETS_TABLE,
      KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
    })
    expect(await references.resolve('{vault://hcv/password/pass}')).toBe('kept')
  })

  it('names what has not expired beyond a page of what has', async () => {
    const table = await createSecretsTable(server.endpoint)
    const items = itemsOn(server.endpoint, table, () => NOW)
    const bytes = new Uint8Array([1])
    for (const name of ['a', 'b', 'c']) await items.put('v', name, bytes, 0, { due: NOW - 1, expires: NOW - 1000 })
    for (const [at, name] of ['d', 'e', 'f'].entries())
      await items.put('v', name, bytes, 0, { due: NOW + at, expires: NOW + 1000 })
    expect(await items.due('v', NOW + 2, 2)).toEqual(['d', 'e'])
    expect(await items.list('v', '', 2)).toEqual(['d', 'e'])
    expect(await items.list('v', 'd', 9)).toEqual(['e', 'f'])
  })

  it.each([
    ['no attribute of ours', {}, null],
    ['a version of another type', { version: { S: '7' }, bytes: { B: 'AA==' } }, null],
    ['no bytes', { version: { N: '7' } }, { version: 7, bytes: new Uint8Array() }],
  ])('writes over a stranger’s secret with %s', async (_name, item, read) => {
    const table = await createSecretsTable(server.endpoint)
    const items = itemsOn(server.endpoint, table, () => NOW)
    const key = { vault: { S: 'v' }, name: { S: 'a' } }
    await raw(server.endpoint, 'PutItem', { TableName: table, Item: { ...key, ...item } })
    expect(await items.get('v', 'a')).toEqual(read)
    const times = { due: NOW, expires: NOW + 1000 }
    const version = await items.put('v', 'a', new Uint8Array([1]), read?.version ?? 0, times)
    expect(await items.get('v', 'a')).toEqual({ version, bytes: new Uint8Array([1]) })
  })

  it('returns the same object as long as nothing was written', async () => {
    const store = storeOn(server.endpoint, await createTable(server.endpoint))
    await store.put('k', new Uint8Array([1]), 0)
    const first = await store.get('k')
    expect(await store.get('k')).toBe(first)
    await store.put('k', new Uint8Array([2]), 1)
    expect(await store.get('k')).toMatchObject({ version: 2, bytes: new Uint8Array([2]) })
  })

  it('shows the record of a table that was restored, although its version is one that was seen before', async () => {
    const table = await createTable(server.endpoint)
    const store = storeOn(server.endpoint, table)
    await store.put('k', new Uint8Array([1]), 0)
    await raw(server.endpoint, 'DeleteItem', { TableName: table, Key: { name: { S: 'k' } } })
    await storeOn(server.endpoint, table).put('k', new Uint8Array([2]), 0)
    expect(await store.get('k')).toEqual({ version: 1, bytes: new Uint8Array([2]) })
  })

  it.each([
    ['no attribute of ours', { note: { S: 'mine' } }],
    ['no bytes', { version: { N: '7' } }],
    ['bytes of another type', { version: { N: '7' }, bytes: { S: 'AA==' } }],
    ['a version of another type', { version: { S: '7' }, bytes: { B: 'AA==' } }],
    ['a version of 0', { version: { N: '0' }, bytes: { B: 'AA==' } }],
  ])(
    'takes a stranger’s item with %s for none, where ours can be made anew, and never in place of a record',
    async (_name, item) => {
      const table = await createTable(server.endpoint)
      for (const name of ['status/default', 'lease/sync/default', 'keyring/other'])
        await raw(server.endpoint, 'PutItem', { TableName: table, Item: { name: { S: name }, ...item } })
      const on = world(['a:1'], storeOn(server.endpoint, table))
      const authority = authorityOn(on)
      expect(await authority.status('default')).toMatchObject({ ok: true, value: { lastAttempt: null } })
      expect(await authority.syncIfDue('default')).toEqual({ ok: true, value: 'synced' })
      const again = authorityOn({ ...on, store: storeOn(server.endpoint, table) })
      expect(await again.status('default')).toMatchObject({ ok: true, value: { lastSuccess: NOW } })
      expect(new Set(on.doubted)).toEqual(new Set(['unread']))
      await expect(on.store.get('keyring/other')).rejects.toMatchObject({ code: 'ERR_RECORD_INVALID' })
      expect(await on.store.put('keyring/other', new Uint8Array([1]), 0)).toBe('conflict')
    },
  )

  it.each([0, 1])('lets exactly one of 20 writers win at version %i', async (expected) => {
    const table = await createTable(server.endpoint)
    if (expected === 1) await storeOn(server.endpoint, table).put('k', new Uint8Array([99]), 0)
    const writers = Array.from({ length: 20 }, () => storeOn(server.endpoint, table))
    const outcomes = await Promise.all(writers.map((store, index) => store.put('k', new Uint8Array([index]), expected)))
    const winners = outcomes.flatMap((outcome, index) => (outcome === 'conflict' ? [] : [index]))
    expect(winners).toHaveLength(1)
    expect(await storeOn(server.endpoint, table).get('k')).toEqual({
      version: expected + 1,
      bytes: new Uint8Array(winners),
    })
  })

  it('holds a whole record, not older than the last one told, after each of 20 kills during writes', async () => {
    const table = await createTable(server.endpoint)
    const store = storeOn(server.endpoint, table)
    for (let kill = 0; kill < KILLS; kill += 1) {
      const told = await killedAfter([WRITER, server.endpoint, table], 1 + (kill % 5))
      const stored = await store.get('record')
      expect(stored?.version).toBeGreaterThanOrEqual(told)
      expect(stored?.bytes).toEqual(recordNumber(stored?.version ?? 0))
    }
  })
}
