/** The settings, parsed once. Every problem at once, by name and rule, never by value. */
import * as z from 'zod/mini'
import type { CredentialSource, LoginSettings } from '../core/login-settings.ts'
import { Secret } from '../core/secret.ts'
import type { ReadLogin } from './login.ts'
import type { Env, Problem } from './names.ts'
import { differing, givenOf, misplaced, sourceOf, textsOf, unknownNames, unusedNotices } from './names.ts'
import type { Settings } from './schema.ts'
import { isPlainHttp, schemaFor } from './schema.ts'
import type { Runtime } from './settings.ts'
import { SETTINGS, TABLE } from './settings.ts'
import { unverified } from './unverified.ts'
import type { VaultConnection } from './vault-entity.ts'
import type { Vaults } from './vaults.ts'
import { certOnWorkers, readVaults } from './vaults.ts'

export type { Problem } from './names.ts'

export interface WrappingKeySetting {
  readonly id: string
  /** `null` = the wrapping key itself; else the key derived for that one keyring. */
  readonly keyring: string | null
  /** Canonical base64 of 32 bytes. */
  readonly key: Secret
}

export interface ApiTokenSetting {
  readonly name: string
  /** 64 lower-case hex digits. */
  readonly sha256: string
  readonly grants: readonly string[]
  /** Milliseconds since 1970; `null` = never. */
  readonly expiresAt: number | null
}

interface SecretSetting {
  readonly keyring: string
  readonly kv: 'v1' | 'v2'
  readonly mount: string
  readonly path: string
}

/** Texts: PEM, or the paths of PEM files. */
export interface VaultTls {
  /** `system` = those of the runtime and of the operating system; `null` = those of the runtime. */
  readonly authorities: readonly string[] | null
  /** With a key or not at all. */
  readonly client: { readonly cert: string; readonly key: Secret } | null
  /** `null` = the host of the address. */
  readonly serverName: string | null
}

export interface VaultSettings {
  /** Scheme, host and port. */
  readonly address: string
  /** Where the platform has an own TLS; elsewhere nothing in it is set. */
  readonly tls: VaultTls
  /** Sent along to Vault, and to Vault alone. */
  readonly headers: Readonly<Record<string, Secret>>
  /** '' = none. */
  readonly namespace: string
  readonly timeoutMs: number
  /** Where logins go; '' = none. */
  readonly loginNamespace: string
  readonly auth: LoginSettings
  /** `default` first. */
  readonly secrets: readonly SecretSetting[]
}

export interface Config {
  /** `null` where Vault is never asked. */
  readonly vault: VaultSettings | null
  /** Kong's Vault entity, from KONG_VAULT_HCV_*; `null` = none of it is set. */
  readonly hcv: VaultConnection | null
  /** At least one; the first seals. */
  readonly wrappingKeys: readonly WrappingKeySetting[]
  readonly apiTokens: readonly ApiTokenSetting[]
  /** Names, `default` first. */
  readonly keyrings: readonly string[]
  /** Milliseconds; `null` = never by itself. */
  readonly syncPeriodMs: number | null
  /** Since the record was sealed, in milliseconds. */
  readonly maxRecordAgeMs: number
  readonly workers: { readonly locationHint: NonNullable<Settings['KEYRING_LOCATION_HINT']> | null }
  readonly lambda: { readonly table: string | null; readonly syncFunction: string | null }
  readonly node: {
    readonly port: number
    readonly host: string
    readonly database: string | null
    readonly apiToken: Secret | null
  }
}

