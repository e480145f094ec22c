/** Removal and compromise: pure decisions. */
import { KeyringError } from '../core/errors.ts'
import type { KeyringErrorCode } from '../core/errors.ts'
import type { KeyringChange } from '../core/operations.ts'
import type { KeyEntry, KeyringRecord } from './record.ts'
import type { EncryptBound } from './stopped.ts'
import { removableFrom, stopping } from './stopped.ts'

/**
 * @throws `ERR_KEY_NOT_FOUND`, `ERR_KEY_ACTIVE`, `ERR_KEY_IN_USE`.
 */
export function applyChange(
  record: KeyringRecord,
  change: KeyringChange,
  now: number,
  bound: EncryptBound,
): KeyringRecord {
  const entry = record.keys.find(({ id }) => id === change.id)
  if (entry === undefined) throw refusal('ERR_KEY_NOT_FOUND', record, change.id, 'is not in keyring')
  if (change.op === 'remove' || !change.force) refuseActive(record, entry, change.op)
  if (change.op === 'compromise') return compromise(record, entry, now)
  if (!change.force) refuseInUse(record, entry, now, bound)
  return remove(record, entry)
}

function remove(record: KeyringRecord, entry: KeyEntry): KeyringRecord {
  const versions = entry.inc === undefined ? entry.v : []
  return {
    ...record,
    keys: record.keys.filter((other) => other !== entry),
    skipped: [...record.skipped, ...versions.map((v) => ({ v, why: 'removed' as const }))].sort((a, b) => a.v - b.v),
    tombstones: [...record.tombstones, { id: entry.id, commit: entry.commit }],
  }
}

/** The key decrypts from now on and never encrypts. It is the material that is compromised, under whatever id it is held. */
function compromise(record: KeyringRecord, { commit }: KeyEntry, now: number): KeyringRecord {
  const keys = record.keys.map((entry) => {
    if (entry.commit !== commit) return entry
    const stopped = entry.id === record.active ? stopping(entry, record, now) : entry
    return { ...stopped, compromised: true as const }
  })
  const isStill = keys.some(({ id, compromised }) => id === record.active && !compromised)
  return { ...record, keys, active: isStill ? record.active : null }
}

/** Removal and compromise are about the material, under whatever id that is active. */
export function refuseActive(
  record: KeyringRecord,
  { id, commit }: Pick<KeyEntry, 'id' | 'commit'>,
  op: KeyringChange['op'],
): void {
  const active = record.keys.find((entry) => entry.id === record.active && entry.commit === commit)
  if (active === undefined) return
  const what = active.id === id ? 'is active in keyring' : `is also "${active.id}", which is active in keyring`
  const remedy = 'Rotate first, or send "force": encryption then waits for a new version.'
  throw refusal('ERR_KEY_ACTIVE', record, id, what, op === 'compromise' ? remedy : undefined)
}

function refuseInUse(record: KeyringRecord, entry: KeyEntry, now: number, bound: EncryptBound): void {
  const allowedFrom = removableFrom(entry, now, bound)
  if (now >= allowedFrom) return
  const from = new Date(allowedFrom).toISOString()
  throw new KeyringError(
    'ERR_KEY_IN_USE',
    `Some instance may still encrypt with key "${entry.id}" of keyring "${record.keyring}" until ${from}.`,
    {
      facts: { keyring: record.keyring, id: entry.id, allowedFrom: from },
    },
  )
}

function refusal(
  code: KeyringErrorCode,
  { keyring }: KeyringRecord,
  id: string,
  what: string,
  remedy?: string,
): KeyringError {
  return new KeyringError(code, `The key "${id}" ${what} "${keyring}".`, {
    facts: { keyring, id },
    ...(remedy && { remedy }),
  })
}
