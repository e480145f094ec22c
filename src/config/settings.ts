/**
 * Every setting, once, but for those of the logins (`login-methods.ts`) and of whoever uses keys (`answering.ts`): the schema, the names
 * and docs/settings.md follow from these tables, in their order. Their texts: tools/settings-texts.ts.
 */
import { isLoopback } from '../core/loopback.ts'
import { WORKERS_TRUST } from '../core/network.ts'
import { ANSWERING_SETTINGS, tokensRule } from './answering.ts'
import { cadence } from './cadence.ts'
import { authorities, binding, fileOrPem, headers, vaultAddress } from './reach.ts'
import type { Rule, Table, Values } from './setting.ts'
import { rowsOf } from './setting.ts'
import {
  apiToken,
  goMilliseconds,
  host,
  kvVersion,
  matching,
  namespace,
  oneOf,
  onOff,
  path,
  vaultPath,
  wholeNumber,
} from './values.ts'

const NODE = ['node'] as const
const WORKERS = ['workers'] as const
/** These have files, and a TLS of their own. */
const NODEJS = ['node', 'lambda-sync'] as const
/** These ask Vault; whoever does not gets no way to it. */
export const ASKING = ['node', 'workers', 'lambda-sync'] as const

const MTLS = 'upload the certificate with "wrangler mtls-certificate upload" and bind it as KEYRING_VAULT_MTLS'

