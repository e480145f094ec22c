/** What follows from the versions that a sync has read: a pure decision. */
import type { NoteCode, SyncNote } from '../core/operations.ts'
import type { Malformed, Observation } from '../core/ports.ts'
import type { SyncPlan } from './plan.ts'
import { knownVersions, writtenMs } from './plan.ts'
import type { Intent, KeyEntry, KeyringRecord, SkipReason } from './record.ts'
import { running, stopping } from './stopped.ts'

/** A version that was read, its material sealed already. */
export type ReadOutcome = { readonly version: number } & (
  | {
      readonly kind: 'key'
      readonly id: string
      readonly created: number
      readonly commit: string
      readonly weak: boolean
      readonly key: string
    }
  | { readonly kind: 'malformed'; readonly why: Malformed }
  | { readonly kind: 'deleted' | 'destroyed' | 'gone' }
)

export interface SyncOutcome {
  readonly record: KeyringRecord
  readonly notes: readonly SyncNote[]
}

/**
 * Applies what was read of the plan: all of it, or its first versions without a gap.
 * @param now is the time of the commit, after everything was read: until then other instances encrypt with a key that stops.
 * @param delayMs so long others have to sync before a new version becomes active.
 */
export function applySync(plan: SyncPlan, reads: readonly ReadOutcome[], now: number, delayMs = 0): SyncOutcome {
  const draft = new Draft(plan.base, now)
  draft.stop(plan.stops)
  if (plan.behind) {
    draft.note('source-behind', plan.observation.current, null)
    return draft.done(plan.base)
  }
  for (const read of reads.toSorted((a, b) => a.version - b.version)) draft.add(read)
  draft.observe(plan.observation)
  draft.activate(plan.observation, delayMs)
  return draft.done({ ...withIntent(plan.base, plan.observation), highest: plan.observation.current })
}

/** An intent is open until the source has gone on, or back, whoever did that. What was begun in another incarnation is over. */
export const openIntent = (
  { intent }: KeyringRecord,
  { incarnation, current }: Pick<Observation, 'incarnation' | 'current'>,
): Intent | undefined => (intent?.inc === incarnation && intent.expected === current ? intent : undefined)

/** Of a rotation that is over the key, when it is there: it was written, whatever came of the answer. */
export function endedIntent({ intent }: KeyringRecord, { intent: still, keys }: KeyringRecord): Intent | null {
  if (intent === undefined || still !== undefined) return null
  const isThere = keys.some(({ id, inc, v }) => id === intent.id && !inc && v.includes(intent.expected + 1))
  return isThere ? intent : null
}

/** A rotation that has begun is over when its version is there, whoever wrote that. */
function withIntent(base: KeyringRecord, observation: Observation): KeyringRecord {
  const { intent: _, ...rest } = base
  const intent = openIntent(base, observation)
  return intent === undefined ? rest : { ...rest, intent }
}

class Draft {
  readonly #now: number
  readonly #base: KeyringRecord
  readonly #keys: Map<string, KeyEntry>
  readonly #skipped: { v: number; why: SkipReason }[]
  readonly #tombstones: KeyringRecord['tombstones']
  /** The commitments of compromised keys: their material never encrypts again, under whatever id it comes. */
  readonly #compromised: ReadonlySet<string>
  readonly #notes: SyncNote[] = []
  #active: string | null
  #lost: number

  constructor(base: KeyringRecord, now: number) {
    this.#now = now
    this.#base = base
    this.#keys = new Map(base.keys.map((entry) => [entry.id, entry]))
    this.#skipped = [...base.skipped]
    this.#tombstones = base.tombstones
    this.#compromised = new Set(base.keys.flatMap(({ compromised, commit }) => (compromised ? [commit] : [])))
    this.#active = base.active
    this.#lost = base.lost
  }

  note(code: NoteCode, version: number, id: string | null): void {
    this.#notes.push({ code, version, id })
  }

  stop(id: string | null): void {
    const entry = id === null ? undefined : this.#keys.get(id)
    if (entry !== undefined) this.#keys.set(entry.id, stopping(entry, this.#base, this.#now))
  }

