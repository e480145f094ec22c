/** Small words for the sync rules: a source, what it holds, and what was read of it. */
import type { Observation, SourceId } from '../../src/core/ports.ts'
import type { ReadOutcome } from '../../src/keyring/apply.ts'
import { applySync } from '../../src/keyring/apply.ts'
import type { SyncRequest } from '../../src/keyring/plan.ts'
import { planSync } from '../../src/keyring/plan.ts'
import type { KeyringRecord } from '../../src/keyring/record.ts'

export const SOURCE: SourceId = {
  kind: 'kv2',
  address: 'https://vault.example',
  namespace: '',
  mount: 'secret',
  path: 'keyring',
}
export const NOW = 1_763_930_000_000

/** 'id:commit' = readable; 'deleted', 'destroyed' and 'malformed' say themselves; null = pruned. */
export type Versions = readonly (string | null)[]

/** @param written when the current version was. */
export function observed(versions: Versions, incarnation = 'first', written: number | null = null): Observation {
  const listed = versions.flatMap((content, index) =>
    content === null
      ? []
      : [{ version: index + 1, state: stateOf(content), createdMs: index === versions.length - 1 ? written : null }],
  )
  return { incarnation, current: versions.length, versions: listed, unlisted: 'unknown', sourceMs: NOW, keeps: 0 }
}

const stateOf = (content: string): 'readable' | 'deleted' | 'destroyed' =>
  content === 'deleted' || content === 'destroyed' ? content : 'readable'

export function readOf(versions: Versions, version: number): ReadOutcome {
  const content = versions[version - 1] ?? null
  if (content === null) return { version, kind: 'gone' }
  if (content === 'deleted' || content === 'destroyed') return { version, kind: content }
  if (content === 'malformed') return { version, kind: 'malformed', why: 'no-id' }
  const [id = '', commit = ''] = content.split(':')
  return { version, kind: 'key', id, created: version, commit, weak: false, key: `sealed ${commit}` }
}

/** One sync, decided without I/O. */
export function synced(
  record: KeyringRecord | null,
  versions: Versions,
  { now = NOW, ...more }: Partial<SyncRequest> & { readonly now?: number } = {},
) {
  const request = {
    keyring: 'default',
    record,
    source: SOURCE,
    observation: observed(versions),
    force: false,
    adopt: false,
    batch: 900,
    ...more,
  }
  const plan = planSync(request)
  const times = new Map(plan.observation.versions.map(({ version, createdMs }) => [version, createdMs]))
  const reads = plan.read.map((version) => {
    const read = readOf(versions, version)
    return read.kind === 'key' ? { ...read, created: times.get(version) ?? read.created } : read
  })
  return { plan, ...applySync(plan, reads, now) }
}

export const ids = (record: KeyringRecord): string[] => record.keys.map(({ id }) => id)
export const codes = (notes: readonly { code: string; version: number }[]): string[] =>
  notes.map(({ code, version }) => `${code} ${version}`)