/** The way to Vault, and what is read there. */
const VAULT_SETTINGS = {
  KEYRING_STRATEGY: {
    schema: () => oneOf(['vault', 'push'], 'must be vault or push'),
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
  KEYRING_VAULT_ALLOW_HTTP: { schema: onOff, default: 'off', only: ASKING },
  KEYRING_VAULT_CACERT: {
    schema: authorities,
    fallbacks: [
      'BAO_CACERT',
      'VAULT_CACERT',
      'BAO_CACERT_BYTES',
      'VAULT_CACERT_BYTES',
      'KONG_LUA_SSL_TRUSTED_CERTIFICATE',
    ],
    only: NODEJS,
    onWorkers: WORKERS_TRUST,
  },
  KEYRING_VAULT_CLIENT_CERT: {
    schema: () => fileOrPem(),
    fallbacks: ['BAO_CLIENT_CERT', 'VAULT_CLIENT_CERT'],
    only: NODEJS,
    onWorkers: MTLS,
    secret: true,
  },
  KEYRING_VAULT_CLIENT_KEY: {
    schema: () => fileOrPem(),
    fallbacks: ['BAO_CLIENT_KEY', 'VAULT_CLIENT_KEY'],
    only: NODEJS,
    onWorkers: MTLS,
    secret: true,
  },
  KEYRING_VAULT_TLS_SERVER_NAME: {
    schema: () => matching(/^[A-Za-z0-9._-]{1,253}$/, 'must be a host name'),
    fallbacks: ['BAO_TLS_SERVER_NAME', 'VAULT_TLS_SERVER_NAME'],
    only: NODEJS,
    onWorkers: "use a host name of Vault's certificate in KEYRING_VAULT_HOST",
  },
  KEYRING_VAULT_MTLS: { schema: () => binding('mtls_certificates'), only: WORKERS },
  KEYRING_VAULT_VPC: { schema: () => binding('vpc_services'), only: WORKERS },
  KEYRING_VAULT_HEADERS: { schema: headers, default: '{}', only: ASKING, secret: true },
  KEYRING_VAULT_KV: { schema: kvVersion, default: 'v2', only: ASKING },
  KEYRING_VAULT_MOUNT: {
    schema: () => vaultPath(),
    required: 'the mount of the KV engine, such as secret',
    kong: true,
    only: ASKING,
  },
  KEYRING_VAULT_PATH: {
    schema: () => vaultPath(),
    required: 'the path of the secret in the mount, such as keyring',
    kong: true,
    only: ASKING,
  },
  KEYRING_VAULT_NAMESPACE: {
    schema: namespace,
    default: '',
    fallbacks: ['BAO_NAMESPACE', 'VAULT_NAMESPACE'],
    only: ASKING,
  },
  KEYRING_VAULT_TIMEOUT_MS: {
    schema: () => wholeNumber(100, 60_000, ' milliseconds'),
    default: '5000',
    fallbacks: ['BAO_CLIENT_TIMEOUT', 'VAULT_CLIENT_TIMEOUT'],
    fromFallback: goMilliseconds,
    only: ASKING,
  },
} as const satisfies Table

const ROTATION_SETTINGS = {
  KEYRING_ROTATION: { schema: cadence, only: ASKING },
  KEYRING_ROTATION_DELAY: { schema: () => wholeNumber(0, 86_400), default: '0', only: ASKING },
  KEYRING_ROTATION_PRUNE: { schema: () => oneOf(['held']), only: ASKING },
} as const satisfies Table

const PLATFORM_SETTINGS = {
  KEYRING_API_TOKEN: { schema: apiToken, only: NODE, secret: true },
  HOST: { schema: host, default: '127.0.0.1', only: NODE },
  PORT: { schema: () => wholeNumber(0, 65_535), default: '8001', only: NODE },
  KEYRING_DATABASE: { schema: path, only: NODE },
  KEYRING_LOCATION_HINT: {
    /** A Durable Object knows these: https://developers.cloudflare.com/durable-objects/reference/data-location/. */
    schema: () => oneOf(['wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'oc', 'afr', 'me']),
    only: WORKERS,
  },
  KEYRING_DEV_VAULT_PORT: { schema: () => wholeNumber(1, 65_535), default: '8200', only: NODE },
} as const satisfies Table

const { KEYRING_ENABLED, ...OTHERS } = ANSWERING_SETTINGS

/** What is on or off comes first, for people. */
const SETTINGS = {
  KEYRING_ENABLED,
  ...VAULT_SETTINGS,
  ...OTHERS,
  ...ROTATION_SETTINGS,
  ...PLATFORM_SETTINGS,
} as const satisfies Table

export type SettingName = keyof typeof SETTINGS
export type Settings = Values<typeof SETTINGS>

export const TABLE = rowsOf(SETTINGS)

export const isPlainHttp = ({ KEYRING_VAULT_HOST: url }: Settings): boolean =>
  url !== undefined && url.protocol === 'http:' && !isLoopback(url.hostname)

/** It holds only where Vault is asked, or would be. */
export const ADDRESS: Rule<Settings> = {
  keys: ['KEYRING_VAULT_HOST', 'KEYRING_STRATEGY'],
  holds: (all) => all.KEYRING_VAULT_HOST !== undefined || all.KEYRING_STRATEGY === 'push',
  message: 'is required: the address of Vault, such as https://vault.example:8200',
}

export const RULES: readonly Rule<Settings>[] = [
  {
    keys: ['KEYRING_VAULT_HOST', 'KEYRING_VAULT_ALLOW_HTTP'],
    holds: (all) => all.KEYRING_VAULT_ALLOW_HTTP || !isPlainHttp(all),
    message: 'must be https, unless the host is loopback or KEYRING_VAULT_ALLOW_HTTP is on',
  },
  {
    keys: ['KEYRING_VAULT_CLIENT_CERT', 'KEYRING_VAULT_CLIENT_KEY'],
    holds: (all) => (all.KEYRING_VAULT_CLIENT_CERT === undefined) === (all.KEYRING_VAULT_CLIENT_KEY === undefined),
    message: 'must be set together with KEYRING_VAULT_CLIENT_KEY: a certificate and its key',
  },
  {
    keys: ['KEYRING_VAULT_VPC', 'KEYRING_VAULT_MTLS'],
    holds: (all) => all.KEYRING_VAULT_VPC === undefined || all.KEYRING_VAULT_MTLS === undefined,
    message: 'cannot be used together with KEYRING_VAULT_MTLS: Workers VPC presents no client certificate',
  },
  {
    keys: ['KEYRING_ROTATION', 'KEYRING_SYNC_PERIOD'],
    holds: (all) => all.KEYRING_ROTATION === undefined || all.KEYRING_SYNC_PERIOD > 0,
    message: 'needs a KEYRING_SYNC_PERIOD above 0: a rotation comes after a sync',
  },
  {
    keys: ['KEYRING_ROTATION_DELAY', 'KEYRING_ROTATION'],
    holds: ({ KEYRING_ROTATION: every, KEYRING_ROTATION_DELAY: seconds }) =>
      typeof every?.periodMs !== 'number' || seconds * 1000 < every.periodMs,
    message: 'must be shorter than the period in KEYRING_ROTATION',
  },
  {
    keys: ['KEYRING_API_TOKEN', 'HOST'],
    holds: ({ KEYRING_API_TOKEN: token, HOST }) =>
      token === undefined || isLoopback(HOST) || token.reveal().length >= 32,
    message: 'must have 32 characters or more, because HOST is not loopback',
  },
]

/** It holds only where calls are answered. */
export const TOKENS: Rule<Settings> = tokensRule(
  ['KEYRING_API_TOKEN'],
  ({ KEYRING_API_TOKEN: token }) => token !== undefined,
)

const KEPT = 'Vault keeps the keys, and nothing else does'

/** Kong's other keyring settings, and why they do nothing here. */
export const UNUSED: Readonly<Record<string, string>> = {
  KEYRING_PUBLIC_KEY: KEPT,
  KEYRING_PRIVATE_KEY: KEPT,
  KEYRING_RECOVERY_PUBLIC_KEY: KEPT,
  KEYRING_BLOB_PATH: KEPT,
  KEYRING_ENCRYPT_LICENSE: 'there is no license to encrypt',
}
