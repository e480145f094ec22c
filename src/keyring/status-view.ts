/** The status of a keyring for people: what there is, what is wrong since when, what is needed now. */
import type { End } from '../core/ends.ts'
import { isNeeded } from '../core/ends.ts'
import type { Warning } from '../core/warnings.ts'
import { warningsOf } from '../core/warnings.ts'
import type { KeyringErrorCode } from '../core/errors.ts'
import { REMEDIES, ofPush, remedyFor } from '../core/errors.ts'
import type { NextTry, Replicated, SealedUnder, SyncStatus } from '../core/operations.ts'
import type { SourceId } from '../core/ports.ts'
import { SERVICE_REMEDIES } from '../core/service-remedies.ts'
import { ageOf } from '../core/time.ts'
import { firstSync } from './no-active-key.ts'
import type { KeyEntry, KeyringRecord } from './record.ts'

interface KeyStatus {
  readonly id: string
  readonly state: 'active' | 'deactivated' | 'compromised'
  readonly source: 'present' | 'deleted' | 'destroyed' | 'pruned' | 'detached'
  readonly versions: readonly number[]
  readonly created: string
  readonly synced: string
  readonly weak: boolean
}

type Needer = 'record' | 'status' | 'token' | 'login' | 'unchecked'

export interface WrappingKeyStatus {
  readonly id: string
  /** The settings of this instance have it. */
  readonly configured: boolean
  /** It seals what is written from now on. */
  readonly first: boolean
  /** What is stored under it; 'unchecked' = nobody has looked at what is stored of the login yet. Empty = it can be dropped, as far as this keyring is concerned. */
  readonly needed_by: readonly Needer[]
}

/** What an instance knows by itself. */
interface Own {
  readonly warning: KeyringErrorCode | null
  readonly wrappingKeyIds: readonly string[]
  readonly ends: readonly End[]
  readonly now: number
}

interface Trouble {
  readonly code: KeyringErrorCode
  readonly message: string
  readonly since: string
}

export interface StatusView {
  readonly keyring: string
  readonly active: string | null
  readonly revision: number | null
  readonly source: SourceId | null
  readonly keys: readonly KeyStatus[]
  readonly skipped: readonly { readonly version: number; readonly why: string }[]
  /** Versions that vanished before they were read. */
  readonly lost: number
  readonly last_attempt: string | null
  readonly last_success: string | null
  readonly last_error: (Trouble & { readonly failures: number }) | null
  /** `null` = nothing is scheduled: a sync happens on request. */
  readonly next_try: string | null
  /** `null` = nobody has rotated here, and nothing is due. */
  readonly rotation: {
    readonly last: string | null
    /** `null` = none is due by itself. */
    readonly next: string | null
    /** Rotations until one would let Vault prune what must not go; `null` = nobody has looked. */
    readonly left: number | null
    readonly last_error: Trouble | null
  } | null
  /** `null` = there is none. */
  readonly replica: Replicated['replica']
  readonly wrapping_keys: readonly WrappingKeyStatus[]
  /** What ends within 30 days, the soonest first. */
  readonly ends: readonly Warning[]
  readonly needed: readonly string[]
}

export function statusView(
  keyring: string,
  record: KeyringRecord | null,
  status: SyncStatus & NextTry & Replicated & SealedUnder,
  { warning, wrappingKeyIds, ends: all, now }: Own,
): StatusView {
  const { failing, failures, rotation } = status
  const keys = wrappingKeysView(status, wrappingKeyIds)
  const ends = warningsOf(all, now)
  return {
    keyring,
    ...recordView(record),
    last_attempt: iso(status.lastAttempt),
    last_success: iso(status.lastSuccess),
    last_error: failing && { ...troubleView(failing), failures },
    next_try: iso(status.nextTry),
    rotation: rotation && {
      last: iso(rotation.last),
      next: iso(rotation.next),
      left: rotation.left,
      last_error: rotation.failing && troubleView(rotation.failing),
    },
    replica: status.replica,
    wrapping_keys: keys,
    ends,
    needed: [
      ...new Set([
        ...needed(keyring, record, status, warning),
        ...neededByLate(status, now),
        ...neededKeys(keys),
        ...(status.refused ?? []),
        ...ends.filter(({ days }) => isNeeded(days)).map(({ detail, remedy }) => `${detail} ${remedy}`),
      ]),
    ],
  }
}

const troubleView = ({ code, message, since }: NonNullable<SyncStatus['failing']>): Trouble => ({
  code,
  message,
  since: new Date(since).toISOString(),
})

