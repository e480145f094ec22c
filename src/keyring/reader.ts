/** What the store alone can say of a keyring: no source is asked, nothing is written. */
import type { Bytes } from '../core/bytes.ts'
import { KeyringError, settle } from '../core/errors.ts'
import type { KeyringAuthority, NextTry, Operation, SealedUnder } from '../core/operations.ts'
import type { Cipher, Clock, Hash, ReadableStore } from '../core/ports.ts'
import type { Doubt } from '../core/time.ts'
import type { SealerSet, WrappingKey } from '../crypto/seal.ts'
import { parseSigned, sealers } from '../crypto/seal.ts'
import { statusName } from './last-sync.ts'
import { Ledger } from './ledger.ts'
import type { Handlers, HandlersOf, Look } from './messages.ts'
import { recordName } from './record.ts'
import type { StoredStatus } from './status.ts'
import { StatusReader, nextTry, silentFrom } from './status.ts'

export interface ReaderParts {
  readonly store: ReadableStore
  readonly cipher: Cipher
  readonly hash: Hash
  readonly clock: Clock
  readonly wrappingKeys: readonly WrappingKey[]
  /** Between two syncs by themselves, in milliseconds; `null` = never. */
  readonly syncPeriodMs: number | null
  readonly doubt: Doubt
}

export class Reader {
  readonly ledger: Ledger
  readonly log: StatusReader
  readonly #parts: ReaderParts
  readonly #keyring: string

  /** @param ledger of whoever writes too, because both must have seen the same. */
  constructor(
    parts: ReaderParts,
    set: SealerSet,
    keyring: string,
    ledger: Ledger = new Ledger(parts.store, set, keyring),
  ) {
    this.#parts = parts
    this.#keyring = keyring
    this.ledger = ledger
    this.log = new StatusReader(parts, set, keyring)
  }

  read(known: number): Promise<Bytes | 'unchanged' | null> {
    return this.ledger.beyond(known)
  }

  /** @param pushed Absent = as it was when somebody last synced or pushed. */
  async status(pushed?: boolean): Promise<Omit<StoredStatus, 'items' | 'offered'> & NextTry & SealedUnder> {
    const { items, offered: _, ...stored } = await this.log.read()
    const status = { ...stored, pushed: pushed ?? stored.pushed }
    const { syncPeriodMs, clock } = this.#parts
    const names = [recordName(this.#keyring), statusName(this.#keyring)]
    const [record = null, ofStatus = null] = await Promise.all(names.map((name) => this.#wrappingKeyId(name)))
    return {
      ...status,
      nextTry: status.pushed ? null : nextTry(status, syncPeriodMs, clock.now()),
      silentFrom: silentFrom(status, syncPeriodMs),
      sealedUnder: { record, status: ofStatus, items },
    }
  }

  /** As its first line names it, also where the settings lack that key. */
  async #wrappingKeyId(name: string): Promise<string | null> {
    const stored = await this.#parts.store.get(name)
    const signed = stored && (await settle(() => parseSigned(stored.bytes)))
    return signed?.ok ? signed.value.wrappingKeyId : null
  }
}

/** The authority of a function that reads the store itself. @param beyond is asked for everything else. */
export function readingAuthority(
  parts: ReaderParts,
  keyrings: readonly string[],
  beyond: KeyringAuthority,
): KeyringAuthority {
  const opened = new Map<string, Reader>()
  const reader = async (name: string): Promise<Reader> => {
    if (!keyrings.includes(name)) throw new KeyringError('ERR_KEYRING_NOT_FOUND', 'There is no keyring of that name.')
    const found =
      opened.get(name) ?? new Reader(parts, await sealers(parts.cipher, parts.hash, parts.wrappingKeys, name), name)
    opened.set(name, found)
    return found
  }
  const looks: Partial<HandlersOf<Operation>> = {
    read: async ({ keyring, known }) => (await reader(keyring)).read(known),
    status: async ({ keyring }) => withoutReplica(await (await reader(keyring)).status()),
  } satisfies Pick<Handlers, Look>
  return {
    call(message) {
      const look = looks[message.call]
      return look === undefined ? beyond.call(message) : settle(() => look(message))
    },
  }
}

function withoutReplica(all: Awaited<ReturnType<Reader['status']>>) {
  const { replicated: _, ...status } = all
  return { ...status, replica: null }
}
