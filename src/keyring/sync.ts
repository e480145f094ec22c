/**
 * A sync, from the source to the record. `Custodian` calls it, with a deadline: 60 s for a caller, 20 s for the schedule, less
 * where a function ends sooner. It asks the source what there is, in one request. `planSync` decides with the record of now
 * which versions are new, or refuses (no secret there, another source, a secret made anew). They are read a few at a time, the
 * current one first, and `applySync` decides what follows: which keys there are, which is active, what people should hear. Both
 * are pure; all else here is thin.
 *
 * The one write is the put of the whole record, by compare-and-set: it is the commit, and a crash before it leaves the record
 * as it was. After a conflict it is decided again with the other writer's record and with what was read already. Nothing new
 * means no write, but once a day, when the record is sealed anew.
 *
 * What was read is not thrown away. At the deadline all of it up to the first gap is committed, and the next sync goes on from
 * there; at another failure whole batches are, and the caller hears of the failure; where a batch does not fit into the record,
 * the current version goes in alone, because a full record must not keep a new active key out.
 */
import { KeyringError } from '../core/errors.ts'
import { SYNC_ATTEMPTS, VAULT_CONCURRENCY } from '../core/limits.ts'
import type { Bytes } from '../core/bytes.ts'
import type { Refuses } from '../core/findings.ts'
import type { SyncNote, SyncOptions, SyncReport } from '../core/operations.ts'
import type { Clock, KeySource, Observation, VersionRead } from '../core/ports.ts'
import { placeOf } from '../core/printable.ts'
import type { Doubt } from '../core/time.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { sealMaterial } from '../crypto/seal.ts'
import type { ReadOutcome, SyncOutcome } from './apply.ts'
import { applySync, endedIntent } from './apply.ts'
import { isDueForReseal } from './freshness.ts'
import type { Loaded } from './ledger.ts'
import type { WrittenLedger } from './written-ledger.ts'
import type { SyncPlan } from './plan.ts'
import { planSync } from './plan.ts'
import type { Intent, KeyringRecord } from './record.ts'
import { believedStops } from './stopped.ts'
import type { Writer } from './writer.ts'

export interface SyncParts {
  readonly keyring: string
  readonly ledger: WrittenLedger
  readonly writer: Writer
  readonly sealers: SealerSet
  readonly clock: Clock
  readonly doubt: Doubt
  readonly source: KeySource
  /** Refuses what `planSync` would accept from a source that is asked. Absent = nothing. */
  readonly refuse?: (record: KeyringRecord | null, observation: Observation | null) => void
  readonly batch: number
  /** So long others have to sync before a new version becomes active, in milliseconds. */
  readonly delayMs: number
  readonly signal: AbortSignal
}

/** So many versions are kept or lost together when a later one fails. */
const KEPT_BATCH = 40

/** What a sync has come to. */
export interface SyncDone {
  readonly record: KeyringRecord
  readonly observation: Observation
  /** The rotation of this keyring whose key was found. */
  readonly ended: Intent | null
  /** @throws `ERR_ACTIVE_UNUSABLE`: the keys are stored, and nobody can encrypt. */
  report(): SyncReport
}

/**
 * On a conflict it decides again with what it has read. @throws `ERR_SYNC_CONTENDED` after five.
 * @param written is known already, and not read.
 */
