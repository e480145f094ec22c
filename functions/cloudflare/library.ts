/** `edge-keyring/cloudflare`: a keyring in a Worker of an application, by the bindings of the Worker that syncs it. */
import { waitUntil } from 'cloudflare:workers'
import { systemClock } from '../../src/core/clock.ts'
import type { Cipher } from '../../src/core/ports.ts'
import { NOTHING_AHEAD } from '../../src/crypto/encryptor.ts'
import { webCipher, webHash } from '../../src/crypto/web.ts'
import type { LibraryKeyring } from '../../src/library/library.ts'
import type { OpenOptions } from '../../src/library/open.ts'
import { openLibrary } from '../../src/library/open.ts'
import type { ReadableStore } from '../../src/core/ports.ts'
import { storeAuthority } from '../../src/library/reading.ts'
import type { KeyringObjects } from './authority-stub.ts'
import { objectAuthority } from './authority-stub.ts'
import { readGiven } from './given-settings.ts'
import type { Kv } from './kv-replica.ts'
import { kvReplica } from './kv-replica.ts'
import { FRESHNESS } from './limits.ts'

export * from '../../src/library/exports.ts'

export interface WorkerOptions extends OpenOptions {
  /** Where records are, in place of KEYRING_OBJECT. */
  readonly store?: ReadableStore
  /** `nodeCipher` of `edge-keyring/node-crypto`: what `keyring.sync` goes by. */
  readonly synchronous?: Cipher
}

interface LibraryBindings {
  readonly KEYRING_OBJECT?: KeyringObjects
  readonly KEYRING_REPLICA?: Kv
}

/** @param env the Worker's bindings. @throws `ERR_CONFIG_INVALID`, `ERR_KEYRING_NOT_FOUND`, and what the record is refused for. */
export async function openKeyring(env: object, options: WorkerOptions = {}): Promise<LibraryKeyring> {
  const bindings = env as LibraryBindings
  const { reading, config } = await readGiven(env)
  const { KEYRING_OBJECT: objects, KEYRING_REPLICA: kv } = bindings
  if (options.store === undefined && objects === undefined)
    reading.wrong('KEYRING_OBJECT', 'is required: a binding of the class KeyringObject, with script_name')
  reading.end()
  const primitives = { cipher: webCipher, hash: webHash, clock: systemClock }
  return openLibrary(
    {
      ...primitives,
      config,
      authority:
        options.store === undefined && objects !== undefined
          ? objectAuthority(objects, null)
          : storeAuthority({ ...primitives, store: options.store ?? NOTHING }, config),
      replica: kv === undefined ? null : kvReplica(kv, (line) => console.warn(line)),
      background: waitUntil,
      synchronous: options.synchronous ?? null,
      nonces: NOTHING_AHEAD,
      freshness: FRESHNESS,
    },
    options,
  )
}

const NOTHING: ReadableStore = { get: async () => null }
