/** The replica in Workers KV: sealed records, and nothing else. It has no compare-and-set, and is stale by a minute or more. */
import { within } from '../../src/core/deadline.ts'
import { replicaLine } from '../../src/core/lines.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import type { Replica } from '../../src/core/ports.ts'
import { REPLICA_CACHE_SECONDS, REPLICA_MS } from './limits.ts'

/** What is used of a `KVNamespace`. */
export interface Kv {
  get(name: string, options: { type: 'arrayBuffer'; cacheTtl: number }): Promise<ArrayBuffer | null>
  put(name: string, bytes: Bytes): Promise<void>
}

/** @param log is told what KV refused, by the name of the error alone. */
export function kvReplica(kv: Kv, log: (line: string) => void): Replica {
  const best = async <T>(work: 'get' | 'set', name: string, answer: () => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await within(REPLICA_MS, answer())
    } catch (error) {
      log(replicaLine(work, name, error))
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
          return held && new Uint8Array(held)
        },
        null,
      ),
    set: (name, bytes) =>
      best(
        'set',
        name,
        async () => {
          await kv.put(name, bytes)
          return true
        },
        false,
      ),
  }
}
