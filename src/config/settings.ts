/** Every setting, once: the schema, the names and docs/settings.md follow from this table, in this order. */
import type * as z from 'zod/mini'
import { apiTokens } from './api-tokens.ts'
import { keyrings } from './keyrings.ts'
import {
  apiToken,
  authMethod,
  file,
  functionName,
  host,
  namespace,
  onOff,
  strategy,
  tableName,
  vaultAddress,
  vaultPath,
  vaultToken,
  wholeNumber,
} from './values.ts'
import { wrappingKeys } from './wrapping-keys.ts'

/** Where a deployment runs. */
export type Platform = 'node' | 'workers' | 'lambda'

export interface Setting {
  readonly schema: z.ZodMiniType<unknown, string | undefined>
  /** As it would be written. Absent = required or optional, which the schema says. */
  readonly default?: string
  /** Kong's own: accepted with `KONG_` in front too. */
  readonly kong?: true
  /** Read in this order when the setting is not set. */
  readonly fallbacks?: readonly string[]
  readonly platform: 'all' | Platform
  readonly secret?: true
  readonly doc: string
}

export const SETTINGS = {
  KEYRING_ENABLED: {
    schema: onOff,
    default: 'on',
    kong: true,
    platform: 'all',
    doc: '`on` or `off`. With `off` nothing is served and no other setting is required. (In Kong it is off unless set.)',
  },
  KEYRING_STRATEGY: {
    schema: strategy,
    default: 'vault',
    kong: true,
    platform: 'all',
    doc: 'Where keys come from: `vault`, the only strategy so far.',
  },
  KEYRING_VAULT_HOST: {
    schema: vaultAddress,
    kong: true,
    fallbacks: ['BAO_ADDR', 'VAULT_ADDR'],
    platform: 'all',
    doc: 'Address of Vault or OpenBao, `https://<host>[:port]`, without user, path, query or fragment. `http` is for loopback only.',
  },
  KEYRING_VAULT_ALLOW_HTTP: {
    schema: onOff,
    default: 'off',
    platform: 'all',
    doc: '`on` allows `http` to a Vault that is not on loopback: its token and every key then cross the network in the open.',
  },
  KEYRING_VAULT_MOUNT: {
    schema: vaultPath('the mount of the KV version 2 engine, such as secret'),
    kong: true,
    platform: 'all',
    doc: 'Mount of the KV version 2 engine, such as `secret` or `kv/team`. One leading and one trailing slash are dropped.',
  },
  KEYRING_VAULT_PATH: {
    schema: vaultPath('the path of the secret in the mount, such as keyring'),
    kong: true,
    platform: 'all',
    doc: 'Path of the secret in the mount; each of its versions is a key. One leading and one trailing slash are dropped.',
  },
  KEYRING_VAULT_NAMESPACE: {
    schema: namespace,
    default: '',
    fallbacks: ['VAULT_NAMESPACE'],
    platform: 'all',
    doc: 'Namespace of Vault Enterprise or OpenBao, in printable ASCII; empty for none.',
  },
  KEYRING_VAULT_AUTH_METHOD: {
    schema: authMethod,
    default: 'token',
    kong: true,
    platform: 'all',
    doc: 'How to log in to Vault: `token`. `kubernetes` and others come with a later release.',
  },
  KEYRING_VAULT_TOKEN: {
    schema: vaultToken,
    kong: true,
    fallbacks: ['BAO_TOKEN', 'VAULT_TOKEN'],
    platform: 'all',
    secret: true,
    doc: 'Vault token that may read `<mount>/metadata/<path>` and `<mount>/data/<path>`. White space around it is dropped.',
  },
  KEYRING_VAULT_TIMEOUT_MS: {
    schema: wholeNumber(100, 60_000),
    default: '5000',
    platform: 'all',
    doc: 'How long to wait for one answer of Vault, in milliseconds: 100 to 60000.',
  },
  KEYRINGS: {
    schema: keyrings,
    default: '[]',
    platform: 'all',
    doc: 'Keyrings beside `default`, as a JSON list of `{"name", "path", "mount"}`: each another secret of the same Vault; `mount` is `KEYRING_VAULT_MOUNT` unless given.',
  },
  KEYRING_SYNC_PERIOD: {
    schema: wholeNumber(0, 86_400),
    default: '600',
    platform: 'all',
    doc: 'Seconds between two syncs by themselves, looked at once a minute: 0 to 86400, where 0 is never. After a failure the next try comes sooner: after 1, 2, 4… minutes.',
  },
  KEYRING_WRAPPING_KEYS: {
    schema: wrappingKeys,
    platform: 'all',
    secret: true,
    doc: 'What the stored record is sealed with: `<id>:<32 bytes in base64>`, separated by commas. The first seals, all open. `<id>/keyring/<name>:<base64>` gives the key derived for one keyring instead.',
  },
  KEYRING_API_TOKENS: {
    schema: apiTokens,
    default: '[]',
    platform: 'all',
    doc: 'Who may call, as a JSON list of `{"name", "sha256", "grants", "expires_at"}`: the SHA-256 of each token in hex, grants such as `["read", "decrypt:orders"]`, and the end in RFC 3339 (absent or null: never). One token is required, here or in `KEYRING_API_TOKEN`.',
  },
  KEYRING_API_TOKEN: {
    schema: apiToken,
    platform: 'node',
    secret: true,
    doc: 'One token with the grant `admin`, in the open: 8 characters or more, and 32 or more when `HOST` is not loopback.',
  },
  HOST: {
    schema: host,
    default: '127.0.0.1',
    platform: 'node',
    doc: 'Host name or IP address to listen on.',
  },
  PORT: {
    schema: wholeNumber(0, 65_535),
    default: '8001',
    platform: 'node',
    doc: 'Port to listen on: 0 to 65535, where 0 takes a free one.',
  },
  KEYRING_DATABASE: {
    schema: file,
    platform: 'node',
    doc: 'Path of the SQLite file with the sealed record. On loopback it lies in `.edge-keyring/` unless set; elsewhere it is required.',
  },
  KEYRING_TABLE: {
    schema: tableName,
    platform: 'lambda',
    doc: 'Name of the DynamoDB table with the sealed record. Required on Lambda.',
  },
  KEYRING_SYNC_FUNCTION: {
    schema: functionName,
    platform: 'lambda',
    doc: 'Name of the function that syncs; the HTTP function invokes it. Required on Lambda, for the HTTP function.',
  },
  KEYRING_DEV_VAULT_PORT: {
    schema: wholeNumber(1, 65_535),
    default: '8200',
    platform: 'node',
    doc: 'Port of the dev Vault that the local default starts when no Vault is configured: 1 to 65535.',
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
  KEYRING_VAULT_KUBE_ROLE: 'the kubernetes login comes with a later release',
  KEYRING_VAULT_KUBE_API_TOKEN_FILE: 'the kubernetes login comes with a later release',
}
