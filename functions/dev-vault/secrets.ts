/** What the dev Vault keeps: mounts of KV version 1 and 2. Plain data, so that it can be written as JSON. */
export interface Version {
  created: string
  deletion: string
  destroyed: boolean
  data: unknown
}

export interface Secret2 {
  created: string
  updated: string
  current: number
  oldest: number
  maxVersions: number
  deleteAfter: string
  casRequired: boolean
  versions: Record<string, Version>
}

export interface Mount {
  version: '1' | '2'
  plain: Record<string, unknown>
  secrets: Record<string, Secret2>
}

export type Mounts = Record<string, Mount>

/** Vault keeps 10 unless told otherwise. */
const DEFAULT_MAX_VERSIONS = 10

export const newMount = (version: '1' | '2'): Mount => ({ version, plain: {}, secrets: {} })
/** Vault prints up to nine fractional digits. */
export const timeNow = (): string =>
  new Date().toISOString().replace('Z', `${String(process.hrtime()[1] % 1_000_000).padStart(6, '0')}Z`)

export function newSecret(): Secret2 {
  const now = timeNow()
  return {
    created: now,
    updated: now,
    current: 0,
    oldest: 0,
    maxVersions: 0,
    deleteAfter: '0s',
    casRequired: false,
    versions: {},
  }
}

export function append(secret: Secret2, data: unknown): Version {
  const created = timeNow()
  const version = { created, deletion: deletionOf(secret, created), destroyed: false, data }
  secret.current += 1
  secret.updated = created
  secret.versions[secret.current] = version
  prune(secret)
  return version
}

function deletionOf({ deleteAfter }: Secret2, created: string): string {
  const seconds = Number(/^(\d+)s$/.exec(deleteAfter)?.[1] ?? 0)
  return seconds === 0 ? '' : new Date(Date.parse(created) + seconds * 1000).toISOString()
}

function prune(secret: Secret2): void {
  const oldest = secret.current - (secret.maxVersions || DEFAULT_MAX_VERSIONS) + 1
  if (oldest <= 1) return
  for (const version of Object.keys(secret.versions)) if (Number(version) < oldest) delete secret.versions[version]
  secret.oldest = oldest
}

export const isReadable = ({ deletion, destroyed }: Version): boolean =>
  !destroyed && (deletion === '' || Date.parse(deletion) > Date.now())

export const versionView = (number: number, { created, deletion, destroyed }: Version) => ({
  created_time: created,
  custom_metadata: null,
  deletion_time: deletion,
  destroyed,
  version: number,
})

export function metadataView(secret: Secret2) {
  const versions = Object.entries(secret.versions).map(([number, { created, deletion, destroyed }]) => [
    number,
    { created_time: created, deletion_time: deletion, destroyed },
  ])
  return {
    cas_required: secret.casRequired,
    created_time: secret.created,
    current_version: secret.current,
    custom_metadata: null,
    delete_version_after: secret.deleteAfter,
    max_versions: secret.maxVersions,
    oldest_version: secret.oldest,
    updated_time: secret.updated,
    versions: Object.fromEntries(versions),
  }
}
