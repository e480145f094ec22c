/** `edge-keyring/node`: a keyring in the process of an application, out of the SQLite file that a server beside it syncs into. */
import { systemClock } from '../../src/core/clock.ts'
import { recordName } from '../../src/keyring/record.ts'
import type { SyncKeyring } from '../../src/keyring/sync-keyring.ts'
import type { LibraryKeyring } from '../../src/library/library.ts'
import type { OpenOptions } from '../../src/library/open.ts'
import { openLibrary } from '../../src/library/open.ts'
import type { ReadableStore } from '../../src/core/ports.ts'
import { storeAuthority } from '../../src/library/reading.ts'
import type { Given } from '../../src/library/settings.ts'
import { SettingsReading, usingConfig } from '../../src/library/settings.ts'
import { nodeCipher, nodeHash } from '../node-shared/cipher.ts'
import { nodeNonces } from '../node-shared/nonces.ts'
import { sqliteReader } from './sqlite-reader.ts'

export * from '../../src/library/exports.ts'

export interface NodeOptions extends OpenOptions {
  /** Where records are, in place of KEYRING_DATABASE. */
  readonly store?: ReadableStore
}

/** As long as an instance on SQLite goes by what it has read. */
const FRESHNESS = { freshMs: 1000, backgroundMs: 1000, pauseMs: 0 }
/** Well within that, in milliseconds: who cannot wait finds it fresh. */
const WARM_MS = 400

/** @param env settings by name. @throws `ERR_CONFIG_INVALID`, `ERR_STORE_UNAVAILABLE`, `ERR_KEYRING_NOT_FOUND`, and what the record is refused for. */
export async function openKeyring(env: Given = process.env, options: NodeOptions = {}): Promise<LibraryKeyring> {
  const reading = new SettingsReading(env)
  const config = usingConfig(reading)
  reading.needs('KEYRING_WRAPPING_KEYS', 'those of the server that syncs')
  if (options.store === undefined) reading.needs('KEYRING_DATABASE', 'the file of the server that syncs')
  reading.end()
  const { store, peek, close } = options.store
    ? { store: options.store, peek: null, close: () => {} }
    : await sqlite(String(env['KEYRING_DATABASE']))
  const primitives = { cipher: nodeCipher, hash: nodeHash, clock: systemClock }
  const name = recordName(options.keyring ?? 'default')
  try {
    return await openLibrary(
      {
        ...primitives,
        config,
        authority: storeAuthority({ ...primitives, store }, config),
        replica: null,
        background: null,
        synchronous: nodeCipher,
        nonces: nodeNonces,
        freshness: FRESHNESS,
        stands: peek === null ? undefined : (bytes) => isStanding(() => isSame(peek(name)?.bytes, bytes)),
        keepWarm,
        close,
      },
      options,
    )
  } catch (error) {
    close()
    throw error
  }
}

async function sqlite(path: string) {
  const reader = await sqliteReader(path)
  return { store: reader, peek: (name: string) => reader.peek(name), close: () => reader.close() }
}

/** Whatever else is written to the file, it is read anew: the same bytes are another object then. */
const isSame = (stored: Uint8Array | undefined, held: Uint8Array): boolean =>
  stored === held || (stored !== undefined && Buffer.compare(stored, held) === 0)

/** While somebody writes, nothing can be said. */
function isStanding(look: () => boolean): boolean {
  try {
    return look()
  } catch {
    return false
  }
}

/** The process may end all the same. */
function keepWarm(keyring: SyncKeyring): () => void {
  const timer = setInterval(() => keyring.keepFresh(), WARM_MS).unref()
  return () => clearInterval(timer)
}
