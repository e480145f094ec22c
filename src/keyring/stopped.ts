/** When a key stopped being active, and from when on no instance can still encrypt with it, pure decisions. */
import type { Doubt } from '../core/time.ts'
import { isAhead } from '../core/time.ts'
import type { KeyEntry, KeyringRecord } from './record.ts'

/** How long after it stopped being active some instance may still encrypt with a key. */
export interface EncryptBound {
  /** In milliseconds, from when the replica has it, too. */
  readonly ms: number
  /** The revision that the replica has: a new instance begins with that. `null` = there is no replica. */
  readonly replicated: number | null
}

/** It stops with the next put of the record; the revision of that put is stored where it does not follow from the time. */
export const stopping = (entry: KeyEntry, { revision }: Pick<KeyringRecord, 'revision'>, now: number): KeyEntry => ({
  ...entry,
  stopped: now,
  ...(revision >= now && { rev: revision + 1 }),
})

export function running(entry: KeyEntry): KeyEntry {
  const { stopped: _, rev: __, ...rest } = entry
  return rest
}

/** A key that stopped in the future stopped now, as far as anybody knows, and stays so: else it could not be removed until then. */
export function believedStops(record: KeyringRecord, now: number, doubt: Doubt): KeyringRecord {
  const isFalse = ({ stopped }: KeyEntry) => stopped !== undefined && isAhead(stopped, now)
  if (!record.keys.some(isFalse)) return record
  doubt('stopped')
  const keys = record.keys.map((entry) =>
    isFalse(entry) ? { ...entry, stopped: now, rev: stopRevision(entry) } : entry,
  )
  return { ...record, keys }
}

export function removableFrom(entry: KeyEntry, now: number, { ms, replicated }: EncryptBound): number {
  const { stopped = Number.NEGATIVE_INFINITY } = entry
  return (replicated !== null && replicated < stopRevision(entry) ? now : stopped) + ms
}

/** Revisions are not below the milliseconds since 1970. */
const stopRevision = ({ stopped = Number.NEGATIVE_INFINITY, rev = stopped }: KeyEntry): number => rev
