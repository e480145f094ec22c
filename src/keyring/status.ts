/** The small record beside the keyring: what happened at the last attempts to sync, and what the replica holds. */
import { parseJson } from '../core/body.ts'
import type { SyncStatus } from '../core/operations.ts'
import type { Clock, LoginItemsUnder, ReadableStore } from '../core/ports.ts'
import type { Doubt } from '../core/time.ts'
import { isAhead } from '../core/time.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { replicaAgeMs } from './freshness.ts'
import { isCount, isTime, statusName, statusText } from './last-sync.ts'

const NEVER: StoredStatus = {
  lastAttempt: null,
  lastSuccess: null,
  failures: 0,
  remaining: 0,
  stalled: null,
  failing: null,
  rotation: null,
  pushed: false,
  ahead: null,
  replicated: 0,
  items: null,
  offered: [],
  looked: null,
  refused: [],
}
/** The first wait between two tries while syncs fail, in milliseconds; it doubles each time, up to the period. */
const RETRY_MS = 60_000

export interface StoredStatus extends SyncStatus {
  readonly refused: NonNullable<SyncStatus['refused']>
  /** The revision that was read back of the replica last; 0 = none. */
  readonly replicated: number
  /** What is stored of the Vault login, as it was last looked at. `null` = never. */
  readonly items: LoginItemsUnder | null
  /** Ids that were given to whoever pushes, for keys that nobody has delivered yet. */
  readonly offered: readonly string[]
  /** When the schedule has decided about a rotation last, in milliseconds since 1970; `null` = never. */
  readonly looked: number | null
}

type Tried = Pick<SyncStatus, 'lastAttempt' | 'failures' | 'remaining'>

/** `periodMs` null = nothing is scheduled. */
export function nextTry(status: Tried, periodMs: number | null, now: number): number | null {
  const { lastAttempt, failures, remaining } = status
  if (periodMs === null) return null
  if (lastAttempt === null || (failures === 0 && remaining > 0)) return now
  return lastAttempt + (failures === 0 ? periodMs : Math.min(periodMs, RETRY_MS * 2 ** (failures - 1)))
}

/** When whoever pushes has missed two times. `null` = never; before the first one something else is needed. */
export const silentFrom = ({ pushed, lastSuccess }: SyncStatus, periodMs: number | null): number | null =>
  !pushed || periodMs === null || lastSuccess === null ? null : lastSuccess + replicaAgeMs(periodMs)

export interface StatusParts {
  readonly store: ReadableStore
  readonly clock: Clock
  readonly doubt: Doubt
}

/** What the record says, for whoever does not write it. */
export class StatusReader {
  protected readonly parts: StatusParts
  protected readonly sealers: SealerSet
  protected readonly name: string

  constructor(parts: StatusParts, sealers: SealerSet, keyring: string) {
    this.parts = parts
    this.sealers = sealers
    this.name = statusName(keyring)
  }

  /** A status that cannot be read, for whatever reason, counts as never written: it decides over nothing that a wait would not heal. */
  async read(): Promise<StoredStatus> {
    const { store, clock, doubt } = this.parts
    const stored = await store.get(this.name)
    if (stored === null) return NEVER
    const status = parseStatus(await statusText(this.sealers, stored), () => doubt('unread'))
    const believed = withTrueTimes(status, clock.now())
    if (believed !== status) doubt('status')
    return believed
  }
}

/** @param unread hears of a part that has what no release writes there: that one alone counts as never written. What is not known is kept. */
function parseStatus(text: string, unread: () => void): StoredStatus {
  const fields = parseJson(text)
  const status: StoredStatus = { ...NEVER, ...(isObject(fields) ? fields : unread()) }
  const wrong = PARTS.filter(([part, is]) => !is(status[part]))
  if (wrong.length > 0) unread()
  return { ...status, ...Object.fromEntries(wrong.map(([part]) => [part, NEVER[part]])) }
}

type Check = (value: unknown) => boolean

const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value)

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const hasTexts = (value: Readonly<Record<string, unknown>>, ...fields: readonly string[]): boolean =>
  fields.every((field) => typeof value[field] === 'string')

const isTexts: Check = (value) => Array.isArray(value) && value.every((each) => typeof each === 'string')

const isFailing: Check = (value) =>
  isObject(value) && isTime(value['since']) && hasTexts(value, 'code', 'message', 'remedy') && isObject(value['facts'])

const isStalled: Check = (value) =>
  isObject(value) &&
  isTime(value['since']) &&
  isCount(value['version']) &&
  (value['code'] === 'active-unusable' || value['code'] === 'source-behind')

const isRotation: Check = (value) =>
  isObject(value) &&
  ['last', 'next'].every((field) => orNull(isTime)(value[field])) &&
  orNull(isCount)(value['left']) &&
  orNull(isFailing)(value['failing'])

const isAheadOf: Check = (value) =>
  isObject(value) &&
  [value['time'], value['said']].every(isTime) &&
  Array.isArray(value['ends']) &&
  value['ends'].every((end) => isObject(end) && hasTexts(end, 'what', 'words', 'remedy') && isTime(end['at']))

const PARTS: readonly (readonly [keyof StoredStatus, Check])[] = [
  ['lastAttempt', orNull(isTime)],
  ['lastSuccess', orNull(isTime)],
  ['looked', orNull(isTime)],
  ['failures', isCount],
  ['remaining', isCount],
  ['replicated', isCount],
  ['pushed', (value) => typeof value === 'boolean'],
  ['offered', Array.isArray],
  ['refused', isTexts],
  ['failing', orNull(isFailing)],
  ['stalled', orNull(isStalled)],
  ['rotation', orNull(isRotation)],
  ['ahead', orNull(isAheadOf)],
]

/** A sync that was tried in the future is due now, and what began then began now. */
function withTrueTimes(status: StoredStatus, now: number): StoredStatus {
  const { lastAttempt, lastSuccess, failing, stalled } = status
  const isFalse = (time: number | null | undefined) => isAhead(time ?? now, now)
  if (![lastAttempt, lastSuccess, failing?.since, stalled?.since].some(isFalse)) return status
  return {
    ...status,
    lastAttempt: isFalse(lastAttempt) ? null : lastAttempt,
    lastSuccess: isFalse(lastSuccess) ? null : lastSuccess,
    failing: failing && { ...failing, since: Math.min(failing.since, now) },
    stalled: stalled && { ...stalled, since: Math.min(stalled.since, now) },
  }
}
