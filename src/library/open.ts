/** Opens a keyring for an application, on whatever platform: the parts of each are in `functions/<platform>/library.ts`. */
import type { Awaitable } from '../core/awaitable.ts'
import { KeyringError } from '../core/errors.ts'
import type { UsedAuthority } from '../core/operations.ts'
import type { Background, Cipher, Clock, Hash, NonceRules, Replica } from '../core/ports.ts'
import type { Freshness } from '../keyring/freshness.ts'
import { replicaAgeMs } from '../keyring/freshness.ts'
import { indexing } from '../keyring/indexing.ts'
import { synchronous as synchronousOf } from '../keyring/synchronous.ts'
import { UsableKeyring } from '../keyring/usable.ts'
import type { SnapshotParts } from '../keyring/snapshot.ts'
import type { SyncKeyring } from '../keyring/sync-keyring.ts'
import type { AuditSink, LibraryParts } from './library.ts'
import { LibraryKeyring } from './library.ts'
import type { UsingConfig } from './settings.ts'

/** What an application says beside the settings. */
export interface OpenOptions {
  /** Absent = `default`. */
  readonly keyring?: string
  /** Hears of each use. What it throws, the use rejects with. */
  readonly audit?: AuditSink
  /** All 24 bytes of a nonce are drawn for each value: no two tell that one process wrote them. It costs a key derivation for each. */
  readonly unlinkable?: boolean
}

export interface OpenParts extends Pick<SnapshotParts, 'stands'> {
  readonly config: UsingConfig
  readonly authority: UsedAuthority
  readonly replica: Replica | null
  readonly background: Background | null
  readonly cipher: Cipher
  /** One that answers at once. `null` = there is none. */
  readonly synchronous: Cipher | null
  readonly hash: Hash
  readonly clock: Clock
  readonly nonces: NonceRules
  readonly freshness: Freshness
  /** Called with what cannot wait; gives back what ends it. */
  readonly keepWarm?: (keyring: SyncKeyring) => () => void
  readonly close?: () => Awaitable<void>
}

/** @throws `ERR_KEYRING_NOT_FOUND`, and what a first look at the record is refused for. */
export const openLibrary = async (parts: OpenParts, options: OpenOptions): Promise<LibraryKeyring> =>
  new LibraryKeyring(await openParts(parts, options))

/** What a library's keyring is made of. */
export async function openParts(parts: OpenParts, options: OpenOptions): Promise<LibraryParts> {
  const { config, clock, synchronous, keepWarm, close } = parts
  const { keyring: name = 'default', audit = null, unlinkable = false } = options
  if (!config.keyrings.includes(name))
    throw new KeyringError('ERR_KEYRING_NOT_FOUND', 'There is no keyring of that name.', {
      remedy: 'Name it in KEYRINGS too.',
    })
  const keyring = await UsableKeyring.open(name, {
    ...parts,
    nonces: { ...parts.nonces, unlinkable },
    wrappingKeys: config.wrappingKeys,
    maxStalenessMs: config.maxStalenessMs,
    audit: { note: (event) => audit?.(event) },
    ages: { stampMs: replicaAgeMs(config.syncPeriodMs), recordMs: config.maxRecordAgeMs },
    siblings: config.keyrings.length,
  })
  await keyring.look()
  const faced = synchronous && (await synchronousOf(keyring, synchronous))
  // Its process may be one of several copies of an image: what the generator gives, each may be given.
  keyring.reset()
  const end = faced && keepWarm?.(faced)
  return {
    keyring,
    ...indexing(keyring, parts),
    clock,
    audit,
    synchronous: faced,
    async close() {
      end?.()
      await close?.()
    },
  }
}