export async function syncKeyring(
  parts: SyncParts,
  options: SyncOptions,
  written: ReadOutcome | null = null,
): Promise<SyncDone> {
  const { keyring, ledger, source, batch, clock, doubt, signal } = parts
  const { force, adopt } = options
  const observation = await source.observe(signal).catch((error: unknown) => {
    throw signal.aborted && error instanceof KeyringError ? causeAtDeadline(parts, error, 0) : error
  })
  const reads = new Map<number, ReadOutcome>(written === null ? [] : [[written.version, written]])
  for (let attempt = 0; attempt < SYNC_ATTEMPTS; attempt += 1) {
    const loaded = await ledger.load()
    const draft = await ledger.draft(loaded)
    const record = draft && believedStops(draft, clock.now(), doubt)
    parts.refuse?.(record, observation)
    const plan = planSync({ keyring, record, source: source.id, observation, force, adopt, batch })
    const { taken, trouble } = await readVersions(parts, plan.read, reads)
    const done = await commit(parts, loaded, plan, taken)
    if (done === 'conflict') continue
    const stopped = done.trouble ?? trouble
    if (stopped !== null) throw stopped
    const remaining = plan.remaining + plan.read.length - taken.length
    const { record: next, notes } = done.outcome
    const { changed, sealed } = done
    const requests = 1 + reads.size - Number(written !== null)
    return {
      record: next,
      observation: plan.observation,
      ended: endedIntent(plan.base, next),
      report: () => usable(next, { changed, remaining, requests, notes, sealed }),
    }
  }
  throw new KeyringError('ERR_SYNC_CONTENDED', `Others kept writing keyring "${keyring}" during the sync.`, {
    facts: { keyring },
  })
}

interface Taken {
  /** What is applied: the first of the versions wanted, without a gap. */
  readonly taken: readonly ReadOutcome[]
  /** Why it is not all of them, for the caller to hear once these are kept. `null` = a plain sync goes on. */
  readonly trouble: KeyringError | null
}

/** At the deadline all that was read counts; at a failure whole batches do, so that one bad version of a few keeps all of them out. */
async function readVersions(
  parts: SyncParts,
  wanted: readonly number[],
  reads: Map<number, ReadOutcome>,
): Promise<Taken> {
  const error = await readUntilStopped(parts, wanted, reads)
  if (error === null) return { taken: readOf(wanted, reads), trouble: null }
  const until = wanted.findIndex((version) => !reads.has(version))
  const isLate = parts.signal.aborted
  const taken = readOf(wanted.slice(0, isLate ? until : until - (until % KEPT_BATCH)), reads)
  const cause = isLate ? causeAtDeadline(parts, error, wanted.length) : error
  if (taken.length === 0) throw cause
  return { taken, trouble: isLate ? null : cause }
}

const readOf = (versions: readonly number[], reads: ReadonlyMap<number, ReadOutcome>): ReadOutcome[] =>
  versions.flatMap((version) => reads.get(version) ?? [])

/** Reads a few at a time, in order, until the first failure. `null` = all are read. */
async function readUntilStopped(
  { source, sealers, signal }: SyncParts,
  wanted: readonly number[],
  reads: Map<number, ReadOutcome>,
): Promise<KeyringError | null> {
  const queue = wanted.filter((version) => !reads.has(version)).values()
  let stopped: KeyringError | null = null
  const worker = async () => {
    for (const version of queue) {
      const read = await source.read(version, signal).catch((error: unknown) => {
        if (!(error instanceof KeyringError)) throw error
        return error
      })
      if (read instanceof KeyringError) stopped ??= read
      else reads.set(version, await sealRead(sealers, read))
      if (stopped !== null) return
    }
  }
  await Promise.all(Array.from({ length: VAULT_CONCURRENCY }, worker))
  return stopped
}

/** A request that the deadline has cut short did not take too long by itself. */
function causeAtDeadline({ keyring, source }: SyncParts, error: KeyringError, wanted: number): KeyringError {
  if (error.code !== 'ERR_VAULT_TIMEOUT') return error
  const host = placeOf(source.id.address)
  const what = wanted === 0 ? 'the list of versions' : `one of ${wanted} new versions`
  return new KeyringError(
    'ERR_VAULT_TIMEOUT',
    `Vault at ${host} was too slow for a sync of keyring "${keyring}": the time was over before ${what} was read.`,
    {
      facts: { keyring, host, step: 'read', wanted },
      remedy: 'Look at Vault and at the way to it: a sync has at most 60 s for its reads, one by a schedule 20 s.',
    },
  )
}

