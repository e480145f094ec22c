/** A keyring of whoever reads the record store itself: it asks nobody for a sync, and so never logs in to a vault. */
import type { Awaitable } from '../core/awaitable.ts'
import { KeyringError, refusal, settle } from '../core/errors.ts'
import type { UsedAuthority, UsedHandlers } from '../core/operations.ts'
import type { Cipher, Clock, Hash, ReadableStore } from '../core/ports.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { sealers } from '../crypto/seal.ts'
import { lastSync } from '../keyring/last-sync.ts'
import { Ledger } from '../keyring/ledger.ts'
import type { UsingConfig } from './settings.ts'

interface ReadingParts {
  readonly store: ReadableStore
  readonly cipher: Cipher
  readonly hash: Hash
  readonly clock: Clock
}

/** What a deployment of its own does, such as looking for a key at its source. */
export const NOBODY: UsedAuthority = {
  call: async () => refusal('ERR_AUTHORITY_UNAVAILABLE', 'Keyrings are only read here.'),
}

interface Opened {
  readonly set: SealerSet
  readonly ledger: Ledger
}

/** @param beyond is asked for what is not read. */
export function storeAuthority(
  parts: ReadingParts,
  { wrappingKeys }: Pick<UsingConfig, 'wrappingKeys'>,
  beyond = NOBODY,
): UsedAuthority {
  const { cipher, hash } = parts
  const store = guarded(parts.store)
  const held = new Map<string, Opened>()
  const open = async (name: string): Promise<Opened> => {
    const set = await sealers(cipher, hash, wrappingKeys, name)
    const opened = held.get(name) ?? { set, ledger: new Ledger(store, set, name) }
    held.set(name, opened)
    return opened
  }
  const opened = (name: string): Awaitable<Opened> => held.get(name) ?? open(name)
  const looks: Partial<UsedHandlers> = {
    read: async ({ keyring, known }) => (await opened(keyring)).ledger.beyond(known),
    status: async ({ keyring }) => ({
      lastSuccess: await lastSync({ ...parts, store }, (await opened(keyring)).set, keyring),
    }),
  }
  return {
    call(message) {
      const look = looks[message.call]
      return look === undefined ? beyond.call(message) : settle(() => look(message))
    },
  }
}

/** A store of an application's own throws what it likes, in words that may quote what it was given. */
const guarded = (store: ReadableStore): ReadableStore => ({
  async get(name) {
    const asked = async () => store.get(name)
    const stored = await asked().catch((error: unknown) => {
      if (error instanceof KeyringError) throw error
    })
    if (stored === null || stored?.bytes instanceof Uint8Array) return stored
    throw new KeyringError('ERR_STORE_UNAVAILABLE', 'The store fails, or gives neither null nor {bytes, version}.')
  },
})
