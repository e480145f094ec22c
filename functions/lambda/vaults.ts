/** The vaults behind references in the sync function: what the settings say of them, and what asks them. A start without any does not load it. */
import type { Parsed } from '../../src/config/answering.ts'
import type { Config } from '../../src/config/config.ts'
import type { EntitySettings } from '../../src/config/entities.ts'
import { readEntities } from '../../src/config/entities.ts'
import type { Env } from '../../src/config/setting.ts'
import type { VaultTls } from '../../src/config/vault.ts'
import { environmentBackend } from '../../src/secrets/environment.ts'
import type { VaultsPorts } from '../../src/vaults.ts'
import { forCallers, openKeepers } from '../../src/vaults.ts'
import { secretsManagerBackend } from '../node-shared/secrets-manager-vault.ts'
import { vaultFetch } from '../node-shared/vault-fetch.ts'
import type { TlsFiles } from '../node-shared/tls-files.ts'
import type { VaultFetch } from '../node-shared/way.ts'
import { dynamoItems } from './dynamo-items.ts'
import type { DynamoParts } from './dynamo-store.ts'

export interface SyncConfig extends Config {
  /** Absent = there are none. */
  readonly vaults?: readonly EntitySettings[]
}

/**
 * What is wrong with a vault stops it alone, and is told.
 * @param given the environment in which references still are references.
 * @param readTls `null` = nothing names a certificate.
 */
export function withEntities(
  parsed: Parsed<Config>,
  env: Env,
  given: Env,
  readTls: ((tls: VaultTls, now: number) => TlsFiles) | null,
): Parsed<SyncConfig> {
  if (!parsed.ok || parsed.config === null) return parsed
  const look = (tls: VaultTls) => readTls?.(tls, Date.now()).problems ?? []
  const { entities, broken, problems, notices } = readEntities(env, 'lambda-sync', look, given)
  if (problems.length > 0) return { ok: false, problems }
  const unused = broken.flatMap((each) => each.problems.map(({ name, message }) => `${name}: ${message}`))
  return {
    ok: true,
    config: { ...parsed.config, vaults: forCallers(entities) },
    notices: [...parsed.notices, ...notices, ...unused.map((one) => `not used: ${one}`)],
  }
}

type LambdaVaultsPorts = Omit<VaultsPorts, 'items' | 'fetchOf' | 'openOther'> & Omit<DynamoParts, 'table' | 'clock'>

/** Closed with the authority that it belongs to. */
export function openLambdaVaults(config: SyncConfig, ports: LambdaVaultsPorts) {
  const ways: VaultFetch[] = []
  const keepers = openKeepers(config.vaults ?? [], config, {
    ...ports,
    items: dynamoItems({ ...ports, table: config.lambda.secretsTable ?? '' }),
    fetchOf(vault) {
      const way = vaultFetch(vault)
      ways.push(way)
      return way.fetch
    },
    openOther(settings) {
      if (settings.type === 'env') return environmentBackend(process.env, settings.variableOf)
      if (settings.type === 'aws') return secretsManagerBackend(settings)
      throw new TypeError('Lambda has no folder of secrets.')
    },
  })
  return { keepers, close: async () => void (await Promise.all(ways.map((way) => way.close()))) }
}
