/** The vaults behind references, as the HTTP function answers for them: a start without any does not load it. */
import type { LambdaHttpConfig } from '../../src/config/answering.ts'
import { forCallers, knownEntities } from '../../src/config/entity.ts'
import type { Env } from '../../src/config/setting.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { KeyringAuthority } from '../../src/core/operations.ts'
import type { Vaults } from '../../src/http/call.ts'
import { openVaults, readingVaults } from '../../src/vaults.ts'
import { nodeCipher, nodeHash } from '../node-shared/cipher.ts'
import { dynamoItem } from './dynamo-items.ts'
import type { DynamoParts } from './dynamo-reader.ts'
import { FRESHNESS } from './limits.ts'

interface HttpVaultsParts extends Omit<DynamoParts, 'table' | 'clock'> {
  /** Is asked for what the table cannot answer. */
  readonly beyond: KeyringAuthority
}

/** What is wrong with a vault stops it alone, what is wrong with the list stops all of it; keyrings are used on. Both are told. */
export function openHttpVaults(env: Env, config: LambdaHttpConfig, { aws, leftMs, beyond }: HttpVaultsParts): Vaults {
  const { entities, broken, problems } = knownEntities(env, 'lambda-http')
  for (const { name, message } of [...problems, ...broken.flatMap((each) => each.problems)])
    console.warn(`not used: ${name}: ${message}`)
  const able = forCallers(entities)
  const primitives = { cipher: nodeCipher, hash: nodeHash, clock: systemClock }
  const items = { get: dynamoItem({ aws, table: config.secretsTable, clock: systemClock, leftMs }) }
  const authority = readingVaults(able, config, { ...primitives, items, beyond })
  return openVaults(able, config, { ...primitives, authority, broken, freshMs: FRESHNESS.freshMs })
}
