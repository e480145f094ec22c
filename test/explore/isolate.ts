/** Who encrypts in a scene: an instance that goes by what it holds, a copy or the store, and tells the witness which key it used. */
import { FRESHNESS } from '../../functions/cloudflare/limits.ts'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { KeyringError, refusal, settle } from '../../src/core/errors.ts'
import type { KeyringErrorCode } from '../../src/core/errors.ts'
import type { KeyringAuthority } from '../../src/core/operations.ts'
import type { Cipher, Clock, Replica, SharedStore } from '../../src/core/ports.ts'
import type { WrappingKey } from '../../src/crypto/seal.ts'
import type { Freshness } from '../../src/keyring/freshness.ts'
import { replicaAgeMs } from '../../src/keyring/freshness.ts'
import { Keyring } from '../../src/keyring/keyring.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import type { World } from '../support/authority.ts'
import { MAX_RECORD_AGE_MS, authorityOn } from '../support/authority.ts'
import type { Remembered } from '../support/crossing.ts'
import { remembering } from '../support/crossing.ts'
import type { Watched, Witness } from '../support/witness.ts'
import { activeIn } from '../support/witness.ts'

/** What stands under its name in a store or a replica. */
export type Items = readonly (readonly [string, Bytes])[]

/** Where a deployment keeps things, below all that waits. */
export interface Base {
  readonly store: SharedStore
  readonly replica: Remembered | null
  readonly freshness: Freshness
}

/** With a replica the readers are isolates of Workers; without one they ask the store, as long as that says. */
export async function baseOf(
  store: SharedStore,
  replica: Replica | undefined,
  stored: Items,
  copied: Items,
): Promise<Base> {
  for (const [name, bytes] of stored) await store.put(name, bytes, 0)
  const { readersMs } = store
  if (replica === undefined)
    return { store, replica: null, freshness: { freshMs: readersMs, backgroundMs: readersMs, pauseMs: 0 } }
  const held = remembering(replica)
  for (const [name, bytes] of copied) await held.set(name, bytes)
  return {
    store: { ...store, readersMs: FRESHNESS.backgroundMs + replicaAgeMs(null) },
    replica: held,
    freshness: FRESHNESS,
  }
}

export function memoryReplica(): Replica {
  const held = new Map<string, Bytes>()
  return {
    get: async (name) => held.get(name) ?? null,
    async set(name, bytes) {
      held.set(name, bytes.slice())
      return true
    },
  }
}

interface Parts {
  readonly authority: KeyringAuthority
  readonly replica: Replica | null
  readonly freshness: Freshness
  readonly clock: Clock
  readonly cipher: Cipher
}

export const openIsolate = (wrappingKeys: readonly WrappingKey[], parts: Parts): Promise<Keyring> =>
  Keyring.open('default', {
    ...parts,
    wrappingKeys,
    hash: nodeHash,
    background: null,
    audit: { note: () => {} },
    ages: { stampMs: replicaAgeMs(null), recordMs: MAX_RECORD_AGE_MS },
    siblings: 1,
  })

const NONE = new Uint8Array()
/** Whoever meets one of these may try again later; anything else means that the key in use cannot be used. */
const WAITING: ReadonlySet<KeyringErrorCode> = new Set([
  'ERR_SNAPSHOT_STALE',
  'ERR_STORE_UNAVAILABLE',
  'ERR_RECORD_ROLLED_BACK',
  'ERR_KEY_UNVERIFIED',
  'ERR_NO_ACTIVE_KEY',
])

/** Encrypts, and reads what it encrypted first. */
export function user(witness: Witness, on: Watched, store: SharedStore, open: () => Promise<Keyring>) {
  let opened: Promise<Keyring> | null = null
  let first: string | null = null
  return async (): Promise<void> => {
    const keyring = await (opened ??= open())
    try {
      const { ciphertext, keyId } = await keyring.encrypt(NONE, NONE)
      await witness.used(on, store, keyId)
      first ??= ciphertext
      await keyring.decrypt(first, NONE)
    } catch (error) {
      if (!(error instanceof KeyringError)) throw error
      if (error.code === 'ERR_KEY_NOT_FOUND') await witness.missed(store, String(error.facts['id']))
      else if (!WAITING.has(error.code)) witness.say('an active key cannot be read', error.code)
    }
  }
}

const GONE = refusal('ERR_AUTHORITY_UNAVAILABLE', 'Nobody can be asked.')

/** The next look of the schedule brings the copy up to the record, so that an instance that begins then needs nobody. */
export async function copyConverges(witness: Witness, on: World, replica: Replica, keys: readonly WrappingKey[]) {
  on.clock.time += 10 * 60_000
  await authorityOn(on, keys).syncIfDue('default')
  const parts = { authority: distantAuthority(async () => GONE), replica, freshness: FRESHNESS, clock: on.clock }
  const isolate = await openIsolate(keys, { ...parts, cipher: on.cipher ?? nodeCipher })
  const used = await settle(() => isolate.encrypt(NONE, NONE))
  const active = await activeIn(on.store)
  if (!used.ok) witness.say('it does not converge', `by a copy alone: ${used.error.code}`)
  else if (used.value.keyId !== active) witness.say('it does not converge', `a copy has not ${active}`)
}
