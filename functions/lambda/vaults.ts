/** The vaults behind references in the sync function, with the table of what they have said. A start without any does not load it. */
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import type { AskedVaultsPorts } from '../node-shared/asked-vaults.ts'
import { openAskedVaults } from '../node-shared/asked-vaults.ts'
import { dynamoItems } from './dynamo-items.ts'
import type { DynamoParts } from './dynamo-reader.ts'

type LambdaVaultsPorts = Omit<AskedVaultsPorts, 'items'> & Omit<DynamoParts, 'table' | 'clock'>

export const openLambdaVaults = (config: VaultsConfig, ports: LambdaVaultsPorts) =>
  openAskedVaults(
    config,
    { ...ports, items: dynamoItems({ ...ports, table: config.lambda.secretsTable ?? '' }) },
    () => {
      throw new TypeError('Lambda has no folder of secrets.')
    },
  )
