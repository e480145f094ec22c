/** The authority of one deployment, in its one Durable Object; Vault's fetches start here. */
import { DurableObject } from 'cloudflare:workers'
import { createAuthority } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { outcomeOf } from '../../src/config/outcome.ts'
import type { KeyringErrorCode, Result } from '../../src/core/errors.ts'
import { KeyringError, settle } from '../../src/core/errors.ts'
import { defectLine } from '../../src/core/lines.ts'
import type { KeyringAuthority, KeyringChange, SyncOptions } from '../../src/core/ports.ts'
import { webCipher, webHash } from '../../src/crypto/web.ts'
import { encryptBoundMs } from '../../src/keyring/freshness.ts'
import type { ReplicaBinding } from './bindings.ts'
import { replicaOf, settingsOf } from './bindings.ts'
import { workersClock } from './clock.ts'
import { FRESHNESS, SYNC_BATCH } from './limits.ts'
import { objectStore } from './object-store.ts'
import { answerRead } from './read-call.ts'
import { vaultFetch } from './vault-fetch.ts'

export class KeyringObject extends DurableObject<ReplicaBinding> implements KeyringAuthority {
  readonly #authority: KeyringAuthority | null

  constructor(state: DurableObjectState, bindings: ReplicaBinding) {
    super(state, bindings)
    this.#authority = authorityOf(state, bindings)
  }

  override fetch({ url }: Request) {
    return answerRead(url, (keyring, known) => this.read(keyring, known))
  }

  read(keyring: string, known: number) {
    return this.#do((authority) => authority.read(keyring, known))
  }

  status(keyring: string) {
    return this.#do((authority) => authority.status(keyring))
  }

  sync(keyring: string, options: SyncOptions) {
    return this.#do((authority) => authority.sync(keyring, options))
  }

  syncIfDue(keyring: string) {
    return this.#do((authority) => authority.syncIfDue(keyring))
  }

  diagnose(keyring: string) {
    return this.#do((authority) => authority.diagnose(keyring))
  }

  change(keyring: string, change: KeyringChange) {
    return this.#do((authority) => authority.change(keyring, change))
  }

  /** Only data crosses: a defect is named in this log alone. */
  async #do<T>(work: (authority: KeyringAuthority) => Promise<Result<T>>): Promise<Result<T>> {
    const authority = this.#authority
    if (authority === null)
      return failed('ERR_CONFIG_INVALID', 'The settings of this deployment are wrong; its log names them.')
    try {
      return await work(authority)
    } catch (error) {
      console.error(defectLine(error, 'object'))
      return failed('ERR_INTERNAL', 'Something went wrong in the Durable Object.')
    }
  }
}

const failed = (code: KeyringErrorCode, message: string): Promise<Result<never>> =>
  settle(() => {
    throw new KeyringError(code, message)
  })

function authorityOf({ storage }: DurableObjectState, bindings: ReplicaBinding): KeyringAuthority | null {
  const { config } = outcomeOf(parseConfig(settingsOf(bindings), 'workers'))
  if (config === null) return null
  return createAuthority(config, {
    cipher: webCipher,
    hash: webHash,
    clock: workersClock,
    store: objectStore({ sql: storage.sql, sync: () => storage.sync() }),
    replica: replicaOf(bindings),
    fetch: vaultFetch(bindings, config.vault?.address),
    readFile: null,
    encryptBoundMs: encryptBoundMs(FRESHNESS, config.syncPeriodMs),
    probe: null,
    syncBatch: SYNC_BATCH,
    leftMs: () => Number.POSITIVE_INFINITY,
  })
}
