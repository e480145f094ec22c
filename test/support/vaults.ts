/** The parts of what asks vaults, in memory: a test says what answers. */
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import type { Clock } from '../../src/core/ports.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'
import { memoryItems } from '../../src/secrets/memory-items.ts'
import type { VaultsPorts } from '../../src/vaults.ts'

export const vaultsPorts = (clock: Clock, answers: Pick<VaultsPorts, 'fetchOf' | 'openOther'>): VaultsPorts => ({
  cipher: nodeCipher,
  hash: nodeHash,
  clock,
  store: memoryStore(),
  items: memoryItems(() => clock.now()),
  readFile: null,
  log: () => {},
  loadRare: () => rare,
  probeOf: () => null,
  ...answers,
})
