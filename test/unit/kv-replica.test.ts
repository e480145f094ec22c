import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Kv } from '../../functions/cloudflare/kv-replica.ts'
import { kvReplica } from '../../functions/cloudflare/kv-replica.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { MAX_RECORD_BYTES } from '../../src/core/limits.ts'

const BYTES = new Uint8Array([1, 2, 3])
const never = <T>() => new Promise<T>(() => {})
const refused = () => Promise.reject(new Error('KV failed: 500 canary'))

/** A namespace in memory, and what was asked of it. */
function setUp(more: Partial<Kv> = {}) {
  const held = new Map<string, Bytes>()
  const options: unknown[] = []
  const lines: string[] = []
  const kv: Kv = {
    async get(name, given) {
      options.push(given)
      return held.get(name)?.buffer ?? null
    },
    async put(name, bytes) {
      held.set(name, bytes.slice())
    },
    ...more,
  }
  return { replica: kvReplica(kv, (line) => lines.push(line)), held, options, lines }
}

describe('the replica in Workers KV', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('gives back what it took, and asks KV to cache it for no longer than the 30 s that it insists on', async () => {
    const { replica, options, lines } = setUp()
    expect(await replica.get('keyring/default')).toBeNull()
    expect(await replica.set('keyring/default', BYTES)).toBe(true)
    expect(await replica.get('keyring/default')).toEqual(BYTES)
    expect(options.at(-1)).toEqual({ type: 'arrayBuffer', cacheTtl: 30 })
    expect(lines).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('has KV forget what has a life, which is a minute at least, and keep the rest', async () => {
    const puts: unknown[] = []
    const kv: Kv = { get: async () => null, put: async (...given) => void puts.push(given.slice(2)) }
    for (const lifeMs of [null, 1, 604_800_001]) await kvReplica(kv, () => {}, lifeMs).set('x', BYTES)
    expect(puts).toEqual([[], [{ expirationTtl: 60 }], [{ expirationTtl: 604_801 }]])
  })

  it("gives no more of an item than a record can have: longer ones are nobody's", async () => {
    const { replica, held } = setUp()
    held.set('keyring/default', new Uint8Array(25 * 1024 * 1024))
    expect((await replica.get('keyring/default'))?.length).toBe(MAX_RECORD_BYTES + 1)
    const longest = new Uint8Array(MAX_RECORD_BYTES)
    held.set('keyring/default', longest)
    expect(await replica.get('keyring/default')).toEqual(longest)
  })

  it('that refuses says so, and does not throw; the log has the name of the error and not its text', async () => {
    const { replica, lines } = setUp({ get: refused, put: refused })
    expect([await replica.get('keyring/default'), await replica.set('keyring/default', BYTES)]).toEqual([null, false])
    expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
      { level: 'warn', replica: 'get', record: 'keyring/default', error: 'Error' },
      { level: 'warn', replica: 'set', record: 'keyring/default', error: 'Error' },
    ])
    expect(lines.join()).not.toContain('canary')
  })

  it('that throws at once is the same; a defect is named in the log as one, without its text', async () => {
    const { replica, lines } = setUp({
      get: () => {
        throw new TypeError('canary')
      },
    })
    expect(await replica.get('keyring/default')).toBeNull()
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'error', request: 'replica get', defect: 'TypeError' })
    expect(lines.join()).not.toContain('canary')
  })

  it('that does not answer is waited for as long as a request can stand it', async () => {
    const { replica, lines } = setUp({ get: never, put: never })
    const both = Promise.all([replica.get('keyring/default'), replica.set('keyring/default', BYTES)])
    await vi.advanceTimersByTimeAsync(2000)
    expect(await both).toEqual([null, false])
    expect(lines).toHaveLength(2)
    expect(lines[0]).toContain('TimeoutError')
  })
})
