/** Decides how old may be what an instance goes by; `snapshot.ts` tells the whole story. */
import type { SharedStore } from '../core/ports.ts'
import { CLOCK_SLACK_MS, ageOf } from '../core/time.ts'

/** How far away the authority is, as the platform sets it, in milliseconds. */
export interface Freshness {
  /** A snapshot younger than this is used as it is. */
  readonly freshMs: number
  /** Up to this age it is used and refreshed in the background; equal to `freshMs` where nothing runs in the background. Nobody encrypts by an older one. */
  readonly backgroundMs: number
  /** Between two refreshes that requests cause; 0 = the authority is in this process. */
  readonly pauseMs: number
}

/** How old may be what is read, in milliseconds. */
export interface Ages {
  /** A copy of a replica counts while its stamp is not older. */
  readonly stampMs: number
  /** A record that was sealed longer ago is not used from a replica, and used with a warning from the authority. */
  readonly recordMs: number
}

type Use = 'as-it-is' | 'and-refresh' | 'after-refresh'

/** @param age since the last check. @param started since a refresh began; who comes in the pause uses what there is. */
export function useOf(
  { freshMs, backgroundMs, pauseMs }: Freshness,
  isHeld: boolean,
  age: number,
  started: number,
): Use {
  // That there is nothing is soon looked at again: somebody is waiting for the first sync.
  if (age < (isHeld ? freshMs : Math.min(freshMs, pauseMs))) return 'as-it-is'
  if (isHeld && started < pauseMs) return 'as-it-is'
  return isHeld && age < backgroundMs ? 'and-refresh' : 'after-refresh'
}

/** A period shorter than this, or none, counts as this, in milliseconds. */
const LEAST_PERIOD_MS = 600_000
/** A record is sealed anew when it is this old, in milliseconds, so that its age says whether anybody looks after it. */
const RESEAL_MS = 24 * 60 * 60 * 1000

/** A sync period as everything else counts it. `null` = there are no syncs by themselves. */
export const countedPeriodMs = (syncPeriodMs: number | null): number => Math.max(syncPeriodMs ?? 0, LEAST_PERIOD_MS)

/** A stamp counts for two periods. */
export const replicaAgeMs = (syncPeriodMs: number | null): number => 2 * countedPeriodMs(syncPeriodMs)

/**
 * How long after it stopped being active some instance may still encrypt with a key: as long as the slowest reader of the store
 * goes on with what it has, and 30 s, for work under way and because clocks differ.
 */
export const encryptBoundMs = ({ readersMs }: Pick<SharedStore, 'readersMs'>): number => readersMs + CLOCK_SLACK_MS

export const isDueForReseal = (sealed: number, now: number): boolean => ageOf(sealed, now) >= RESEAL_MS
