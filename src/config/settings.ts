/** Every setting, once, but for those of the logins (`login-options.ts`): the schema, the names and docs/settings.md follow from this table, in this order. Its texts: tools/settings-texts.ts. */
import type * as z from 'zod/mini'
import { apiTokens } from './api-tokens.ts'
import { keyrings } from './keyrings.ts'
import {
  apiToken,
  file,
  functionName,
  host,
  namespace,
  onOff,
  strategy,
  tableName,
  vaultAddress,
  vaultPath,
  wholeNumber,
} from './values.ts'
import { wrappingKeys } from './wrapping-keys.ts'

/** What reads settings. On Lambda, one function answers HTTP and the other asks Vault. */
export type Runtime = 'node' | 'workers' | 'lambda-http' | 'lambda-sync'

export interface Setting {
  readonly schema: z.ZodMiniType<unknown, string | undefined>
  /** As it would be written. Absent = required or optional, which the schema says. */
  readonly default?: string
  /** Kong's own: accepted with `KONG_` in front too. */
  readonly kong?: true
  /** Other names of the same. */
  readonly also?: readonly string[]
  /** Read in this order when the setting is not set. */
  readonly fallbacks?: readonly string[]
  /** Read there alone. Absent = everywhere. */
  readonly only?: readonly Runtime[]
  readonly secret?: true
}

const NODE = ['node'] as const
const LAMBDA = ['lambda-http', 'lambda-sync'] as const
/** Whoever does not ask Vault gets no way to. */
export const ASKING = ['node', 'workers', 'lambda-sync'] as const
const ANSWERING = ['node', 'workers', 'lambda-http'] as const

export const SETTINGS = {
  KEYRING_ENABLED: {
    schema: onOff,
    default: 'on',
    kong: true,
  },
  KEYRING_STRATEGY: {
    schema: strategy,
    default: 'vault',
    kong: true,
    only: ASKING,
  },
  KEYRING_VAULT_HOST: {
    schema: vaultAddress,
    kong: true,
    fallbacks: ['BAO_ADDR', 'VAULT_ADDR'],
    only: ASKING,
  },
  KEYRING_VAULT_ALLOW_HTTP: {
    schema: onOff,
    default: 'off',
    only: ASKING,
  },
  KEYRING_VAULT_MOUNT: {
    schema: vaultPath('the mount of the KV version 2 engine, such as secret'),
    kong: true,
    only: ASKING,
  },
  KEYRING_VAULT_PATH: {
    schema: vaultPath('the path of the secret in the mount, such as keyring'),
    kong: true,
    only: ASKING,
  },
  KEYRING_VAULT_NAMESPACE: {
    schema: namespace,
    default: '',
    fallbacks: ['VAULT_NAMESPACE'],
    only: ASKING,
  },
  KEYRING_VAULT_TIMEOUT_MS: {
    schema: wholeNumber(100, 60_000),
    default: '5000',
    only: ASKING,
  },
  KEYRINGS: {
    schema: keyrings,
    default: '[]',
  },
  KEYRING_SYNC_PERIOD: {
    schema: wholeNumber(0, 86_400),
    default: '600',
  },
  KEYRING_WRAPPING_KEYS: {
    schema: wrappingKeys,
    secret: true,
  },
  KEYRING_API_TOKENS: {
    schema: apiTokens,
    default: '[]',
    only: ANSWERING,
  },
  KEYRING_API_TOKEN: {
    schema: apiToken,
    only: NODE,
    secret: true,
  },
  HOST: {
    schema: host,
    default: '127.0.0.1',
    only: NODE,
  },
  PORT: {
    schema: wholeNumber(0, 65_535),
    default: '8001',
    only: NODE,
  },
  KEYRING_DATABASE: {
    schema: file,
    only: NODE,
  },
  KEYRING_TABLE: {
    schema: tableName,
    only: LAMBDA,
  },
  KEYRING_SYNC_FUNCTION: {
    schema: functionName,
    only: ['lambda-http'],
  },
  KEYRING_DEV_VAULT_PORT: {
    schema: wholeNumber(1, 65_535),
    default: '8200',
    only: NODE,
  },
} as const satisfies Record<string, Setting>

export type SettingName = keyof typeof SETTINGS

/** Names of the table, with its types widened to what all settings share. */
export const TABLE: readonly (readonly [string, Setting])[] = Object.entries<Setting>(SETTINGS)

/** Kong's other keyring settings, and why they do nothing here. */
export const UNUSED: Readonly<Record<string, string>> = {
  KEYRING_PUBLIC_KEY: 'keys are not exported; Vault keeps them',
  KEYRING_PRIVATE_KEY: 'keys are not imported; Vault keeps them',
  KEYRING_RECOVERY_PUBLIC_KEY: 'Vault keeps the keys, so there is no other copy to recover from',
  KEYRING_BLOB_PATH: 'keys are stored sealed, in the record store alone',
  KEYRING_ENCRYPT_LICENSE: 'there is no license to encrypt',
}
