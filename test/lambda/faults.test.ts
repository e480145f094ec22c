import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { dynamoItems } from '../../functions/lambda/dynamo-items.ts'
import { dynamoStore } from '../../functions/lambda/dynamo-store.ts'
import { signedAws } from '../../functions/lambda/aws.ts'
import type { Clock, SharedStore } from '../../src/core/ports.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world } from '../support/authority.ts'
import type { Faults } from '../support/lambda/faults.ts'
import { faultsBefore } from '../support/lambda/faults.ts'
import type { DynamoServer } from '../support/lambda/table.ts'
import { awsEnvironment, createSecretsTable, createTable, startDynalite, storeOn } from '../support/lambda/table.ts'

const bytes = (...values: number[]) => new Uint8Array(values)
const THROTTLED = { status: 400, type: 'ProvisionedThroughputExceededException' }
const BROKEN = { status: 500, type: 'InternalServerError' }
const HOUR = 3_600_000

/** Sleeping takes no time, but the clock knows. */
function quickClock(): Clock & { time: number; readonly slept: number[] } {
  const clock = {
    time: Date.now(),
    slept: [] as number[],
    now: () => clock.time,
    sleep: async (ms: number) => {
      clock.slept.push(ms)
      clock.time += ms
    },
  }
  return clock
}

it.each([
  ['no version', { bytes: { B: 'AA==' } }],
  ['a version that is none', { version: { N: 'NaN' }, bytes: { B: 'AA==' } }],
  ['a version of 0', { version: { N: '0' }, bytes: { B: 'AA==' } }],
  ['half a version', { version: { N: '2.5' }, bytes: { B: 'AA==' } }],
  ['a version without an end', { version: { N: '9'.repeat(38) }, bytes: { B: 'AA==' } }],
  ['a version of another type', { version: { S: '1' }, bytes: { B: 'AA==' } }],
  ['no bytes', { version: { N: '1' } }],
])('an item with %s is none of this store', async (_name, Item) => {
  const aws = async () => ({ status: 200, headers: new Headers(), body: { Item } })
  const store = dynamoStore({ aws, table: 't', clock: quickClock(), leftMs: () => 1000 })
  await expect(store.get('keyring/default')).rejects.toMatchObject({ code: 'ERR_RECORD_INVALID' })
})