export function wrappingKeysView({ sealedUnder }: SealedUnder, configured: readonly string[]): WrappingKeyStatus[] {
  const { record, status, items } = sealedUnder
  const needers = (id: string): Needer[] => [
    ...(record === id ? ['record' as const] : []),
    ...(status === id ? ['status' as const] : []),
    ...(items?.tokens.includes(id) ? ['token' as const] : []),
    ...(items?.logins.includes(id) ? ['login' as const] : []),
    ...(items === null ? ['unchecked' as const] : []),
  ]
  const stored = [record, status, ...(items?.tokens ?? []), ...(items?.logins ?? [])].filter((id) => id !== null)
  return [...new Set([...configured, ...stored])].map((id) => ({
    id,
    configured: configured.includes(id),
    first: id === configured[0],
    needed_by: needers(id),
  }))
}

/** A secret id that does not open any more ends the login: the next one would need it. */
const neededKeys = (keys: readonly WrappingKeyStatus[]): string[] =>
  keys.flatMap(({ id, configured, needed_by: by }) =>
    !configured && by.includes('login')
      ? [`Add the wrapping key "${id}" to KEYRING_WRAPPING_KEYS: the Vault login needs what is sealed under it.`]
      : [],
  )

type RecordView = Pick<StatusView, 'active' | 'revision' | 'source' | 'keys' | 'skipped' | 'lost'>

/** A record is an object of its own in each revision, and whoever may read asks for its status again and again. */
const shown = new WeakMap<KeyringRecord, RecordView>()

function recordView(record: KeyringRecord | null): RecordView {
  if (record === null) return { active: null, revision: null, source: null, keys: [], skipped: [], lost: 0 }
  const known = shown.get(record)
  if (known !== undefined) return known
  const { active, revision, source, lost } = record
  const keys = record.keys.map((entry) => keyStatus(entry, active))
  const skipped = record.skipped.map(({ v, why }) => ({ version: v, why }))
  const made = { active, revision, source, keys, skipped, lost }
  shown.set(record, made)
  return made
}

function keyStatus(entry: KeyEntry, active: string | null): KeyStatus {
  return {
    id: entry.id,
    state: entry.compromised ? 'compromised' : entry.id === active ? 'active' : 'deactivated',
    source: entry.inc === undefined ? (entry.gone ?? 'present') : 'detached',
    versions: entry.v,
    created: new Date(entry.created).toISOString(),
    synced: new Date(entry.synced).toISOString(),
    weak: entry.weak === true,
  }
}

const firstPush = (keyring: string): string =>
  `Push for the first time, from where Vault is reached: edge-keyring push --keyring ${keyring}.`

function needed(
  keyring: string,
  record: KeyringRecord | null,
  status: SyncStatus,
  warning: KeyringErrorCode | null,
): string[] {
  const { failing } = status
  const lines: string[] = []
  if (warning !== null) lines.push(remedyFor(warning))
  if (failing !== null) lines.push(failing.remedy)
  else if (status.rotation?.failing) lines.push(status.rotation.failing.remedy)
  if (record === null) lines.push(status.pushed ? firstPush(keyring) : firstSync(keyring))
  else if (record.active === null) lines.push(REMEDIES.ERR_NO_ACTIVE_KEY)
  // After a failure nobody knows: the next sync that succeeds decides.
  else if (failing === null) lines.push(...neededByStalled(status, record.active))
  const weak = record?.keys.find(({ id, weak }) => weak && id === record.active)
  if (weak)
    lines.push(
      `The active key "${weak.id}" is weak or published: write a version with a random key of 32 bytes, then sync.`,
    )
  return status.pushed ? lines.map(ofPush) : lines
}

/** A schedule looks once a minute; after so many milliseconds it is not late but gone. */
const GONE_MS = 15 * 60_000

/** What the schedule did is not seen either where the status cannot be written. */
function neededByLate({ nextTry }: NextTry, now: number): string[] {
  if (nextTry === null || now - nextTry < GONE_MS) return []
  return [
    `Nothing has been noted since a sync was due at ${new Date(nextTry).toISOString()}: does the schedule run? See its log.`,
  ]
}

/** A standby has caught up after this, in milliseconds. */
const CATCH_UP_MS = 60_000

/** Rotations stop, while every sync succeeds: nobody would hear of it. */
function neededByStalled({ stalled, lastSuccess }: SyncStatus, active: string): string[] {
  if (stalled === null) return []
  const { code, version, since } = stalled
  if (code === 'active-unusable')
    return [
      `Version ${version}, the current one, cannot be used, and "${active}" stays active. ${SERVICE_REMEDIES.ERR_ACTIVE_UNUSABLE}`,
    ]
  // A success before that is one by a clock that went back: how long it lasts is not known.
  if (ageOf(since, lastSuccess ?? since, 0) < CATCH_UP_MS) return []
  return [
    `Vault shows version ${version} as the current one since ${new Date(since).toISOString()}, and a higher one was read before: does a standby lag? If Vault was restored, or that version deleted, sync with {"force": true}.`,
  ]
}

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())
