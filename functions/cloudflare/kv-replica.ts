/** The replica in Workers KV: sealed records and copies of sealed secrets, and nothing else. It has no compare-and-set, and is stale by a minute or more. */
import { within } from '../../src/core/deadline.ts'
import { defectLine, replicaLine } from '../../src/core/lines.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { MAX_RECORD_BYTES } from '../../src/core/limits.ts'
import { isOfProgram } from '../../src/core/network.ts'
import type { Replica } from '../../src/core/ports.ts'
import { REPLICA_CACHE_SECONDS, REPLICA_MS } from './limits.ts'

/** What is used of a `KVNamespace`. */
export interface Kv {
  get(name: string, options: { type: 'arrayBuffer'; cacheTtl: number }): Promise<ArrayBuffer | null>
  put(name: string, bytes: Bytes, options?: { expirationTtl: number }): Promise<void>
}

/** KV takes no less, in seconds. */
const LEAST_LIFE_S = 60

/**
 * A defect costs the copy alone, as an outage does.
 * @param log is told of both, and which it was.
 * @param lifeMs KV forgets what was written so long ago. `null` = it keeps it.
 */
export function kvReplica(kv: Kv, log: (line: string) => void, lifeMs: number | null = null): Replica {
  const options =
    lifeMs === null ? [] : ([{ expirationTtl: Math.max(LEAST_LIFE_S, Math.ceil(lifeMs / 1000)) }] as const)
  const best = async <T>(work: 'get' | 'set', name: string, answer: () => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await within(REPLICA_MS, answer())
    } catch (error) {
      log(isOfProgram(error) ? defectLine(error, `replica ${work}`) : replicaLine(work, name, error))
      return otherwise
    }
  }
  return {
    get: (name) =>
      best(
        'get',
        name,
        async () => {
          const held = await kv.get(name, { type: 'arrayBuffer', cacheTtl: REPLICA_CACHE_SECONDS })
          // What is longer than a record is nobody's: cut, its MAC does not hold, and nobody reads on for nothing.
          return held && new Uint8Array(held, 0, Math.min(held.byteLength, MAX_RECORD_BYTES + 1))
        },
        null,
      ),
    set: (name, bytes) =>
      best(
        'set',
        name,
        async () => {
          await kv.put(name, bytes, ...options)
          return true
        },
        false,
      ),
  }
}
