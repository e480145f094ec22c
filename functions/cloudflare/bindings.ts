/** The bindings of wrangler.toml, told apart: objects, the settings as texts, and secrets of a Secrets Store, which have to be asked for. */
import type { Parsed } from '../../src/config/answering.ts'
import { parseConfig } from '../../src/config/config.ts'
import { secretNames } from '../../src/config/names.ts'
import type { Env } from '../../src/config/setting.ts'
import { BINDING } from '../../src/config/reach.ts'
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import { withVaults } from '../../src/config/with-vaults.ts'
import { readCron } from '../../src/core/cadence.ts'
import type { Replica } from '../../src/core/ports.ts'
import type { ReadTexts, SecretTexts } from '../../src/references/live.ts'
import { live } from '../../src/references/live.ts'
import type { Kv } from './kv-replica.ts'
import { kvReplica } from './kv-replica.ts'

export interface ReplicaBinding {
  /** Absent = there is no replica. */
  readonly KEYRING_REPLICA?: Kv
}

/** Bindings that are settings too: the settings say which go together. */
const VAULT_BINDINGS = new Set(['KEYRING_VAULT_MTLS', 'KEYRING_VAULT_VPC'])

/** Variables and secrets are the texts among the bindings. */
export const settingsOf = (bindings: object): Env =>
  Object.fromEntries(
    Object.entries(bindings).flatMap(([name, value]) =>
      VAULT_BINDINGS.has(name)
        ? [[name, typeof value === 'object' ? BINDING : 'text']]
        : typeof value === 'string'
          ? [[name, value]]
          : [],
    ),
  )

/** @param secrets of a Secrets Store. */
export function readBindings(bindings: object, secrets: SecretTexts = new Map()): Parsed<VaultsConfig> {
  const env = { ...settingsOf(bindings), ...Object.fromEntries(secrets) }
  return withVaults(parseConfig(env, 'workers', undefined, readCron), env, 'workers')
}

/** https://developers.cloudflare.com/secrets-store/integrations/workers/ */
interface StoreSecret {
  get(): Promise<string>
}

const isStoreSecret = (value: unknown): value is StoreSecret =>
  typeof (value as Partial<StoreSecret> | null | undefined)?.get === 'function'

/** Any secret setting may be one. */
const storeSecrets = (bindings: object) =>
  secretNames('workers').flatMap((name): [string, StoreSecret][] => {
    const value = (bindings as Readonly<Record<string, unknown>>)[name]
    return isStoreSecret(value) ? [[name, value]] : []
  })

export const hasStoreSecrets = (bindings: object): boolean => storeSecrets(bindings).length > 0

/** The settings with what the Secrets Store has of them, now and at each look. */
export const liveBindings = (bindings: object) =>
  live(
    () => readSecrets(bindings),
    (secrets) => readBindings(bindings, secrets),
  )

/** What the store throws may quote anything. */
async function readSecrets(bindings: object): Promise<ReadTexts> {
  const asked = storeSecrets(bindings).map(
    async ([name, secret]) => [name, (await secret.get().catch(() => null)) || null] as const,
  )
  const read = await Promise.all(asked)
  return {
    texts: new Map(read.flatMap(([name, text]) => (text === null ? [] : [[name, text]]))),
    problems: read.flatMap(([name, text]) =>
      text === null ? [{ name, message: 'is bound to a secret that the Secrets Store does not give' }] : [],
    ),
  }
}

/** @param lifeMs as `kvReplica` has it. */
export const replicaOf = ({ KEYRING_REPLICA: kv }: ReplicaBinding, lifeMs: number | null = null): Replica | null =>
  kv === undefined ? null : kvReplica(kv, (line) => console.warn(line), lifeMs)
