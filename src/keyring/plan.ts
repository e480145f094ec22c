/** What a sync has to read: a pure decision. */
import { KeyringError } from '../core/errors.ts'
import type { Observation, SourceId } from '../core/ports.ts'
import type { KeyringRecord } from './record.ts'

export interface SyncRequest {
  readonly keyring: string
  /** `null` = never synced. */
  readonly record: KeyringRecord | null
  readonly source: SourceId
  /** `null` = there is no such secret. */
  readonly observation: Observation | null
  readonly force: boolean
  readonly adopt: boolean
  /** New versions to read at most. */
  readonly batch: number
}

export interface SyncPlan {
  /** What the reads are applied to. */
  readonly base: KeyringRecord
  readonly observation: Observation
  /** The active key whose source is left: it stops at the commit. `null` = none. */
  readonly stops: string | null
  /** The source is behind what it has shown before (a standby serves old reads): nothing follows from it. */
  readonly behind: boolean
  /** The current version comes first, and the others ascend. */
  readonly read: readonly number[]
  readonly remaining: number
}

/** When the current version was written, in milliseconds since 1970; `null` = there is none, or the source does not say. */
export const writtenMs = ({ versions }: Observation): number | null => versions.at(-1)?.createdMs ?? null

/** @throws `ERR_SOURCE_NOT_FOUND`, `ERR_SOURCE_CHANGED`, `ERR_SOURCE_RECREATED`: the record stays as it is. */
export function planSync(request: SyncRequest): SyncPlan {
  const { observation, batch, force } = request
  if (observation === null) throw sourceError('ERR_SOURCE_NOT_FOUND', request, 'There is no secret at')
  const known = baseOf(request, observation)
  const isBack = observation.current < highestRead(known)
  const base = force ? readAnew(isBack ? rewind(known) : known) : known
  const behind = isBack && !force
  const unread = behind ? [] : unreadVersions(base, observation)
  return {
    base,
    observation,
    stops: base.active === null ? (request.record?.active ?? null) : null,
    behind,
    read: unread.slice(0, batch),
    remaining: Math.max(0, unread.length - batch),
  }
}

function baseOf(request: SyncRequest, observation: Observation): KeyringRecord {
  const { keyring, record, source, force, adopt } = request
  if (record === null) return blank(keyring, source, observation)
  if (!sameSource(record.source, source)) {
    if (adopt) return detach(request, record, observation)
    throw sourceError('ERR_SOURCE_CHANGED', request, 'The keyring was synced from another source than')
  }
  const isSame = record.incarnation === observation.incarnation
  if (isSame && !isWrittenAgain(record, observation)) return record
  if (force || adopt) return isSame ? rewind(record) : detach(request, record, observation)
  const what = isSame ? 'Versions that are held were written again at' : 'The secret was deleted and made again at'
  throw sourceError('ERR_SOURCE_RECREATED', request, what)
}

/** A source that was put back to an older state has numbers once more: a key was created with one of its versions, and with none that is there. */
function isWrittenAgain({ keys }: KeyringRecord, { versions }: Observation): boolean {
  const times = new Map(versions.map(({ version, createdMs }) => [version, createdMs]))
  return keys.some(
    ({ inc, v, created }) => inc === undefined && v.every((each) => (times.get(each) ?? created) !== created),
  )
}

const blank = (keyring: string, source: SourceId, observation: Observation): KeyringRecord => ({
  keyring,
  revision: 0,
  sealed: 0,
  source,
  incarnation: observation.incarnation,
  highest: 0,
  active: null,
  keys: [],
  skipped: [],
  tombstones: [],
  lost: 0,
})

/** A new incarnation begins; the keys of the earlier one stay, for decryption only. */
function detach({ keyring, source }: SyncRequest, record: KeyringRecord, observation: Observation): KeyringRecord {
  const keys = record.keys.map((entry) => ({ ...entry, inc: entry.inc ?? record.incarnation }))
  const fresh = blank(keyring, source, observation)
  return { ...record, ...fresh, revision: record.revision, sealed: record.sealed, keys, tombstones: record.tombstones }
}

/** The operator accepts that it went back: whatever number is there may have come again with another key, so that all are read anew and attached again. */
function rewind(record: KeyringRecord): KeyringRecord {
  return {
    ...record,
    keys: record.keys.map((entry) => ({ ...entry, inc: entry.inc ?? record.incarnation })),
    skipped: [],
  }
}

/**
 * A forced sync reads again what gave no key, because one bad answer was enough to skip it; what was removed stays so. These
 * versions count as unread from now on, so that a plain sync goes on where a batch ends.
 */
function readAnew(record: KeyringRecord): KeyringRecord {
  return { ...record, skipped: record.skipped.filter(({ why }) => why === 'removed') }
}

function unreadVersions(base: KeyringRecord, observation: Observation): number[] {
  const known = knownVersions(base)
  const readable = observation.versions.filter(({ version, state }) => state === 'readable' && !known.has(version))
  const ascending = readable.map(({ version }) => version).sort((a, b) => a - b)
  const rest = ascending.filter((version) => version !== observation.current)
  return rest.length < ascending.length ? [observation.current, ...rest] : rest
}

/**
 * What was read was there: a source that shows less is behind. The record's `highest` proves nothing, because one bad answer
 * is enough to set it.
 */
const highestRead = (record: KeyringRecord): number =>
  [...knownVersions(record)].reduce((highest, version) => Math.max(highest, version), 0)

/** Versions of the current incarnation that need no reading any more. */
export function knownVersions(record: Pick<KeyringRecord, 'keys' | 'skipped'>): Set<number> {
  const held = record.keys.flatMap((entry) => (entry.inc === undefined ? entry.v : []))
  return new Set([...held, ...record.skipped.map(({ v }) => v)])
}

export function sameSource(a: SourceId, b: SourceId): boolean {
  return (['kind', 'address', 'namespace', 'mount', 'path'] as const).every((field) => a[field] === b[field])
}

function sourceError(
  code: 'ERR_SOURCE_NOT_FOUND' | 'ERR_SOURCE_CHANGED' | 'ERR_SOURCE_RECREATED',
  request: SyncRequest,
  what: string,
): KeyringError {
  const { mount, path, address } = request.source
  return new KeyringError(code, `${what} ${mount}/${path}; the keyring stays as it is.`, {
    facts: { keyring: request.keyring, mount, path, address },
  })
}
