/** What docs/costs.md counts is what the code does, on the real authority with ports that count. */
import { describe, expect, it } from 'vitest'
import { FRESHNESS } from '../../functions/cloudflare/limits.ts'
import { FRESHNESS as LAMBDA_FRESHNESS } from '../../functions/lambda/limits.ts'
import { unwrap } from '../../src/core/errors.ts'
import type { Replica } from '../../src/core/ports.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { COUNTED, PRICES } from '../../tools/costs-doc.ts'
import { PLAIN_SYNC, authorityOn, keyringOn, world } from '../support/authority.ts'

const MINUTE = 60_000

/** A deployment after its first look. @param isOnWorkers it has a replica. */
async function deployment(isOnWorkers: boolean) {
  const counts = { reads: 0, writes: 0, records: 0, copies: 0, copied: 0, calls: 0 }
  const inner = memoryStore()
  const store: typeof inner = {
    ...inner,
    get: (name) => ((counts.reads += 1), inner.get(name)),
    put: (name, bytes, expected) => {
      counts.writes += 1
      if (name.startsWith('keyring/')) counts.records += 1
      return inner.put(name, bytes, expected)
    },
  }
  const held = new Map<string, Uint8Array<ArrayBuffer>>()
  const replica: Replica = {
    get: async (name) => ((counts.copies += 1), held.get(name) ?? null),
    set: async (name, bytes) => ((counts.copied += 1), held.set(name, bytes), true),
  }
  const on = { ...world(['a:1']), store, ...(isOnWorkers && { replica }) }
  const authority = authorityOn(on)
  const look = async () => {
    on.clock.time += MINUTE
    return unwrap(await authority.syncIfDue('default'))
  }
  await look()
  await look()
  const cold = () =>
    keyringOn(
      on,
      undefined,
      { call: (message) => ((counts.calls += 1), authority.call(message)) },
      { replica: isOnWorkers ? replica : null, freshness: isOnWorkers ? FRESHNESS : LAMBDA_FRESHNESS },
    )
  /** What is counted meanwhile. */
  const counted = async (work: () => Promise<unknown>) => {
    const sofar = () => ({ ...counts, vault: on.asked.length })
    const before = sofar()
    await work()
    const names = Object.keys(before) as (keyof typeof before)[]
    const after = sofar()
    return Object.fromEntries(names.map((name) => [name, after[name] - before[name]]))
  }
  return { on, authority, look, cold, counted }
}

describe.each(['workers', 'lambda'] as const)('costs on %s', (platform) => {
  const counts = COUNTED[platform]
  const isOnWorkers = platform === 'workers'

  it('count a day of looks, with its syncs and the daily seal', async () => {
    const { look, counted } = await deployment(isOnWorkers)
    const day = await counted(async () => {
      for (let minute = 0; minute < 1440; minute += 1) await look()
    })
    expect(day).toEqual(counts.day)
  })

  it('count a look at which nothing is due, and a sync that finds nothing new', async () => {
    const { authority, look, counted } = await deployment(isOnWorkers)
    expect(await counted(look)).toEqual(counts.look)
    expect(await counted(() => authority.sync('default', PLAIN_SYNC))).toEqual(counts.sync)
  })

  it('count a rotation', async () => {
    const { authority, counted } = await deployment(isOnWorkers)
    expect(await counted(() => authority.call({ call: 'rotate', keyring: 'default', dryRun: false }))).toEqual(
      counts.rotation,
    )
  })

  it('count what an instance reads before it encrypts: at first, and not again for a minute', async () => {
    const { on, cold, counted } = await deployment(isOnWorkers)
    const keyring = await cold()
    const encrypt = async () => keyring.encrypt(new Uint8Array(4), new Uint8Array())
    expect(await counted(encrypt)).toEqual(counts.refresh)
    on.clock.time += MINUTE - 1
    expect(Object.values(await counted(encrypt)).every((count) => count === 0)).toBe(true)
  })

  it('count a list', async () => {
    const { cold, counted } = await deployment(isOnWorkers)
    const keyring = await cold()
    await keyring.encrypt(new Uint8Array(4), new Uint8Array())
    expect(await counted(async () => keyring.record())).toEqual(counts.list)
  })
})

it('six keyrings with a stamp each stay below the writes to Workers KV of a free plan', () => {
  expect(6 * COUNTED.workers.day.copied).toBeLessThan(PRICES.cloudflare.kvWrites.free)
})
