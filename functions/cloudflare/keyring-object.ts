/** The authority of one deployment, in its one Durable Object; Vault's fetches start here. */
import { DurableObject } from 'cloudflare:workers'
import { createAuthority } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Result } from '../../src/core/errors.ts'
import { KeyringError, settle } from '../../src/core/errors.ts'
import type { KeyringAuthority, KeyringChange, SyncOptions } from '../../src/core/ports.ts'
import { webCipher, webHash } from '../../src/crypto/web.ts'
import { workersClock } from './clock.ts'
import { ENCRYPT_BOUND_MS, SYNC_BATCH } from './limits.ts'
import { objectStore } from './object-store.ts'
import { settingsOf } from './settings.ts'
import { vaultFetch } from './vault-fetch.ts'

export class KeyringObject extends DurableObject<object> implements KeyringAuthority {
  readonly #authority: KeyringAuthority | null

  constructor(state: DurableObjectState, bindings: object) {
    super(state, bindings)
    const parsed = parseConfig(settingsOf(bindings), 'workers')
    this.#authority =
      parsed.ok && parsed.config !== null
        ? createAuthority(parsed.config, {
            cipher: webCipher,
            hash: webHash,
            clock: workersClock,
            store: objectStore({ sql: state.storage.sql, sync: () => state.storage.sync() }),
            fetch: vaultFetch(bindings, parsed.config.vault?.address),
            encryptBoundMs: ENCRYPT_BOUND_MS,
            syncBatch: SYNC_BATCH,
          })
        : null
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

  change(keyring: string, change: KeyringChange) {
    return this.#do((authority) => authority.change(keyring, change))
  }

  async #do<T>(work: (authority: KeyringAuthority) => Promise<Result<T>>): Promise<Result<T>> {
    const authority = this.#authority
    if (authority !== null) return work(authority)
    return settle(() => {
      throw new KeyringError('ERR_CONFIG_INVALID', 'The settings of this deployment are wrong; its log names them.')
    })
  }
}
