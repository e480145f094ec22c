/** A keyring of whoever reads the record store itself: it asks nobody for a sync, and so never logs in to a vault. */
import { refusal } from '../core/errors.ts'
import type { KeyringAuthority } from '../core/operations.ts'
import type { Cipher, Clock, Hash, RecordStore } from '../core/ports.ts'
import { readingAuthority } from '../keyring/reader.ts'
import type { UsingConfig } from './settings.ts'

/** A record store, as far as it is read. */
export type ReadableStore = Pick<RecordStore, 'get'>

interface ReadingParts {
  readonly store: ReadableStore
  readonly cipher: Cipher
  readonly hash: Hash
  readonly clock: Clock
}

/** What a deployment of its own does, such as looking for a key at its source. */
export const NOBODY: KeyringAuthority = {
  call: async () => refusal('ERR_AUTHORITY_UNAVAILABLE', 'Keyrings are only read here.'),
}

/** @param beyond is asked for what is not read. */
export function storeAuthority(
  parts: ReadingParts,
  { wrappingKeys, syncPeriodMs, keyrings }: UsingConfig,
  beyond: KeyringAuthority = NOBODY,
): KeyringAuthority {
  const store: RecordStore = { get: (name) => parts.store.get(name), put }
  return readingAuthority({ ...parts, store, wrappingKeys, syncPeriodMs, doubt: () => {} }, keyrings, beyond)
}

const put = (): never => {
  throw new TypeError('A store that is only read.')
}
