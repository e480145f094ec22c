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
    pruneTrouble(record, observation, rules, 1)
  if (trouble !== null) throw refusedRotation(record.keyring, trouble)
}

/** Rotations that are left until one would prune what must not go; at most as many as there are versions kept. */
export function rotationsLeft(record: KeyringRecord, observation: Observation, rules: WriteRules): number {
  const kept = keptVersions(observation, rules)
  return observation.versions.reduce((left, { version }) => {
    const writes = Math.max(1, version - observation.current + kept)
    return writes <= left && versionTrouble(record, observation, version, rules, writes) !== null ? writes - 1 : left
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
      remedy: 'Sync; if the source stays behind, look for a standby that lags or a backup that was restored.',
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

/** Of what so many writes would prune, and must not, the lowest version. */
function pruneTrouble(record: KeyringRecord, observation: Observation, rules: WriteRules, writes: number) {
  for (const { version } of observation.versions) {
    const trouble = versionTrouble(record, observation, version, rules, writes)
    if (trouble !== null) return trouble
  }
  return null
}

function versionTrouble(
  record: KeyringRecord,
  observation: Observation,
  version: number,
  rules: WriteRules,
  writes: number,
): Trouble | null {
  const last = observation.current + writes - keptVersions(observation, rules)
  const state = observation.versions.find((each) => each.version === version)?.state
  if (version > last || state === 'destroyed') return null
  const what =
    state === 'deleted'
      ? 'is deleted, and could be undeleted'
      : contentTrouble(record, observation, version, last, rules)
  if (what === null) return null
  return {
    why: `Vault would prune version ${version}, which ${what}`,
    remedy: `Raise max_versions of the secret, destroy version ${version} if nobody needs it, or read it first; KEYRING_ROTATION_PRUNE=held lets go of versions whose key is held here.`,
  }
}

function contentTrouble(
  record: KeyringRecord,
  { versions }: Observation,
  version: number,
  last: number,
  { prunesHeld }: WriteRules,
): string | null {
  const skipped = record.skipped.find(({ v }) => v === version)
  if (skipped !== undefined) return skipped.why === 'collision' ? 'has a key whose id is taken' : null
  const entry = record.keys.find(({ inc, v }) => inc === undefined && v.includes(version))
  if (entry === undefined) return 'has not been read'
  const stays = versions.some(
    (other) => other.version > last && other.state === 'readable' && entry.v.includes(other.version),
  )
  return stays || prunesHeld ? null : `has the key "${entry.id}": this keyring would be its only copy`
}