interface Committed {
  readonly outcome: SyncOutcome
  readonly changed: boolean
  readonly sealed: Bytes
  readonly trouble: KeyringError | null
}

/** Saves the whole batch, or else the current version alone. */
async function commit(
  parts: SyncParts,
  loaded: Loaded | null,
  plan: SyncPlan,
  reads: readonly ReadOutcome[],
): Promise<Committed | 'conflict'> {
  try {
    return await save(parts, loaded, plan, reads)
  } catch (error) {
    if (!(error instanceof KeyringError) || error.code !== 'ERR_RECORD_TOO_LARGE') throw error
    const current = reads.filter(({ version }) => version === plan.observation.current)
    if (current.length === reads.length) throw error
    const done = await save(parts, loaded, plan, current)
    return done === 'conflict'
      ? done
      : { ...done, trouble: leftOut(error, plan.observation.current, reads.length - current.length) }
  }
}

async function save(
  { writer, clock, delayMs }: SyncParts,
  loaded: Loaded | null,
  plan: SyncPlan,
  reads: readonly ReadOutcome[],
): Promise<Committed | 'conflict'> {
  const outcome = applySync(plan, reads, clock.now(), delayMs)
  const unchanged = loaded !== null && isSame(loaded.record, outcome.record)
  const isGood = unchanged && !isDueForReseal(loaded.record.sealed, clock.now())
  const sealed = isGood ? loaded.bytes : await writer.save(loaded, outcome.record)
  return sealed === 'conflict' ? sealed : { outcome, changed: !unchanged, sealed, trouble: null }
}

function leftOut(error: KeyringError, current: number, versions: number): KeyringError {
  const message = `${error.message} ${versions} new versions were left out, and version ${current}, the current one, went before them.`
  return new KeyringError(error.code, message, { facts: { ...error.facts, leftOut: versions } })
}

async function sealRead(sealers: SealerSet, read: VersionRead): Promise<ReadOutcome> {
  if (read.kind !== 'key') return read
  const { version, id, createdMs, material } = read
  const key = await sealMaterial(sealers.first, id, material)
  return { version, kind: 'key', id, created: createdMs, commit: material.commitment, weak: material.weak, key }
}

/** A first sync without a usable current version has stored the keys; nobody can encrypt, and the caller must hear it. */
function usable(record: KeyringRecord, done: SyncReport): SyncReport {
  if (record.active !== null) return done
  const { keyring, highest } = record
  const why = explain(done.notes, highest)
  throw new KeyringError(
    'ERR_ACTIVE_UNUSABLE',
    `Keyring "${keyring}" has no active key: its current version, ${highest}, ${why}.`,
    {
      facts: { keyring, version: highest, keys: record.keys.length },
    },
  )
}

export const refusesBy =
  ({ keys, tombstones }: KeyringRecord): Refuses =>
  (id, commit) => {
    if (tombstones.some((stone) => stone.id === id || stone.commit === commit)) return WHY['key-removed']
    if (keys.some((entry) => entry.id === id && entry.commit !== commit)) return WHY['id-collision']
    return keys.some((entry) => entry.compromised && entry.commit === commit) ? WHY['key-compromised'] : null
  }

const WHY = {
  'version-malformed': 'has no usable id or key',
  'id-collision': 'has the id of another key',
  'key-removed': 'is a key that was removed',
  'key-compromised': 'is a key that was compromised',
  'version-lost': 'vanished',
} as const satisfies Partial<Record<SyncNote['code'], string>>

function explain(notes: readonly SyncNote[], version: number): string {
  const whys: Partial<Record<SyncNote['code'], string>> = WHY
  const found = notes.find((note) => note.version === version && note.code in whys)
  return (found && whys[found.code]) ?? 'cannot be used'
}

const isSame = (a: KeyringRecord, b: KeyringRecord): boolean => JSON.stringify(a) === JSON.stringify(b)