/** `config` null = the keyring is off. */
export type Parsed =
  | { readonly ok: true; readonly config: Config | null; readonly notices: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

const OFF = 'The keyring is off (KEYRING_ENABLED=off).'
const PLAIN_HTTP =
  'WARNING: KEYRING_VAULT_HOST is plain http (KEYRING_VAULT_ALLOW_HTTP is on): anyone on the way can read the Vault token and every key. Use https.'

export function parseConfig(env: Env, runtime: Runtime): Parsed {
  const texts = textsOf(env, runtime)
  const isOff = z.safeParse(SETTINGS.KEYRING_ENABLED.schema, texts['KEYRING_ENABLED']).data === false
  const parsed = z.safeParse(schemaFor(runtime), texts)
  const vaults = readVaults(env, runtime, isOff)
  const problems = [
    ...settingProblems(env, parsed.error?.issues ?? [], isOff),
    ...vaults.problems,
    ...certOnWorkers(env, runtime, vaults),
    ...unknownNames(env),
    ...misplaced(env, runtime),
    ...unverified(env),
  ]
  if (problems.length > 0) return { ok: false, problems }
  if (isOff) return { ok: true, config: null, notices: [OFF, ...unusedNotices(env)] }
  if (!parsed.success) throw new TypeError('A rule of the settings names no setting.')
  const warnings = isPlainHttp(parsed.data) ? [PLAIN_HTTP] : []
  const notices = [...warnings, ...vaults.notices, ...unusedNotices(env)]
  return { ok: true, config: toConfig(parsed.data, vaults), notices }
}

/** In the table's order, under the names that were set. When the keyring is off nothing is missing. */
function settingProblems(env: Env, issues: readonly z.core.$ZodIssue[], isOff: boolean): Problem[] {
  return TABLE.flatMap(([setting, entry]) => {
    const source = sourceOf(env, setting, entry)
    if (isOff && source === undefined) return []
    const wrong = issues.filter(({ path }) => path[0] === setting)
    const named = wrong.map((issue) => ({ name: source ?? setting, message: messageOf(issue) }))
    return [...differing(givenOf(env, setting, entry)), ...named]
  })
}

/** Paths have list positions and field names of ours, never what the operator wrote. */
function messageOf({ path, message }: z.core.$ZodIssue): string {
  const where = path.slice(1).map((step) => (typeof step === 'number' ? `entry ${step + 1}` : String(step)))
  return where.length === 0 ? message : `${where.join(', ')}: ${message}`
}

function toConfig(all: Settings, { login, hcv }: Vaults): Config {
  return {
    vault: vaultSettings(all, login),
    hcv,
    keyrings: ['default', ...all.KEYRINGS.map(({ name }) => name)],
    syncPeriodMs: all.KEYRING_SYNC_PERIOD === 0 ? null : all.KEYRING_SYNC_PERIOD * 1000,
    maxRecordAgeMs: all.KEYRING_MAX_RECORD_AGE * 1000,
    workers: { locationHint: all.KEYRING_LOCATION_HINT ?? null },
    lambda: { table: all.KEYRING_TABLE ?? null, syncFunction: all.KEYRING_SYNC_FUNCTION ?? null },
    wrappingKeys: all.KEYRING_WRAPPING_KEYS,
    apiTokens: all.KEYRING_API_TOKENS,
    node: {
      port: all.PORT,
      host: all.HOST,
      database: all.KEYRING_DATABASE ?? null,
      apiToken: all.KEYRING_API_TOKEN ?? null,
    },
  }
}

function vaultSettings(all: Settings, login: ReadLogin | null): VaultSettings | null {
  const { KEYRING_VAULT_HOST: url, KEYRING_VAULT_MOUNT: mount, KEYRING_VAULT_PATH: path, KEYRING_VAULT_KV: kv } = all
  const auth = login?.auth ?? null
  if (url === undefined || mount === undefined || path === undefined || auth === null) return null
  return {
    address: url.origin,
    tls: tlsSettings(all, auth),
    headers: all.KEYRING_VAULT_HEADERS,
    namespace: all.KEYRING_VAULT_NAMESPACE,
    loginNamespace: login?.namespace ?? all.KEYRING_VAULT_NAMESPACE,
    timeoutMs: all.KEYRING_VAULT_TIMEOUT_MS,
    auth,
    secrets: [
      { keyring: 'default', kv, mount, path },
      ...all.KEYRINGS.map((each) => ({
        keyring: each.name,
        kv: each.kv ?? kv,
        mount: each.mount ?? mount,
        path: each.path,
      })),
    ],
  }
}

const TLS_SETTINGS = [
  'KEYRING_VAULT_CACERT',
  'KEYRING_VAULT_CLIENT_CERT',
  'KEYRING_VAULT_CLIENT_KEY',
  'KEYRING_VAULT_TLS_SERVER_NAME',
] as const
type TlsSettings = Partial<Pick<Settings, (typeof TLS_SETTINGS)[number]>>

/** Alone, whatever is wrong elsewhere; what is itself wrong counts as not set. */
export function tlsOf(env: Env, runtime: Runtime): VaultTls {
  const texts = textsOf(env, runtime)
  return tlsSettings(
    Object.fromEntries(TLS_SETTINGS.map((name) => [name, z.safeParse(SETTINGS[name].schema, texts[name]).data])),
    readVaults(env, runtime, false).login?.auth ?? null,
  )
}

function tlsSettings(all: TlsSettings, auth: LoginSettings | null): VaultTls {
  const { KEYRING_VAULT_CLIENT_CERT: cert, KEYRING_VAULT_CLIENT_KEY: key } = all
  const client = cert === undefined || key === undefined ? null : { cert, key }
  return {
    authorities: all.KEYRING_VAULT_CACERT ?? null,
    client: ofLogin(auth) ?? client,
    serverName: all.KEYRING_VAULT_TLS_SERVER_NAME ?? null,
  }
}

/** That of the login `cert`: the connection presents it. */
function ofLogin(auth: LoginSettings | null): VaultTls['client'] {
  if (auth?.method !== 'cert' || auth.certificate === null) return null
  const { cert, key } = auth.certificate
  return { cert: textOf(cert).reveal(), key: textOf(key) }
}

const textOf = (source: CredentialSource): Secret => ('file' in source ? new Secret(source.file) : source)
