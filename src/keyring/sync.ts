/** Source to record, all or nothing: a thin application around `planSync` and `applySync`. */
import { KeyringError } from '../core/errors.ts'
import { SYNC_ATTEMPTS, VAULT_CONCURRENCY } from '../core/limits.ts'
import type { Clock, KeySource, Observation, SyncNote, SyncOptions, SyncReport, VersionRead } from '../core/ports.ts'
import type { SealerSet } from '../crypto/seal.ts'
import type { ReadOutcome } from './apply.ts'
import { applySync } from './apply.ts'
import { isDueForReseal } from './freshness.ts'
import type { Ledger } from './ledger.ts'
import { planSync } from './plan.ts'
import type { KeyringRecord } from './record.ts'
import type { Writer } from './writer.ts'

export interface SyncParts {
  readonly keyring: string
  readonly ledger: Ledger
  readonly writer: Writer
  readonly sealers: SealerSet
  readonly clock: Clock
  readonly source: KeySource
  readonly batch: number
  readonly signal: AbortSignal
}

/** On a conflict it decides again with what it has read. @throws `ERR_SYNC_CONTENDED` after five. */
export async function syncKeyring(parts: SyncParts, options: SyncOptions): Promise<SyncReport> {
  const { ledger, writer, source, signal, clock } = parts
  const observation = await source.observe(signal)
  const reads = new Map<number, ReadOutcome>()
  for (let attempt = 0; attempt < SYNC_ATTEMPTS; attempt += 1) {
    const loaded = await ledger.load()
    const { outcome, remaining } = await decide(parts, options, await ledger.draft(loaded), observation, reads)
    const unchanged = loaded !== null && isSame(loaded.record, outcome.record)
    const isGood = unchanged && !isDueForReseal(loaded.record.sealed, clock.now())
    const sealed = isGood ? loaded.bytes : await writer.save(loaded, outcome.record)
    if (sealed !== 'conflict')
      return report(outcome.record, {
        changed: !unchanged,
        remaining,
        requests: 1 + reads.size,
        notes: outcome.notes,
        sealed,
      })
  }
  throw new KeyringError('ERR_SYNC_CONTENDED', `Others kept writing keyring "${parts.keyring}" during the sync.`, {
    facts: { keyring: parts.keyring },
  })
}

async function decide(
  parts: SyncParts,
  { force, adopt }: SyncOptions,
  record: KeyringRecord | null,
  observation: Observation | null,
  reads: Map<number, ReadOutcome>,
) {
  const { keyring, source, batch } = parts
  const now = parts.clock.now()
  const plan = planSync({ keyring, record, source: source.id, observation, force, adopt, batch, now })
  await readVersions(
    parts,
    plan.read.filter((version) => !reads.has(version)),
    reads,
  )
  const wanted = plan.read.flatMap((version) => reads.get(version) ?? [])
  return { outcome: applySync(plan, wanted, now), remaining: plan.remaining }
}

/** A few at a time, in order; the first failure ends it. */
async function readVersions(
  { source, sealers, signal }: SyncParts,
  versions: readonly number[],
  reads: Map<number, ReadOutcome>,
): Promise<void> {
  const queue = versions.values()
  const worker = async () => {
    for (const version of queue) reads.set(version, await sealRead(sealers, await source.read(version, signal)))
  }
  await Promise.all(Array.from({ length: VAULT_CONCURRENCY }, worker))
}

async function sealRead(sealers: SealerSet, read: VersionRead): Promise<ReadOutcome> {
  if (read.kind !== 'key') return read
  const { version, id, createdMs, material } = read
  const key = await sealers.first.sealMaterial(id, material)
  return { version, kind: 'key', id, created: createdMs, commit: material.commitment, weak: material.weak, key }
}

/** A first sync without a usable current version has stored the keys; nobody can encrypt, and the caller must hear it. */
function report(record: KeyringRecord, done: SyncReport): SyncReport {
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

const WHY: Partial<Record<SyncNote['code'], string>> = {
  'version-malformed': 'has no usable id or key',
  'id-collision': 'has the id of another key',
  'key-removed': 'is a key that was removed',
  'version-lost': 'vanished',
}

function explain(notes: readonly SyncNote[], version: number): string {
  const note = notes.find((candidate) => candidate.version === version && candidate.code in WHY)
  return (note && WHY[note.code]) ?? 'cannot be used'
}

const isSame = (a: KeyringRecord, b: KeyringRecord): boolean => JSON.stringify(a) === JSON.stringify(b)
