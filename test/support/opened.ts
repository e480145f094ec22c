/** For tests: one process of a deployment, from its settings to its syncs and its doctor, with a store in memory. */
import { readFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { vaultFetch } from '../../functions/node-shared/vault-fetch.ts'
import { createAuthority } from '../../src/app.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { ErrorData } from '../../src/core/errors.ts'
import type { Finding } from '../../src/core/findings.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'
import { configOf } from './syncing.ts'

export function opened(env: Readonly<Record<string, string>>) {
  const config = configOf(env)
  const way = vaultFetch(config.vault)
  const authority = createAuthority(config, {
    cipher: nodeCipher,
    hash: nodeHash,
    clock: systemClock,
    store: memoryStore(),
    replica: null,
    fetch: way.fetch,
    readFile: (path) => readFile(path, 'utf8'),
    audit: { note: () => {}, commit: async () => {} },
    probe: null,
    log: () => {},
    vaults: null,
    loadRare: () => rare,
    syncBatch: 900,
    leftMs: () => Number.POSITIVE_INFINITY,
  })
  const options = { force: false, adopt: false, token: null }
  const sync = () => authority.call({ call: 'sync', keyring: 'default', options })
  return {
    sync,
    close: () => way.close(),
    async error(): Promise<ErrorData> {
      const result = await sync()
      if (result.ok) throw new Error('Nothing was refused.')
      return result.error
    },
    async findings(): Promise<Readonly<Record<string, Finding>>> {
      const result = await authority.call({ call: 'diagnose', keyring: 'default', login: false })
      if (!result.ok) throw new Error(inspect(result.error))
      return Object.fromEntries(result.value.findings.map((finding) => [finding.check, finding]))
    },
  }
}