describe('DynamoDB in trouble', () => {
  let server: DynamoServer
  let faults: Faults
  let table: string
  let clock: ReturnType<typeof quickClock>
  let store: SharedStore
  let direct: SharedStore

  beforeAll(async () => {
    server = await startDynalite()
  })
  afterAll(() => server.close())
  beforeEach(async () => {
    table = await createTable(server.endpoint)
    faults = await faultsBefore(server.endpoint)
    clock = quickClock()
    const aws = signedAws(awsEnvironment(faults.url))
    store = dynamoStore({ aws, table, clock, leftMs: () => Number.POSITIVE_INFINITY })
    direct = storeOn(server.endpoint, table)
  })
  afterEach(() => faults.close())

  it.each([
    ['ProvisionedThroughputExceededException', THROTTLED],
    ['ThrottlingException', { status: 400, type: 'ThrottlingException' }],
    ['a 500', BROKEN],
    ['a 503', { status: 503, type: 'ServiceUnavailable' }],
    ['a cut connection', 'cut' as const],
  ])('gets through %s, with pauses that grow', async (_name, fault) => {
    faults.next('PutItem', fault, fault)
    faults.next('GetItem', fault, fault)
    expect(await store.put('k', bytes(1), 0)).toMatchObject({ version: 1 })
    expect(await store.get('k')).toMatchObject({ version: 1 })
    expect(faults.asked).toEqual(['PutItem', 'PutItem', 'PutItem', 'GetItem', 'GetItem', 'GetItem'])
    expect(clock.slept).toHaveLength(4)
    for (const [index, ms] of clock.slept.entries()) expect(ms).toBeLessThanOrEqual(100 * 2 ** (index % 2))
  })

  it.each([
    ['the connection was cut', 'lost' as const],
    ['the answer was a 500', { ...BROKEN, applied: true as const }],
  ])('knows its own write when it was carried out but %s', async (_name, fault) => {
    await store.put('k', bytes(1), 0)
    faults.asked.length = 0
    faults.next('PutItem', fault)
    expect(await store.put('k', bytes(2), 1)).toEqual({ bytes: bytes(2), version: 2 })
    expect(faults.asked).toEqual(['PutItem', 'PutItem', 'GetItem'])
    expect(await direct.get('k')).toEqual({ bytes: bytes(2), version: 2 })
  })

  it.each([0, 1])('knows its own write of a secret at version %i when the answer was lost', async (isThere) => {
    const parts = { table: await createSecretsTable(server.endpoint), clock, leftMs: () => Number.POSITIVE_INFINITY }
    const items = dynamoItems({ ...parts, aws: signedAws(awsEnvironment(faults.url)) })
    const times = { due: clock.time, expires: clock.time + 1e9 }
    const before = isThere === 0 ? 0 : Number(await items.put('v', 'a', bytes(1), 0, times))
    faults.next('PutItem', 'lost')
    const version = await items.put('v', 'a', bytes(2), before, times)
    expect(await items.get('v', 'a')).toEqual({ bytes: bytes(2), version })
    faults.next('PutItem', 'cut', async () => {
      const others = dynamoItems({ ...parts, aws: signedAws(awsEnvironment(server.endpoint)) })
      await others.put('v', 'a', bytes(9), Number(version), times)
    })
    expect(await items.put('v', 'a', bytes(3), Number(version), times)).toBe('conflict')
  })

  it('knows its own first write when the answer was lost', async () => {
    faults.next('PutItem', 'lost')
    expect(await store.put('k', bytes(1), 0)).toEqual({ bytes: bytes(1), version: 1 })
  })

  it('takes it for a conflict when a write was cut off and somebody else wrote before it came again', async () => {
    await store.put('k', bytes(1), 0)
    faults.next('PutItem', 'cut', async () => void (await direct.put('k', bytes(9), 1)))
    expect(await store.put('k', bytes(2), 1)).toBe('conflict')
    expect(await store.get('k')).toEqual({ bytes: bytes(9), version: 2 })
  })

  it('takes it for a conflict when its write was carried out and somebody else has written since', async () => {
    await store.put('k', bytes(1), 0)
    faults.next('PutItem', 'lost', async () => void (await direct.put('k', bytes(9), 2)))
    expect(await store.put('k', bytes(2), 1)).toBe('conflict')
    expect(await store.get('k')).toEqual({ bytes: bytes(9), version: 3 })
  })

  it('takes a plain refusal of the condition for a conflict without reading', async () => {
    await direct.put('k', bytes(1), 0)
    faults.next('PutItem', THROTTLED)
    expect(await store.put('k', bytes(1), 0)).toBe('conflict')
    expect(faults.asked).toEqual(['PutItem', 'PutItem'])
  })

  it('gives up within its deadline, and says no more than the name of the exception', async () => {
    faults.next('PutItem', ...Array.from({ length: 50 }, () => BROKEN))
    const began = clock.time
    const failing = store.put('k', bytes(1), 0)
    await expect(failing).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: 'DynamoDB cannot be used (InternalServerError).',
    })
    expect(clock.time - began).toBeLessThanOrEqual(5000)
    expect(faults.asked.length).toBeLessThanOrEqual(8)
  })

  it('gives up before the invocation ends', async () => {
    const aws = signedAws(awsEnvironment(faults.url))
    const hurried = dynamoStore({ aws, table, clock, leftMs: () => 150 })
    faults.next('GetItem', ...Array.from({ length: 50 }, () => THROTTLED))
    const began = clock.time
    await expect(hurried.get('k')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    expect(clock.time - began).toBeLessThanOrEqual(150)
  })

  it('asks once when asking again cannot help', async () => {
    faults.next('GetItem', { status: 400, type: 'AccessDeniedException' })
    await expect(store.get('k')).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: 'DynamoDB cannot be used (AccessDeniedException).',
    })
    expect(faults.asked).toEqual(['GetItem'])
  })

  it('does not begin what the invocation has no time for', async () => {
    const aws = signedAws(awsEnvironment(faults.url))
    const late = dynamoStore({ aws, table, clock, leftMs: () => 0 })
    await expect(late.get('k')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    expect(faults.asked).toEqual([])
  })

  describe('a function that was frozen for hours between its read and its write', () => {
    it('decides again with what others wrote meanwhile: no key is lost', async () => {
      const slow = world(['a:1', 'b:2'], store)
      const other = world(['a:1', 'b:2', 'c:3'], direct)
      faults.next('PutItem', async () => {
        slow.clock.time += 5 * HOUR
        clock.time += 5 * HOUR
        await authorityOn(other).sync('default', PLAIN_SYNC)
      })
      expect(await authorityOn(slow).sync('default', PLAIN_SYNC)).toMatchObject({ ok: true })
      const record = await (await keyringOn(world([], direct))).record()
      expect(record?.keys.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
      expect(record?.active).toBe('c')
    })

    it('keeps a removal that happened meanwhile', async () => {
      const slow = world(['a:1', 'b:2'], store)
      await authorityOn(slow).sync('default', PLAIN_SYNC)
      slow.versions = ['a:1', 'b:2', 'c:3']
      faults.next('PutItem', async () => {
        slow.clock.time += 5 * HOUR
        clock.time += 5 * HOUR
        const removed = await authorityOn(world([], direct)).change('default', { op: 'remove', id: 'a', force: true })
        expect(removed).toMatchObject({ ok: true })
      })
      expect(await authorityOn(slow).sync('default', PLAIN_SYNC)).toMatchObject({ ok: true })
      const record = await (await keyringOn(world([], direct))).record()
      expect(record?.keys.map(({ id }) => id)).toEqual(['b', 'c'])
    })

    it('holds no lease any more: another one syncs, and what is due is told by the wall clock', async () => {
      const slow = world(['a:1'], store)
      const other = world(['a:1', 'b:2'], direct)
      faults.next('PutItem', 'pass', async () => {
        other.clock.time = slow.clock.time += HOUR
        clock.time += HOUR
        expect(await authorityOn(other).syncIfDue('default')).toMatchObject({ value: 'synced' })
      })
      expect(await authorityOn(slow).syncIfDue('default')).toMatchObject({ ok: true })
      const record = await (await keyringOn(world([], direct))).record()
      expect(record?.keys.map(({ id }) => id)).toEqual(['a', 'b'])
    })
  })
})
