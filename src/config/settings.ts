/** The table of settings: the one source of the schema, the checks and docs/settings.md. */
import { apiTokens, authMethod, flag, integer, namespace, strategy, text, token, vaultAddress, vaultPath, wrappingKeys } from './rules.ts'

export interface Setting {
  /** Other names, with the same meaning: a different value is a problem. */
  readonly alias?: string
  /** Read when neither the name nor the alias is set; the first that is. */
  readonly fallbacks?: readonly string[]
  /** As one would write it; absent = none. */
  readonly default?: string
  /** What to write when it is missing; absent = it may be. */
  readonly required?: string
  readonly platform: 'all' | 'node'
  readonly doc: string
}

const kong = (name: string) => ({ alias: `KONG_${name}` })

export const SETTINGS = {
  KEYRING_ENABLED: { ...kong('KEYRING_ENABLED'), default: 'on', platform: 'all', doc: 'on or off. Off: nothing is served.' },
  KEYRING_STRATEGY: { ...kong('KEYRING_STRATEGY'), default: 'vault', platform: 'all', doc: 'Only `vault` is offered yet.' },
  KEYRING_VAULT_HOST: {
    ...kong('KEYRING_VAULT_HOST'),
    fallbacks: ['BAO_ADDR', 'VAULT_ADDR'],
    required: 'the address of Vault, such as https://vault.example:8200',
    platform: 'all',
    doc: '`<scheme>://<host>:<port>`; https only, unless the host is loopback.',
  },
  KEYRING_VAULT_ALLOW_HTTP: { default: 'off', platform: 'all', doc: 'on: plain http to a host that is not loopback. Token and keys then travel in the open.' },
  KEYRING_VAULT_MOUNT: { ...kong('KEYRING_VAULT_MOUNT'), required: 'the mount of the KV version 2 engine, such as secret', platform: 'all', doc: 'The mount of the KV version 2 engine.' },
  KEYRING_VAULT_PATH: { ...kong('KEYRING_VAULT_PATH'), required: 'the path of the secret below the mount, such as keyring', platform: 'all', doc: 'The path of the secret below the mount. Each of its versions holds `id` and `key`.' },
  KEYRING_VAULT_NAMESPACE: { fallbacks: ['BAO_NAMESPACE', 'VAULT_NAMESPACE'], default: '', platform: 'all', doc: 'Sent as `X-Vault-Namespace`.' },
  KEYRING_VAULT_AUTH_METHOD: { ...kong('KEYRING_VAULT_AUTH_METHOD'), default: 'token', platform: 'all', doc: 'Only `token` is offered yet.' },
  KEYRING_VAULT_TOKEN: {
    ...kong('KEYRING_VAULT_TOKEN'),
    fallbacks: ['BAO_TOKEN', 'VAULT_TOKEN'],
    required: 'a token that may read <mount>/metadata/<path> and <mount>/data/<path>',
    platform: 'all',
    doc: 'Secret. A Vault token that may read `<mount>/metadata/<path>` and `<mount>/data/<path>`.',
  },
  KEYRING_VAULT_TIMEOUT_MS: { default: '5000', platform: 'all', doc: 'Milliseconds for each request to Vault, 100 to 60000.' },
  KEYRING_WRAPPING_KEYS: {
    required: 'id:<base64 of 32 bytes>; make one with "edge-keyring secrets new"',
    platform: 'all',
    doc: 'Secret. `id:<base64 of 32 bytes>`, separated by commas: the first seals, all open. `id/keyring/<name>:<…>` is the key derived for one keyring alone.',
  },
  KEYRING_API_TOKENS: { platform: 'all', doc: 'JSON list of `{name, sha256, grants, expires_at}`; `sha256` is that of the token, in hex. Required, or KEYRING_API_TOKEN.' },
  KEYRING_API_TOKEN: { platform: 'node', doc: 'Secret. One token with the grant `admin`: 8 characters or more on loopback, 32 elsewhere.' },
  HOST: { default: '127.0.0.1', platform: 'node', doc: 'Address to listen on. Other than loopback: a deployment, for which nothing is made up.' },
  PORT: { default: '8001', platform: 'node', doc: 'Port to listen on, 0 to 65535; 0 = any that is free.' },
  KEYRING_DATABASE: { platform: 'node', doc: 'Path of the SQLite file. Local default: in `.edge-keyring/`. Required for a deployment.' },
  KEYRING_DEV_VAULT_PORT: { default: '8200', platform: 'node', doc: 'Port of the dev Vault, which runs when no `KEYRING_VAULT_*` is set, on loopback alone.' },
} as const satisfies Record<string, Setting>

export type Name = keyof typeof SETTINGS

export const RULES = {
  KEYRING_ENABLED: flag,
  KEYRING_STRATEGY: strategy,
  KEYRING_VAULT_HOST: vaultAddress,
  KEYRING_VAULT_ALLOW_HTTP: flag,
  KEYRING_VAULT_MOUNT: vaultPath,
  KEYRING_VAULT_PATH: vaultPath,
  KEYRING_VAULT_NAMESPACE: namespace,
  KEYRING_VAULT_AUTH_METHOD: authMethod,
  KEYRING_VAULT_TOKEN: token,
  KEYRING_VAULT_TIMEOUT_MS: integer(100, 60_000),
  KEYRING_WRAPPING_KEYS: wrappingKeys,
  KEYRING_API_TOKENS: apiTokens,
  KEYRING_API_TOKEN: token,
  HOST: text,
  PORT: integer(0, 65_535),
  KEYRING_DATABASE: text,
  KEYRING_DEV_VAULT_PORT: integer(1, 65_535),
} as const satisfies Record<Name, unknown>

const CLUSTER = 'it belongs to the cluster strategy, which is not offered yet'
const KUBERNETES = 'the kubernetes login comes with a later release'

/** Kong's keyring settings that mean nothing here, with or without KONG_, and why. */
export const NOT_USED: Readonly<Record<string, string>> = {
  KEYRING_PUBLIC_KEY: CLUSTER,
  KEYRING_PRIVATE_KEY: CLUSTER,
  KEYRING_RECOVERY_PUBLIC_KEY: CLUSTER,
  KEYRING_BLOB_PATH: CLUSTER,
  KEYRING_ENCRYPT_LICENSE: 'there is no licence to encrypt',
  KEYRING_VAULT_KUBE_ROLE: KUBERNETES,
  KEYRING_VAULT_KUBE_API_TOKEN_FILE: KUBERNETES,
}
