/** What the store alone can say of a keyring: no source is asked, nothing is written. */
import type { Bytes } from '../core/bytes.ts'
import { KeyringError, settle } from '../core/errors.ts'
import type { Cipher, Clock, Hash, KeyringAuthority, NextTry, RecordStore } from '../core/ports.ts'
import type { SealerSet, WrappingKey } from '../crypto/seal.ts'
import { sealers } from '../crypto/seal.ts'
import type { OnSaved } from './ledger.ts'
import { Ledger } from './ledger.ts'
import type { StoredStatus } from './status.ts'
import { StatusLog, nextTry } from './status.ts'

export interface ReaderParts {
  readonly store: RecordStore
  readonly cipher: Cipher
  readonly hash: Hash
  readonly clock: Clock
  readonly wrappingKeys: readonly WrappingKey[]
  /** Between two syncs by themselves, in milliseconds; `null` = never. */
  readonly syncPeriodMs: number | null
}

export class Reader {
  readonly ledger: Ledger
  readonly log: StatusLog
  readonly #parts: ReaderParts

  constructor(parts: ReaderParts, set: SealerSet, keyring: string, onSaved?: OnSaved) {
    this.#parts = parts
    this.ledger = new Ledger(parts.store, set, parts.clock, keyring, onSaved)
    this.log = new StatusLog(parts.store, set, parts.clock, keyring)
  }

  async read(known: number): Promise<Bytes | 'unchanged' | null> {
    const loaded = await this.ledger.load()
    return loaded === null ? null : loaded.record.revision === known ? 'unchanged' : loaded.bytes
  }

  async status(): Promise<StoredStatus & NextTry> {
    const status = await this.log.read()
    return { ...status, nextTry: nextTry(status, this.#parts.syncPeriodMs, this.#parts.clock.now()) }
  }
}

/** The part of the authority that a function has which only reads. */
export function readingAuthority(
  parts: ReaderParts,
  keyrings: readonly string[],
): Pick<KeyringAuthority, 'read' | 'status'> {
  const opened = new Map<string, Reader>()
  const reader = async (name: string): Promise<Reader> => {
    if (!keyrings.includes(name)) throw new KeyringError('ERR_KEYRING_NOT_FOUND', 'There is no keyring of that name.')
    const found =
      opened.get(name) ?? new Reader(parts, await sealers(parts.cipher, parts.hash, parts.wrappingKeys, name), name)
    opened.set(name, found)
    return found
  }
  return {
    read: (name, known) => settle(async () => (await reader(name)).read(known)),
    status: (name) => settle(async () => withoutReplica(await (await reader(name)).status())),
  }
}

function withoutReplica(all: StoredStatus & NextTry) {
  const { replicated: _, ...status } = all
  return { ...status, replica: null }
}
