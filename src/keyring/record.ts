/** The stored record `ekr1`, specified byte for byte in docs/formats.md. */
import type { Bytes } from '../core/bytes.ts'
import { decodeUtf8 } from '../core/bytes.ts'
import { parseJson } from '../core/body.ts'
import { KeyringError } from '../core/errors.ts'
import type { Malformed, SourceId } from '../core/ports.ts'
import type { KeyChecks, SealerSet } from '../crypto/seal.ts'
import { isOther, openText, parseSigned, sealMaterial, sealText } from '../crypto/seal.ts'

const FORMAT = 'ekr1'

/** The name of a keyring's record, in a store and in a replica. */
export const recordName = (keyring: string): string => `keyring/${keyring}`

/** Names are short because there may be a thousand of these. Times are milliseconds since 1970. */
export interface KeyEntry {
  readonly id: string
  /** Versions of the source that hold this key, ascending; of the incarnation in the record, or of `inc`. */
  readonly v: readonly number[]
  readonly created: number
  readonly synced: number
  readonly commit: string
  /** The sealed material. */
  readonly key: string
  /** Absent = at least one version is readable at the source. */
  readonly gone?: 'deleted' | 'destroyed' | 'pruned'
  /** The incarnation that a detached key came from: the secret was made again, or the source changed. */
  readonly inc?: string
  readonly weak?: true
  readonly compromised?: true
  /** When it stopped being active. */
  readonly stopped?: number
  /** The revision with which it did. Absent = `stopped` is not above it, because revisions were not ahead of the clock. */
  readonly rev?: number
}

/** A rotation that has begun: what it writes is settled before it is written, so that whoever goes on writes the same. */
export interface Intent {
  readonly id: string
  /** The sealed key string. */
  readonly key: string
  readonly inc: string
  /** The current version that it follows. */
  readonly expected: number
}

export type SkipReason = Malformed | 'collision' | 'removed'

export interface KeyringRecord {
  readonly keyring: string
  /** Raised by every put; not below the milliseconds since 1970 of that put. */
  readonly revision: number
  readonly sealed: number
  readonly source: SourceId
  readonly incarnation: string
  /** The current version that the source showed last, unless it was behind what was read of it before. */
  readonly highest: number
  readonly active: string | null
  readonly keys: readonly KeyEntry[]
  /** Versions that were read and gave no key, ascending: only a forced sync reads them again, but for the removed ones. */
  readonly skipped: readonly { readonly v: number; readonly why: SkipReason }[]
  readonly tombstones: readonly { readonly id: string; readonly commit: string }[]
  /** Versions that vanished before they were read. */
  readonly lost: number
  readonly intent?: Intent
  /** Of every wrapping key that has sealed it. Absent = it was written before there were any. */
  readonly checks?: KeyChecks
}

export interface VerifiedRecord {
  readonly record: KeyringRecord
  readonly wrappingKeyId: string
}

/**
 * Nothing is believed before the MAC holds; without it the checks choose between two errors.
 * @throws `ERR_RECORD_INVALID`, `ERR_WRAPPING_KEY_MISSING`, `ERR_WRAPPING_KEY_WRONG`.
 */
export async function verifyRecord(set: SealerSet, keyring: string, bytes: Bytes): Promise<VerifiedRecord> {
  const signed = parseSigned(bytes)
  const by = set.byId(signed.wrappingKeyId)
  const text = signed.format === FORMAT ? await by.verify(signed) : null
  if (text === null && isOther(claimedChecks(signed.text, keyring), by)) throw wrongKey(keyring, by.wrappingKeyId)
  if (text === null)
    throw new KeyringError('ERR_RECORD_INVALID', `The stored record of keyring "${keyring}" was altered.`, {
      facts: { keyring },
    })
  const record = JSON.parse(text) as KeyringRecord
  return { record, wrappingKeyId: signed.wrappingKeyId }
}

/** Signs under the first wrapping key, under which the keys must be sealed: see `reseal`. */
export const signRecord = (set: SealerSet, record: KeyringRecord): Promise<Bytes> =>
  set.first.sign(FORMAT, JSON.stringify(record))

/** A record in the place of another keyring's has the checks of that one, and was not sealed with another key. */
function claimedChecks(text: Bytes, keyring: string): KeyChecks {
  const claimed = parseJson(decodeUtf8(text) ?? '') as Partial<KeyringRecord> | null | undefined
  return (claimed?.keyring === keyring ? claimed.checks : null) ?? {}
}

function wrongKey(keyring: string, id: string): KeyringError {
  return new KeyringError(
    'ERR_WRAPPING_KEY_WRONG',
    `What the settings give as wrapping key "${id}" is not what sealed the record of keyring "${keyring}" under that id.`,
    { facts: { keyring, wrappingKey: id } },
  )
}

/** With the checks of whoever has sealed it so far, and of the first wrapping key, which seals it now. */
export function withChecks(set: SealerSet, before: string | null, record: KeyringRecord): KeyringRecord {
  const sealers = before === null ? [set.first] : [set.byId(before), set.first]
  const checks = Object.fromEntries(sealers.map(({ wrappingKeyId, check }) => [wrappingKeyId, check]))
  return { ...record, checks: { ...record.checks, ...checks } }
}

/**
 * Every write seals the whole record under the first wrapping key: keys sealed under another are opened and sealed anew.
 * @throws `ERR_WRAPPING_KEY_WRONG` when another key was used under the id of the first.
 */
export async function reseal(set: SealerSet, { record, wrappingKeyId }: VerifiedRecord): Promise<KeyringRecord> {
  if (wrappingKeyId === set.first.wrappingKeyId) return record
  if (isOther(record.checks ?? {}, set.first)) throw wrongKey(record.keyring, set.first.wrappingKeyId)
  const old = set.byId(wrappingKeyId)
  const keys = await Promise.all(
    record.keys.map(async (entry) => {
      const material = await old.openMaterial(entry.id, entry.key, entry.weak === true)
      return { ...entry, key: await sealMaterial(set.first, entry.id, material) }
    }),
  )
  const { intent, ...rest } = record
  if (intent === undefined) return { ...rest, keys }
  return {
    ...rest,
    keys,
    intent: { ...intent, key: await sealText(set.first, intent.id, await openText(old, intent.id, intent.key)) },
  }
}
