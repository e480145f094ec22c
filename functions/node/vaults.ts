/** The vaults behind references on Node, where there may be a folder of secrets. */
import type { AskedVaultsPorts } from '../node-shared/asked-vaults.ts'
import { openAskedVaults } from '../node-shared/asked-vaults.ts'
import { fileBackend } from '../node-shared/secret-files.ts'

export const openNodeVaults = (config: Parameters<typeof openAskedVaults>[0], ports: AskedVaultsPorts) =>
  openAskedVaults(config, ports, fileBackend)
