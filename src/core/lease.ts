/** One holder at a time for work that everybody wants done once. A lease saves work and protects nothing: what is written decides for itself. */
import type { Bytes } from './bytes.ts'
import { decodeUtf8, utf8 } from './bytes.ts'
import type { Clock, RecordStore } from './ports.ts'

/** How long a lease lasts whose holder has died, in milliseconds. */
export const LEASE_MS = 30_000
/** How long the work under a lease may take, in milliseconds: it ends before the lease does. */
export const LEASED_WORK_MS = 20_000

/** 'held' = somebody else has the lease, or took it first. */
export async function underLease<T>(
  store: RecordStore,
  clock: Clock,
  name: string,
  work: () => Promise<T>,
): Promise<T | 'held'> {
  const item = `lease/${name}`
  const stored = await store.get(item)
  if (stored !== null && untilOf(stored.bytes) > clock.now()) return 'held'
  const taken = await store.put(item, lease(clock.now() + LEASE_MS), stored?.version ?? 0)
  if (taken === 'conflict') return 'held'
  try {
    return await work()
  } finally {
    await store.put(item, lease(0), taken.version).catch(() => {})
  }
}

const lease = (until: number): Bytes => utf8(JSON.stringify({ until }))

/** A lease that cannot be read counts as run out, since it protects nothing. */
function untilOf(bytes: Bytes): number {
  const until = /^\{"until":(\d{1,16})\}$/.exec(decodeUtf8(bytes) ?? '')?.[1]
  return Number(until ?? 0)
}
