/**
 * A rotation: a new key becomes the next version of the secret. It syncs first and decides then, with what the source itself
 * says: when its current version was written, and what time it is there. Nothing else is remembered, so that a time that was
 * missed is made up once, and our clock does not matter.
 *
 * Intended: id and key are put into the record before they are written to the source. After a crash, or an answer that got lost,
 * whoever goes on writes the same again, and the source takes it once: the write holds only while the current version is the one
 * that was expected. A version that is there ends the intent, whoever wrote it; the sync sees to that (`openIntent`), and says
 * so in the audit log and the status when it is the key of the intent (`endedIntent`).
 *
 * Written: the key is known, so that the sync that follows need not read it. That makes at most four requests: what there is,
 * what the mount keeps, the write, what there is now.
 *
 * Of two that write at once the source takes one. The other syncs, and goes on with the winner's key.
 */
import type { Bytes } from '../core/bytes.ts'
import { toBase64, toBase64url } from '../core/bytes.ts'
import { KeyringError, settle } from '../core/errors.ts'
import { SYNC_ATTEMPTS } from '../core/limits.ts'
import type { RotationReport } from '../core/operations.ts'
import type { Audit, AuditEvent, Cipher, Clock, Hash, KeySink, RotationRules } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import { openText, sealMaterial, sealText } from '../crypto/seal.ts'
import { materialFromString } from '../crypto/material.ts'
import type { ReadOutcome } from './apply.ts'
import type { Intent, KeyringRecord } from './record.ts'
import type { RotationAsk, WriteRules } from './rotation.ts'
import { writtenMs } from './plan.ts'
import { refuseUnsafeWrite, refusedRotation, rotationsLeft } from './rotation.ts'
import type { SyncDone, SyncParts } from './sync.ts'

export interface RotateParts extends Pick<SyncParts, 'keyring' | 'ledger' | 'writer' | 'sealers' | 'clock' | 'signal'> {
  readonly cipher: Cipher
  readonly hash: Hash
  /** Hears before a key is written, and after. */
  readonly audit: Audit
  readonly rules: RotationRules
  /** `null` = the source cannot be written. */
  readonly sink: KeySink | null
  /** One sync. @param written a version that need not be read. */
  readonly sync: (written: ReadOutcome | null) => Promise<SyncDone>
}

export const KV1 = {
  why: 'KV version 1 has no check-and-set, so that two writers could both win',
  remedy: 'Move the keyring to a KV version 2 mount, or write the next number yourself and sync.',
}

/**
 * After a conflict in the record it decides again. What a failure leaves, such as an open intent, the next one takes up.
 * @throws `ERR_ROTATION_REFUSED`, `ERR_SYNC_CONTENDED`, and what a sync or the write throws.
 */
export async function rotateKeyring(parts: RotateParts, ask: RotationAsk): Promise<RotationReport> {
  const { sink, keyring, signal } = parts
  for (let attempt = 0; attempt < SYNC_ATTEMPTS; attempt += 1) {
    const before = await parts.sync(null)
    if (!isWanted(parts, ask, before)) {
      before.report()
      return report(parts, before, null, null)
    }
    if (sink === null) throw refusedRotation(keyring, KV1)
    const rules = { mountKeeps: await sink.keeps(signal), prunesHeld: parts.rules.prunesHeld }
    const intent = await intend(parts, before, rules, ask.dryRun)
    if (intent === 'conflict') continue
    if (intent === null) {
      await sink.mayWrite(signal)
      return { ...(await report(parts, before, null, rules)), rotated: false }
    }
    const written = await writeDown(parts, sink, intent)
    return report(parts, await parts.sync(written), written, rules)
  }
  throw new KeyringError('ERR_SYNC_CONTENDED', `Others kept writing keyring "${keyring}" while it was to be rotated.`)
}

/** One that has begun goes on, whatever the time. */
function isWanted({ rules }: RotateParts, ask: RotationAsk, { record, observation }: SyncDone): boolean {
  if (ask.by === 'hand') return ask.dryRun || observation.current <= ask.known
  if (record.intent !== undefined) return true
  const since = writtenMs(observation)
  const next = since === null ? null : (rules.cadence?.after(since) ?? null)
  return next !== null && next <= observation.sourceMs
}

