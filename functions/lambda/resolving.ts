/** `edge-keyring/references/lambda`: references out of the DynamoDB table that the sync function writes; the deployment is asked for the rest. */
import { systemClock } from '../../src/core/clock.ts'
import { serviceOf } from '../../src/library/http-service.ts'
import type { StoredReferencesOptions } from '../../src/library/open-stored.ts'
import { storedReferences } from '../../src/library/open-stored.ts'
import type { References } from '../../src/library/references.ts'
import type { Given } from '../../src/library/settings.ts'
import { SettingsReading, keysConfig } from '../../src/library/settings.ts'
import { itemsOfStore } from '../../src/library/stored-values.ts'
import { nodeCipher, nodeHash } from '../node-shared/cipher.ts'
import { dynamoItem } from './dynamo-items.ts'
import { reached, tableIn } from './given-settings.ts'

export * from '../../src/library/resolving.ts'
export type { StoredReferencesOptions } from '../../src/library/open-stored.ts'

/** @param env settings by name. @throws `ERR_CONFIG_INVALID`. */
export async function openReferences(
  env: Given = process.env,
  options: StoredReferencesOptions = {},
): Promise<References> {
  const reading = new SettingsReading(env)
  const config = keysConfig(reading)
  const { store } = options
  reading.needs('KEYRING_WRAPPING_KEYS', 'those of the sync function, or what was derived from them for a vault')
  const [records, given] = [tableIn(reading, 'KEYRING_TABLE'), tableIn(reading, 'KEYRING_SECRETS_TABLE')]
  if (store === undefined && given === '')
    reading.needs('KEYRING_TABLE', 'the name of the DynamoDB table, or KEYRING_SECRETS_TABLE')
  const way = reached(reading, env, store === undefined)
  reading.end()
  const table = given || `${records}-secrets`
  const items = itemsOfStore(store ?? { get: dynamoItem({ ...way, table, clock: systemClock }) })
  return storedReferences({
    config,
    service: serviceOf(env, options.service),
    cipher: nodeCipher,
    hash: nodeHash,
    items,
  })
}
