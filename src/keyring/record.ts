/** The stored record `ekr1`, specified byte for byte in docs/formats.md. */
import type { Bytes } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import type { Malformed, SourceId } from '../core/ports.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { parseSigned } from '../crypto/seal.ts'

const FORMAT = 'ekr1'

/** Its name in a store, and in a replica. */
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
}

export interface VerifiedRecord {
  readonly record: KeyringRecord
  readonly wrappingKeyId: string
}

/** @throws `ERR_RECORD_INVALID`, `ERR_WRAPPING_KEY_MISSING`. Nothing is believed before the MAC holds. */
export async function verifyRecord(set: SealerSet, keyring: string, bytes: Bytes): Promise<VerifiedRecord> {
  const signed = parseSigned(bytes)
  const text = signed.format === FORMAT ? await set.byId(signed.wrappingKeyId).verify(signed) : null
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

/** Every write seals the whole record under the first wrapping key: keys sealed under another are opened and sealed anew. */
export async function reseal(set: SealerSet, { record, wrappingKeyId }: VerifiedRecord): Promise<KeyringRecord> {
  if (wrappingKeyId === set.first.wrappingKeyId) return record
  const old = set.byId(wrappingKeyId)
  const keys = await Promise.all(
    record.keys.map(async (entry) => {
      const material = await old.openMaterial(entry.id, entry.key, entry.weak === true)
      return { ...entry, key: await set.first.sealMaterial(entry.id, material) }
    }),
  )
  return { ...record, keys }
}