/** The open intent, or a new one that the store has taken. `null` = it only looks. */
async function intend(
  { ledger, writer, sealers }: RotateParts,
  { observation }: SyncDone,
  rules: WriteRules,
  isDryRun: boolean,
): Promise<Intent | 'conflict' | null> {
  const loaded = await ledger.load()
  const record = await ledger.draft(loaded)
  if (loaded === null || record === null) throw new TypeError('A sync has left no record.')
  refuseUnsafeWrite(record, observation, loaded.bytes.length, rules)
  if (isDryRun) return null
  if (record.intent !== undefined && (await opens(sealers, record.intent))) return record.intent
  const id = newId(record)
  const key = await sealText(sealers.first, id, new Secret(toBase64(random(32))))
  const intent = { id, key, inc: observation.incarnation, expected: observation.current }
  return (await writer.save(loaded, { ...record, intent })) === 'conflict' ? 'conflict' : intent
}

/**
 * A release that does not know of intents leaves one under the wrapping key that it was sealed under. Another may take its place: of
 * two writes with the same check-and-set Vault takes one.
 */
const opens = async ({ first }: RotateParts['sealers'], { id, key }: Intent): Promise<boolean> =>
  (await settle(() => openText(first, id, key))).ok

/** What was written, as the sync would have read it. `null` = the source has another current version. */
async function writeDown(parts: RotateParts, sink: KeySink, intent: Intent): Promise<ReadOutcome | null> {
  const { sealers, cipher, hash, signal } = parts
  const { id, expected } = intent
  const key = await openText(sealers.first, id, intent.key)
  await parts.audit.commit(eventOf(parts, id, 'begun'))
  const failed = (code: AuditEvent['code']) => parts.audit.note(eventOf(parts, id, 'failed', code))
  const written = await sink.write({ id, key }, expected, signal).catch((error: unknown) => {
    failed(error instanceof KeyringError ? error.code : 'ERR_INTERNAL')
    throw error
  })
  if (written === 'conflict') {
    failed('ERR_SYNC_CONTENDED')
    return null
  }
  const material = await materialFromString(cipher, hash, key.reveal())
  const sealed = await sealMaterial(sealers.first, id, material)
  const { commitment: commit, weak } = material
  return { version: expected + 1, kind: 'key', id, created: written.createdMs, commit, weak, key: sealed }
}

/** The lines of one key have one request id, whoever goes on with it, so that the last one says what came of it. */
const eventOf = (
  { clock, keyring }: { readonly clock: Clock; readonly keyring: string },
  keyId: string,
  outcome: AuditEvent['outcome'],
  code: AuditEvent['code'] = null,
): AuditEvent => ({
  time: clock.now(),
  request: `rotate-${keyId}`,
  caller: null,
  action: 'rotate',
  keyring,
  keyId,
  count: 1,
  outcome,
  code,
})

/** Once for each key: the commit of the sync that found it has ended its intent. */
export const noteEnded = (parts: Pick<RotateParts, 'audit' | 'clock' | 'keyring'>, { id }: Intent): void =>
  parts.audit.note(eventOf(parts, id, 'ok'))

async function report(
  { ledger }: RotateParts,
  { record, observation, ended }: SyncDone,
  written: ReadOutcome | null,
  rules: WriteRules | null,
): Promise<RotationReport> {
  const loaded = await ledger.load()
  return {
    rotated: (written ?? ended) !== null,
    version: written?.version ?? (ended ? ended.expected + 1 : record.highest),
    active: record.active,
    left: rules === null ? null : rotationsLeft(record, observation, rules),
    sealed: loaded?.bytes ?? new Uint8Array(),
  }
}

const random = (count: number): Bytes => crypto.getRandomValues(new Uint8Array(count))

/** Kong's ids have 8 letters and digits too. */
export function newId(record: KeyringRecord): string {
  const taken = new Set([...record.keys, ...record.tombstones].map(({ id }) => id))
  for (;;) {
    const id = toBase64url(random(6))
    if (/^[A-Za-z0-9]{8}$/.test(id) && !taken.has(id)) return id
  }
}
