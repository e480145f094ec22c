/** The vaults behind references on Node: the ways there, and what is no Vault. */
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import { environmentBackend } from '../../src/secrets/environment.ts'
import type { VaultsPorts } from '../../src/vaults.ts'
import { openKeepers } from '../../src/vaults.ts'
import { probeOf } from '../node-shared/probe.ts'
import { fileBackend } from '../node-shared/secret-files.ts'
import { secretsManagerBackend } from '../node-shared/secrets-manager-vault.ts'
import { vaultFetch } from '../node-shared/vault-fetch.ts'
import type { VaultFetch } from '../node-shared/way.ts'

/** Closed with the authority that it belongs to. */
export function openNodeVaults(
  config: Pick<VaultsConfig, 'vaults' | 'wrappingKeys'>,
  ports: Omit<VaultsPorts, 'fetchOf' | 'openOther' | 'probeOf'>,
) {
  const { vaults: entities = [] } = config
  const ways: VaultFetch[] = []
  const keepers = openKeepers(entities, config, {
    ...ports,
    fetchOf(vault) {
      const way = vaultFetch(vault)
      ways.push(way)
      return way.fetch
    },
    probeOf: (vault) => probeOf(vault, ports.clock),
    openOther: (settings) =>
      settings.type === 'fs'
        ? fileBackend(settings.folder)
        : settings.type === 'env'
          ? environmentBackend(process.env, settings.variableOf)
          : secretsManagerBackend(settings),
  })
  return { keepers, close: async () => void (await Promise.all(ways.map((way) => way.close()))) }
}
