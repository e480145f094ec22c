/** Every setting, once, but for those of the logins (`login-options.ts`): the schema, the names and docs/settings.md follow from this table, in this order. Its texts: tools/settings-texts.ts. */
import type * as z from 'zod/mini'
import { apiTokens } from './api-tokens.ts'
import { keyrings } from './keyrings.ts'
import { authorities, binding, clientCertificate, clientKey, headers, kvVersion, serverName } from './reach.ts'
import {
  apiToken,
  file,
  functionName,
  host,
  locationHint,
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
  /** What Workers have in its place: it is refused there under all its names. */
  readonly onWorkers?: string
  readonly secret?: true
}

const NODE = ['node'] as const
const WORKERS = ['workers'] as const
/** Where there are files, and an own TLS. */
const NODEJS = ['node', 'lambda-sync'] as const
const LAMBDA = ['lambda-http', 'lambda-sync'] as const
/** Whoever does not ask Vault gets no way to. */
export const ASKING = ['node', 'workers', 'lambda-sync'] as const
const ANSWERING = ['node', 'workers', 'lambda-http'] as const

const TRUST =
  'Workers trust public authorities only. Give Vault such a certificate, or reach it through Workers VPC (KEYRING_VAULT_VPC) or a Cloudflare Tunnel (KEYRING_VAULT_HEADERS)'
const MTLS = 'upload the certificate with "wrangler mtls-certificate upload" and bind it as KEYRING_VAULT_MTLS'

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
  KEYRING_VAULT_CACERT: {
    schema: authorities,
    fallbacks: ['BAO_CACERT', 'VAULT_CACERT', 'KONG_LUA_SSL_TRUSTED_CERTIFICATE'],
    only: NODEJS,
    onWorkers: TRUST,
  },
  KEYRING_VAULT_CLIENT_CERT: {
    schema: clientCertificate,
    fallbacks: ['BAO_CLIENT_CERT', 'VAULT_CLIENT_CERT'],
    only: NODEJS,
    onWorkers: MTLS,
  },
  KEYRING_VAULT_CLIENT_KEY: {
    schema: clientKey,
    fallbacks: ['BAO_CLIENT_KEY', 'VAULT_CLIENT_KEY'],
    only: NODEJS,
    onWorkers: MTLS,
    secret: true,
  },
  KEYRING_VAULT_TLS_SERVER_NAME: {
    schema: serverName,
    fallbacks: ['BAO_TLS_SERVER_NAME', 'VAULT_TLS_SERVER_NAME'],
    only: NODEJS,
    onWorkers: "use a host name of Vault's certificate in KEYRING_VAULT_HOST",
  },
  KEYRING_VAULT_MTLS: {
    schema: binding('mtls_certificates'),
    only: WORKERS,
  },
  KEYRING_VAULT_VPC: {
    schema: binding('vpc_services'),
    only: WORKERS,
  },
  KEYRING_VAULT_HEADERS: {
    schema: headers,
    default: '{}',
    only: ASKING,
    secret: true,
  },
  KEYRING_VAULT_KV: {
    schema: kvVersion,
    default: 'v2',
    only: ASKING,
  },
  KEYRING_VAULT_MOUNT: {
    schema: vaultPath('the mount of the KV engine, such as secret'),
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
  KEYRING_MAX_RECORD_AGE: {
    schema: wholeNumber(172_800, 31_536_000),
    default: '604800',
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
  KEYRING_LOCATION_HINT: {
    schema: locationHint,
    only: ['workers'],
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
