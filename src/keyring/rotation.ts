/** What a rotation may write: pure decisions. */
import { KeyringError } from '../core/errors.ts'
import { MAX_RECORD_BYTES } from '../core/limits.ts'
import type { Observation } from '../core/ports.ts'
import { knownVersions } from './plan.ts'
import type { KeyringRecord } from './record.ts'

/** Vault keeps so many versions where neither mount nor secret says how many. */
const DEFAULT_KEPT = 10
/** A key with the longest id, and the intent beside it. */
const ROOM_BYTES = 700

/** Who asks for it: the schedule, or somebody who knew this version as the current one. */
export type RotationAsk =
  | { readonly by: 'schedule'; readonly dryRun: false }
  | { readonly by: 'hand'; readonly known: number; readonly dryRun: boolean }

export interface WriteRules {
  /** Versions that the mount keeps; 0 = it does not say. */
  readonly mountKeeps: number
  /** A version whose key is held may be pruned. */
  readonly prunesHeld: boolean
}

/**
 * Whether the next version may be written, with what was observed just now.
 * @throws `ERR_ROTATION_REFUSED`.
 */
export function refuseUnsafeWrite(record: KeyringRecord, observation: Observation, size: number, rules: WriteRules) {
  const trouble =
    stepTrouble(record, observation) ??
    (size + ROOM_BYTES > MAX_RECORD_BYTES ? ROOM : null) ??
    pruneTrouble(record, observation, rules)
  if (trouble !== null) throw refusedRotation(record.keyring, trouble)
}

/** Rotations that are left until one would prune what must not go; at most as many as there are versions kept. */
export function rotationsLeft(record: KeyringRecord, observation: Observation, rules: WriteRules): number {
  const kept = keptVersions(observation, rules)
  const troubleOf = pruning(record, observation, rules)
  return observation.versions.reduce((left, seen) => {
    const writes = Math.max(1, seen.version - observation.current + kept)
    return writes <= left && troubleOf(seen, writes) !== null ? writes - 1 : left
  }, kept)
}

interface Trouble {
  readonly why: string
  readonly remedy: string
}

export function refusedRotation(keyring: string, { why, remedy }: Trouble): KeyringError {
  return new KeyringError('ERR_ROTATION_REFUSED', `Keyring "${keyring}" was not rotated: ${why}.`, {
    facts: { keyring },
    remedy,
  })
}

const ROOM: Trouble = {
  why: 'its record has no room for another key',
  remedy: 'Remove keys that no value needs.',
}

/** What is written must follow what is held. */
function stepTrouble(record: KeyringRecord, { incarnation, current, versions }: Observation): Trouble | null {
  if (record.incarnation !== incarnation || record.highest !== current)
    return {
      why: `the source shows version ${current}, and version ${record.highest} is held`,
      remedy:
        'Sync; if the source stays behind, look for a standby that lags; if it was put back on purpose, sync with {"force": true}.',
    }
  const active = record.keys.find(({ id }) => id === record.active)
  if (active?.inc === undefined && active?.v.includes(current)) return null
  const isThere = versions.some(({ version, state }) => version === current && state === 'readable')
  const isHeld = record.keys.some(({ inc, v, compromised }) => inc === undefined && !compromised && v.includes(current))
  if (isHeld && isThere)
    return {
      why: `version ${current} is not active yet`,
      remedy: 'Wait as long as KEYRING_ROTATION_DELAY says, then rotate again.',
    }
  return isThere && !knownVersions(record).has(current)
    ? { why: `version ${current} has not been read`, remedy: 'Sync, then rotate again.' }
    : null
}

const keptVersions = ({ keeps }: Observation, { mountKeeps }: WriteRules): number =>
  Math.max(keeps, mountKeeps) || DEFAULT_KEPT

/** Of what one write would prune, and must not, the lowest version. */
function pruneTrouble(record: KeyringRecord, observation: Observation, rules: WriteRules): Trouble | null {
  const troubleOf = pruning(record, observation, rules)
  for (const seen of observation.versions) {
    const trouble = troubleOf(seen, 1)
    if (trouble !== null) return trouble
  }
  return null
}

type Seen = Observation['versions'][number]

/** What is against so many writes, for each version that they would prune. A secret may have thousands, which are gone through once. */
function pruning(record: KeyringRecord, observation: Observation, rules: WriteRules) {
  const first = observation.current - keptVersions(observation, rules)
  const skipped = new Map(record.skipped.map(({ v, why }) => [v, why]))
  const holders = new Map(
    record.keys.flatMap((entry) => (entry.inc === undefined ? entry.v.map((version) => [version, entry]) : [])),
  )
  const newest = new Map(
    observation.versions.flatMap(({ version, state }) => {
      const entry = holders.get(version)
      return entry !== undefined && state === 'readable' ? [[entry, version]] : []
    }),
  )
  const contentTrouble = (version: number, last: number): string | null => {
    const why = skipped.get(version)
    if (why !== undefined) return why === 'collision' ? 'has a key whose id is taken' : null
    const entry = holders.get(version)
    if (entry === undefined) return 'has not been read'
    const stays = (newest.get(entry) ?? 0) > last
    return stays || rules.prunesHeld ? null : `has the key "${entry.id}": this keyring would be its only copy`
  }
  return ({ version, state }: Seen, writes: number): Trouble | null => {
    const last = first + writes
    if (version > last || state === 'destroyed') return null
    const what = state === 'deleted' ? 'is deleted, and could be undeleted' : contentTrouble(version, last)
    if (what === null) return null
    return {
      why: `Vault would prune version ${version}, which ${what}`,
      remedy: `Raise max_versions of the secret, destroy version ${version} if nobody needs it, read it first, or set KEYRING_ROTATION_PRUNE=held, if its key is held here.`,
    }
  }
}
