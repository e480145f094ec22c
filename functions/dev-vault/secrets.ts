/** The secrets that the dev Vault keeps: mounts of KV version 1 and 2, and the life of a version. */
import { goDuration, timeNow } from './time.ts'

export interface Version {
  readonly created: string
  /** The time of its deletion, which may lie in the future; '' = none. */
  deletion: string
  destroyed: boolean
  data: unknown
}

export interface StoredSecret {
  readonly created: string
  updated: string
  current: number
  /** The lowest version that is kept; 0 until one is pruned. */
  oldest: number
  maxVersions: number
  deleteAfterSeconds: number
  casRequired: boolean
  readonly versions: Record<number, Version>
}

export interface Mount {
  readonly version: '1' | '2'
  maxVersions: number
  /** The secrets of a version 1 mount. */
  readonly plain: Map<string, Readonly<Record<string, unknown>>>
  /** The secrets of a version 2 mount. */
  readonly secrets: Map<string, StoredSecret>
}

/** The mounts by name, without slashes at the ends. They are Maps, because a path may be `__proto__`. */
export type Mounts = Map<string, Mount>

/** Vault keeps 10 versions unless it is told otherwise. */
const DEFAULT_MAX_VERSIONS = 10

export const newMount = (version: '1' | '2'): Mount => ({
  version,
  maxVersions: 0,
  plain: new Map(),
  secrets: new Map(),
})

/** The secret at a path, which is made if need be. */
export function secretAt({ secrets }: Mount, path: string, now = timeNow()): StoredSecret {
  const secret = secrets.get(path) ?? newSecret(now)
  secrets.set(path, secret)
  return secret
}

function newSecret(now: string): StoredSecret {
  const settings = { maxVersions: 0, deleteAfterSeconds: 0, casRequired: false }
  return { created: now, updated: now, current: 0, oldest: 0, ...settings, versions: {} }
}

/** A secret that is made by its first version is as old as that, to the digit. */
export function append(mount: Mount, path: string, data: unknown): { number: number; version: Version } {
  const now = timeNow()
  const secret = secretAt(mount, path, now)
  const version = { created: now, deletion: deletionTime(secret), destroyed: false, data }
  secret.current += 1
  secret.updated = now
  secret.versions[secret.current] = version
  prune(mount, secret)
  return { number: secret.current, version }
}

function deletionTime({ deleteAfterSeconds }: StoredSecret): string {
  return deleteAfterSeconds === 0 ? '' : new Date(Date.now() + deleteAfterSeconds * 1000).toISOString()
}

/** A secret's limit below the mount's has no effect. */
function prune(mount: Mount, secret: StoredSecret): void {
  const oldest = secret.current - (Math.max(mount.maxVersions, secret.maxVersions) || DEFAULT_MAX_VERSIONS) + 1
  if (oldest <= 1) return
  for (const version of Object.keys(secret.versions))
    if (Number(version) < oldest) delete secret.versions[Number(version)]
  secret.oldest = oldest
}

export type Mark = 'delete' | 'undelete' | 'destroy'

/** Unknown, pruned and destroyed versions stay as they are. */
export function mark(secret: StoredSecret, how: Mark, number: number): void {
  const version = secret.versions[number]
  if (version === undefined || version.destroyed) return
  if (how === 'destroy') Object.assign(version, { destroyed: true, data: null })
  else if (how === 'undelete') version.deletion = deletionTime(secret)
  else if (isReadable(version)) version.deletion = timeNow()
}

export const isReadable = ({ deletion, destroyed }: Version): boolean =>
  !destroyed && (deletion === '' || Date.parse(deletion) > Date.now())

const times = ({ created, deletion, destroyed }: Version) => ({
  created_time: created,
  deletion_time: deletion,
  destroyed,
})

export const versionView = (number: number, version: Version) => ({
  ...times(version),
  custom_metadata: null,
  version: number,
})

export const metadataView = (secret: StoredSecret) => ({
  cas_required: secret.casRequired,
  created_time: secret.created,
  current_version: secret.current,
  custom_metadata: null,
  delete_version_after: goDuration(secret.deleteAfterSeconds),
  max_versions: secret.maxVersions,
  oldest_version: secret.oldest,
  updated_time: secret.updated,
  versions: Object.fromEntries(Object.entries(secret.versions).map(([number, version]) => [number, times(version)])),
})
