/** References without a store: they are resolved straight from the vaults, and nothing outlives the process. */
import type { EntitySettings } from '../../src/config/entities.ts'
import { systemClock } from '../../src/core/clock.ts'
import { Secret } from '../../src/core/secret.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'
import { memoryItems } from '../../src/secrets/memory-items.ts'
import type { Secrets } from '../../src/secrets/secrets.ts'
import { openVaults } from '../../src/vaults.ts'
import { nodeCipher, nodeHash } from '../node-shared/cipher.ts'
import { readTextFile } from '../node-shared/text-file.ts'
import { newWrappingKey } from './local.ts'
import { openNodeVaults } from './vaults.ts'

interface Straight {
  /** `null` = there are no vaults. */
  readonly secrets: Secrets | null
  readonly close: () => Promise<void>
}

/** The key is drawn for this process. The token of a login is forgotten with it, and ends by itself. @param log takes a line. */
export function openStraight(vaults: readonly EntitySettings[], log: (line: string) => void): Straight {
  const config = { vaults, wrappingKeys: [{ id: 'process', purpose: null, key: new Secret(newWrappingKey()) }] }
  const shared = { cipher: nodeCipher, hash: nodeHash, clock: systemClock }
  const kept = { store: memoryStore(), items: memoryItems(() => systemClock.now()) }
  const { keepers, close } = openNodeVaults(config, {
    ...shared,
    ...kept,
    readFile: readTextFile,
    loadRare: () => rare,
    log,
  })
  return { ...openVaults(vaults, config, { ...shared, authority: keepers, freshMs: 0, broken: [] }), close }
}