  add(read: ReadOutcome): void {
    if (read.kind === 'malformed') return this.#skip(read.version, read.why, 'version-malformed', null)
    if (read.kind === 'deleted') return
    if (read.kind !== 'key') return this.note('version-lost', read.version, null)
    const { version, id, commit } = read
    if (this.#isRemoved(read)) return this.#skip(version, 'removed', 'key-removed', id)
    const held = this.#keys.get(id)
    if (held !== undefined && held.commit !== commit) return this.#skip(version, 'collision', 'id-collision', id)
    this.#keys.set(id, held === undefined ? this.#entry(read) : withVersion(held, read))
    if (read.weak) this.note('key-weak', version, id)
    if (this.#compromised.has(commit)) this.note('key-compromised', version, id)
  }

  /** A key whose versions are all gone at the source stays usable, and says so. */
  observe(observation: Observation): void {
    const stateOf = statesOf(observation)
    for (const entry of this.#keys.values())
      if (entry.inc === undefined) this.#keys.set(entry.id, withState(entry, stateOf))
    this.#lost = this.#countLost(observation)
  }

  /** The current version's key becomes active, or the active key stays as it was. */
  activate(observation: Observation, delayMs: number): void {
    const { current, versions } = observation
    const isReadable = versions.some(({ version, state }) => version === current && state === 'readable')
    const entry = [...this.#keys.values()].find(({ inc, v }) => inc === undefined && v.includes(current))
    if (!isReadable || entry === undefined || this.#compromised.has(entry.commit) || this.#isRemoved(entry))
      return this.note('active-unusable', current, entry?.id ?? null)
    if (this.#active === entry.id) return
    if (this.#active !== null && isYoung(observation, delayMs)) return this.note('activation-waits', current, entry.id)
    this.stop(this.#active)
    this.#keys.set(entry.id, running(this.#keys.get(entry.id) ?? entry))
    this.#active = entry.id
  }

  done(rest: KeyringRecord): SyncOutcome {
    const keys = [...this.#keys.values()].map((entry) => ({ ...entry, v: entry.v.toSorted((a, b) => a - b) }))
    return {
      record: {
        ...rest,
        keys,
        skipped: this.#skipped.toSorted((a, b) => a.v - b.v),
        active: this.#active,
        lost: this.#lost,
      },
      notes: this.#notes,
    }
  }

  #isRemoved({ id, commit }: { readonly id: string; readonly commit: string }): boolean {
    return this.#tombstones.some((stone) => stone.id === id || stone.commit === commit)
  }

  #skip(v: number, why: SkipReason, code: NoteCode, id: string | null): void {
    this.#skipped.push({ v, why })
    this.note(code, v, id)
  }

  #entry(read: ReadOutcome & { kind: 'key' }): KeyEntry {
    const { id, version, created, commit, key, weak } = read
    const marks = { ...(weak && { weak }), ...(this.#compromised.has(commit) && { compromised: true as const }) }
    return { id, v: [version], created, synced: this.#now, commit, key, ...marks }
  }

  /** Counts the numbers up to the current one that were not read and never can be; how many there are is the source's word. */
  #countLost({ current, versions }: Observation): number {
    const known = knownVersions({ keys: [...this.#keys.values()], skipped: this.#skipped })
    const there = versions.flatMap(({ version, state }) => (state === 'destroyed' ? [] : [version]))
    return current - [...new Set([...known, ...there])].filter((version) => version <= current).length
  }
}

/** So young that others may not have synced it yet. */
const isYoung = (observation: Observation, delayMs: number): boolean => {
  const since = writtenMs(observation)
  return delayMs > 0 && since !== null && observation.sourceMs < since + delayMs
}

function withVersion(held: KeyEntry, { version, created }: ReadOutcome & { kind: 'key' }): KeyEntry {
  const { inc, gone: _, ...attached } = held
  if (inc !== undefined) return { ...attached, v: [version], created }
  return { ...attached, v: [...held.v, version] }
}

/** An answer that lacks a version proves nothing, unless older versions were pruned or the source leaves nothing of what goes. */
function statesOf({ versions, unlisted }: Observation): (version: number) => string {
  const states = new Map(versions.map(({ version, state }) => [version, state]))
  const oldest = versions.reduce((least, { version }) => Math.min(least, version), Infinity)
  return (version) => states.get(version) ?? (unlisted === 'unknown' && version < oldest ? 'pruned' : unlisted)
}

/** The best state of its versions decides: a key is gone when none of them is readable. */
function withState(entry: KeyEntry, stateOf: (version: number) => string): KeyEntry {
  const seen = new Set(entry.v.map(stateOf))
  if (seen.has('unknown') && !seen.has('readable')) return entry
  const gone = (['readable', 'deleted', 'destroyed', 'pruned'] as const).find((state) => seen.has(state))
  const { gone: _, ...present } = entry
  return gone === 'readable' || gone === undefined ? present : { ...present, gone }
}
