/** A keyring in memory that syncs from a Vault, real or not: the settings as an operator would set them. */
import { readFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { readSettings } from '../../functions/node-shared/settings.ts'
import { vaultFetch } from '../../functions/node-shared/vault-fetch.ts'
import { createAuthority } from '../../src/app.ts'
import type { Config } from '../../src/config/config.ts'
import type { SyncOptions, SyncReport } from '../../src/core/operations.ts'
import type { Clock, SharedStore } from '../../src/core/ports.ts'
import type { ErrorData } from '../../src/core/errors.ts'
import { Keyring } from '../../src/keyring/keyring.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'
import type { Verbs } from './verbs.ts'
import { verbsOf } from './verbs.ts'

const PLAIN: SyncOptions = { force: false, adopt: false, token: null }
/** Not weak, and of no importance. */
export const keyString = (name: string): string => `${name}: test material 0123456789 abcdefghij`

export interface Syncing {
  readonly authority: Verbs
  readonly keyring: Keyring
  /** @throws what the sync was refused for. */
  sync(more?: Partial<SyncOptions>): Promise<SyncReport>
  /** The error of a sync that must fail. */
  refusal(more?: Partial<SyncOptions>): Promise<ErrorData>
  shown(): Promise<{ ids: readonly string[]; active: string | null; sources: readonly string[] }>
  close(): Promise<void>
}

/** Settings that every platform has. */
export const OF_SYNCING = {
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_VAULT_TIMEOUT_MS: '2000',
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
}

export function configOf(settings: Readonly<Record<string, string>>): Config {
  const parsed = readSettings(
    { ...OF_SYNCING, KEYRING_DATABASE: 'unused.sqlite', KEYRING_API_TOKEN: 'of-no-importance', ...settings },
    'node',
  )
  if (!parsed.ok || parsed.config === null) throw new Error(inspect(parsed))
  return parsed.config
}

const QUICK: Clock = { now: () => Date.now(), sleep: async () => {} }

/** @param clock Absent = waits take no time. */
export async function syncing(
  settings: Readonly<Record<string, string>>,
  store: SharedStore = memoryStore(),
  clock: Clock = QUICK,
): Promise<Syncing> {
  const config = configOf(settings)
  const vault = vaultFetch(config.vault)
  const primitives = { cipher: nodeCipher, hash: nodeHash, clock }
  const authority = verbsOf(
    createAuthority(config, {
      ...primitives,
      store,
      replica: null,
      fetch: vault.fetch,
      readFile: (path) => readFile(path, 'utf8'),
      audit: { note: () => {}, commit: async () => {} },
      probe: null,
      loadRare: () => rare,
      syncBatch: 900,
      leftMs: () => Number.POSITIVE_INFINITY,
      log: () => {},
    }),
  )
  const keyring = await Keyring.open('default', {
    ...primitives,
    authority,
    wrappingKeys: config.wrappingKeys,
    replica: null,
    background: null,
    audit: { note: () => {} },
    freshness: { freshMs: 0, backgroundMs: 0, pauseMs: 0 },
    ages: { stampMs: 0, recordMs: Number.POSITIVE_INFINITY },
    siblings: 1,
  })
  return {
    authority,
    keyring,
    async sync(more) {
      const result = await authority.sync('default', { ...PLAIN, ...more })
      if (result.ok) return result.value
      throw new Error(inspect(result.error))
    },
    async refusal(more) {
      const result = await authority.sync('default', { ...PLAIN, ...more })
      if (!result.ok) return result.error
      throw new Error('The sync should have failed.')
    },
    async shown() {
      const { keys, active } = await keyring.status()
      return { ids: keys.map(({ id }) => id), active, sources: keys.map(({ source }) => source) }
    },
    close: () => vault.close(),
  }
}
