/** One holder at a time for work that everybody wants done once. A lease saves work and protects nothing: what is written decides for itself. */
import type { Bytes } from './bytes.ts'
import { decodeUtf8, utf8 } from './bytes.ts'
import type { Clock, RecordStore } from './ports.ts'
import type { Doubt } from './time.ts'
import { isBeyond } from './time.ts'

/** How long a lease lasts whose holder has died, in milliseconds. */
export const LEASE_MS = 30_000
/** How long the work under a lease may take, in milliseconds: it ends before the lease does. */
export const LEASED_WORK_MS = 20_000

interface LeaseParts {
  readonly store: RecordStore
  readonly clock: Clock
  readonly doubt: Doubt
}

/** 'held' = somebody else has the lease, or took it first. */
export async function underLease<T>(
  { store, clock, doubt }: LeaseParts,
  name: string,
  work: () => Promise<T>,
): Promise<T | 'held'> {
  const item = `lease/${name}`
  const stored = await store.get(item)
  if (stored !== null && isLive(untilOf(stored.bytes), clock.now(), doubt)) return 'held'
  const taken = await store.put(item, lease(clock.now() + LEASE_MS), stored?.version ?? 0)
  if (taken === 'conflict') return 'held'
  try {
    return await work()
  } finally {
    await store.put(item, lease(0), taken.version).catch(() => {})
  }
}

/** A lease that lasts longer than any was taken by a wrong clock, and is none. */
function isLive(until: number, now: number, doubt: Doubt): boolean {
  const isFalse = isBeyond(until, LEASE_MS, now)
  if (isFalse) doubt('lease')
  return until > now && !isFalse
}

const lease = (until: number): Bytes => utf8(JSON.stringify({ until }))

/** A lease that cannot be read counts as run out, since it protects nothing. */
function untilOf(bytes: Bytes): number {
  const until = /^\{"until":(\d{1,16})\}$/.exec(decodeUtf8(bytes) ?? '')?.[1]
  return Number(until ?? 0)
}
