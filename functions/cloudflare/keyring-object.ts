/** The authority of one deployment, in its one Durable Object; Vault's fetches start here. */
import { DurableObject } from 'cloudflare:workers'
import { createAuthority } from '../../src/app.ts'
import { rare } from '../../src/rare.ts'
import { outcomeOf } from '../../src/config/outcome.ts'
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { Result } from '../../src/core/errors.ts'
import { refusal } from '../../src/core/errors.ts'
import { defectLine, settingLine } from '../../src/core/lines.ts'
import type { AnswerTo, KeyringAuthority, Operation } from '../../src/core/operations.ts'
import { webCipher, webHash } from '../../src/crypto/web.ts'
import { replicaAgeMs } from '../../src/keyring/freshness.ts'
import { parseMessage } from '../../src/keyring/message-schema.ts'
import { RenewedAuthority } from '../../src/keyring/renewed-authority.ts'
import { sqlItems } from '../../src/secrets/sql-items.ts'
import { workerAudit } from './audit.ts'
import type { ReplicaBinding } from './bindings.ts'
import { liveBindings, replicaOf, settingsOf } from './bindings.ts'
import { FRESHNESS, SYNC_BATCH } from './limits.ts'
import { objectSql, objectStore } from './object-store.ts'
import { answerRead } from './read-call.ts'
import { openWorkersVaults } from './vaults.ts'
import { vaultFetch } from './vault-fetch.ts'

export class KeyringObject extends DurableObject<ReplicaBinding> {
  /** Calls of one object may wait for each other. */
  #opening: Promise<KeyringAuthority | null> | null = null

  /** The call `read`. */
  override fetch({ url }: Request) {
    return answerRead(url, (message) => this.#do((authority) => authority.call(message)))
  }

  /** Every other call. */
  call(message: unknown): Promise<Result<AnswerTo<Operation>>> {
    return this.#do(async (authority) => {
      const parsed = parseMessage(message)
      return parsed === null
        ? refusal('ERR_REQUEST_INVALID', 'This is no message to the authority.')
        : authority.call(parsed)
    })
  }

  /** What is wrong with the settings may be that a secret could not be read: that is tried again. */
  async #open(): Promise<KeyringAuthority | null> {
    const authority = await (this.#opening ??= authorityOf(this.ctx, this.env))
    if (authority === null) this.#opening = null
    return authority
  }

  /** Only data crosses: a defect is named in this log alone. */
  async #do<T>(work: (authority: KeyringAuthority) => Promise<Result<T>>): Promise<Result<T>> {
    const authority = await this.#open()
    if (authority === null)
      return refusal('ERR_CONFIG_INVALID', 'The settings of this deployment are wrong; its log names them.')
    try {
      return await work(authority)
    } catch (error) {
      console.error(defectLine(error, 'object'))
      return refusal('ERR_INTERNAL', 'Something went wrong in the Durable Object.')
    }
  }
}

/** Secrets are read anew with the schedule, and when Vault or a wrapping key has failed. */
async function authorityOf(state: DurableObjectState, bindings: ReplicaBinding): Promise<KeyringAuthority | null> {
  const { storage } = state
  const { parsed, renew } = await liveBindings(bindings)
  const { config: given } = outcomeOf(parsed)
  if (given === null) return null
  const disk = { sql: storage.sql, sync: () => storage.sync() }
  const store = objectStore(disk, FRESHNESS.backgroundMs + replicaAgeMs(given.syncPeriodMs))
  const items = sqlItems(objectSql(disk), () => systemClock.now())
  const log = (line: string) => console.warn(line)
  const shared = { cipher: webCipher, hash: webHash, clock: systemClock, store, log, loadRare: () => rare }
  const open = (config: VaultsConfig) => {
    const replica = replicaOf(bindings, config.maxRecordAgeMs)
    const authority = createAuthority(config, {
      ...shared,
      replica: replicaOf(bindings),
      fetch: vaultFetch(bindings, config.vault?.address),
      readFile: null,
      probe: null,
      vaults: openWorkersVaults(config, bindings, settingsOf(bindings), { ...shared, items, replica }),
      syncBatch: SYNC_BATCH,
      leftMs: () => Number.POSITIVE_INFINITY,
      audit: workerAudit((work) => state.waitUntil(work)),
    })
    return { config, authority, close: async () => {} }
  }
  const tell = (setting: string, problem: string) => console.error(settingLine(setting, problem))
  return new RenewedAuthority({ first: open(given), renew, open, clock: systemClock, tell })
}
