/** The vaults behind references in the sync function: what asks them. A start without any does not load it. */
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import { environmentBackend } from '../../src/secrets/environment.ts'
import type { VaultsPorts } from '../../src/vaults.ts'
import { openKeepers } from '../../src/vaults.ts'
import { probeOf } from '../node-shared/probe.ts'
import { secretsManagerBackend } from '../node-shared/secrets-manager-vault.ts'
import { vaultFetch } from '../node-shared/vault-fetch.ts'
import type { VaultFetch } from '../node-shared/way.ts'
import { dynamoItems } from './dynamo-items.ts'
import type { DynamoParts } from './dynamo-store.ts'

type LambdaVaultsPorts = Omit<VaultsPorts, 'items' | 'fetchOf' | 'openOther' | 'probeOf'> &
  Omit<DynamoParts, 'table' | 'clock'>

/** Closed with the authority that it belongs to. */
export function openLambdaVaults(config: VaultsConfig, ports: LambdaVaultsPorts) {
  const ways: VaultFetch[] = []
  const keepers = openKeepers(config.vaults ?? [], config, {
    ...ports,
    items: dynamoItems({ ...ports, table: config.lambda.secretsTable ?? '' }),
    fetchOf(vault) {
      const way = vaultFetch(vault)
      ways.push(way)
      return way.fetch
    },
    probeOf: (vault) => probeOf(vault, ports.clock),
    openOther(settings) {
      if (settings.type === 'env') return environmentBackend(process.env, settings.variableOf)
      if (settings.type === 'aws') return secretsManagerBackend(settings)
      throw new TypeError('Lambda has no folder of secrets.')
    },
  })
  return { keepers, close: async () => void (await Promise.all(ways.map((way) => way.close()))) }
}
