/** The vaults behind references where there is Node, on a server and on Lambda: the ways there, and what is no Vault. */
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import type { SecretBackend } from '../../src/core/secrets.ts'
import { environmentBackend } from '../../src/secrets/environment.ts'
import type { VaultsPorts } from '../../src/vaults.ts'
import { openKeepers } from '../../src/vaults.ts'
import { probeOf } from './probe.ts'
import { secretsManagerBackend } from './secrets-manager-vault.ts'
import { vaultFetch } from './vault-fetch.ts'
import type { VaultFetch } from './way.ts'

export type AskedVaultsPorts = Omit<VaultsPorts, 'fetchOf' | 'openOther' | 'probeOf'>

/** Closed with the authority that it belongs to. @param openFolder what reads files, where there is a folder of secrets. */
export function openAskedVaults(
  config: Pick<VaultsConfig, 'vaults' | 'brokenVaults' | 'wrappingKeys'>,
  ports: AskedVaultsPorts,
  openFolder: (folder: string) => SecretBackend,
) {
  const ways: VaultFetch[] = []
  const keepers = openKeepers(config.vaults ?? [], config, {
    ...ports,
    fetchOf(vault) {
      const way = vaultFetch(vault)
      ways.push(way)
      return way.fetch
    },
    probeOf: (vault) => probeOf(vault, ports.clock),
    openOther(settings) {
      if (settings.type === 'env') return environmentBackend(process.env, settings.variableOf)
      return settings.type === 'aws' ? secretsManagerBackend(settings) : openFolder(settings.folder)
    },
  })
  return { keepers, close: async () => void (await Promise.all(ways.map((way) => way.close()))) }
}
