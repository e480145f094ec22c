/** Reads the settings once, from the environment to the configuration. Every problem is told at once, by name and rule, never by value. */
import type { CredentialSource, LoginSettings } from '../core/login-settings.ts'
import type { Cadence, ReadCron, RotationRules, SourceId } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import type { AnsweringConfig, Parsed } from './answering.ts'
import { OFF, answeringConfig, saysOff, secretsTableOf } from './answering.ts'
import { cadenceOf } from './cadence.ts'
import { unverified } from './foreign.ts'
import type { LoginOption } from './login-methods.ts'
import type { ReadLogin } from './login.ts'
import { readLogin } from './login.ts'
import { LOGIN, OWN, ROTATION_LOGIN, misplaced, unknownNames, unusedNotices } from './names.ts'
import type { Env, Problem, Runtime, Texts } from './setting.ts'
import { textsOf, valuesOf, wrongOf } from './setting.ts'
import type { SettingName, Settings } from './settings.ts'
import { ADDRESS, ASKING, RULES, TABLE, TOKENS, isPlainHttp } from './settings.ts'

interface SecretSetting {
  readonly keyring: string
  readonly kv: 'v1' | 'v2'
  readonly mount: string
  readonly path: string
}

/** The texts are PEM, or the paths of PEM files. All are secrets, because a key may stand in each. */
export interface VaultTls {
  /** One or more, separated by commas; `system` = those of the runtime and of the operating system. `null` = those of the runtime. */
  readonly authorities: Secret | null
  /** A certificate comes with its key or not at all. */
  readonly client: { readonly cert: Secret; readonly key: Secret } | null
  /** `null` = the host of the address. */
  readonly serverName: string | null
  /** The settings that they were written in, for people. */
  readonly names: { readonly authorities: string; readonly cert: string; readonly key: string }
}

export interface VaultSettings {
  /** Scheme, host, port and base path, without a slash at the end. */
  readonly address: string
  /** Something is set in it only where the platform has a TLS of its own. */
  readonly tls: VaultTls
  /** The same for the identity provider of the login; `null` = nothing is set. */
  readonly providerTls: VaultTls | null
  /** They are sent along to Vault, and to Vault alone. */
  readonly headers: Readonly<Record<string, Secret>>
  /** '' = none. */
  readonly namespace: string
  readonly timeoutMs: number
  /** The namespace of logins; '' = none. */
  readonly loginNamespace: string
  readonly auth: LoginSettings
  /** The login that rotations write with. `null` = the same. */
  readonly rotationLogin: { readonly auth: LoginSettings; readonly loginNamespace: string } | null
  /** `default` first. */
  readonly secrets: readonly SecretSetting[]
}

export interface Config extends AnsweringConfig {
  /** `null` where Vault is never asked. */
  readonly vault: VaultSettings | null
  /** What others push here, and under which identity. `null` = Vault is asked. */
  readonly pushed: readonly (SourceId & { readonly keyring: string })[] | null
  readonly rotation: RotationRules
  readonly workers: { readonly locationHint: NonNullable<Settings['KEYRING_LOCATION_HINT']> | null }
  readonly lambda: {
    readonly table: string | null
    readonly secretsTable: string | null
    readonly syncFunction: string | null
  }
  readonly node: {
    readonly port: number
    readonly host: string
    readonly database: string | null
    readonly apiToken: Secret | null
  }
}

/** What settings say of files; `database` null = none is named. */
interface NamedFiles {
  readonly tls: readonly VaultTls[]
  readonly database: string | null
  readonly isOff: boolean
}

/** Looks at the files that settings name, where there are files. */
type LookAtFiles = (named: NamedFiles) => {
  readonly problems: readonly Problem[]
  readonly warnings: readonly string[]
}

const PLAIN_HTTP =
  'WARNING: KEYRING_VAULT_HOST is plain http (KEYRING_VAULT_ALLOW_HTTP is on): anyone on the way can read the Vault token and every key. Use https.'

/**
 * @param lookAtFiles its problems are told with all others, whatever else is wrong.
 * @param readCron `core/cadence.ts`; without it every cron expression is refused.
 */
export function parseConfig(
  env: Env,
  runtime: Runtime,
  lookAtFiles: LookAtFiles = () => ({ problems: [], warnings: [] }),
  readCron: ReadCron = () => null,
): Parsed<Config> {
  const written = writtenIn(env, runtime)
  const read = readAll(written, readCron)
  const { tls, providerTls, isOff, all } = read
  const files = lookAtFiles({
    tls: providerTls === null ? [tls] : [tls, providerTls],
    isOff,
    database: all.KEYRING_DATABASE ?? null,
  })
  const problems = [...read.problems, ...written.problems, ...files.problems]
  if (problems.length > 0) return { ok: false, problems }
  const notices = [...read.notices, ...written.notices, ...files.warnings]
  return { ok: true, config: read.isOff ? null : toConfig(read), notices }
}

/** What the environment says: the texts of settings, and names that are none. */
interface Written {
  readonly env: Env
  readonly runtime: Runtime
  readonly texts: Texts
  /** The texts of the login to the keyring's own Vault. */
  readonly login: Texts
  /** And of the login that rotations write with. */
  readonly rotationLogin: Texts
  readonly problems: readonly Problem[]
  readonly notices: readonly string[]
}

/** What is refused for its place is not read as a name of something else either. */
function writtenIn(env: Env, runtime: Runtime): Written {
  const away = misplaced(env, runtime)
  const names = new Set(away.map(({ name }) => name))
  const readable = Object.fromEntries(Object.entries(env).filter(([name]) => !names.has(name)))
  const texts = textsOf(TABLE, readable, runtime)
  const isPushed = texts.get('KEYRING_STRATEGY')?.[0]?.text === 'push'
  return {
    env,
    runtime,
    texts: isPushed ? textsOf(OWN, readable, runtime) : texts,
    login: textsOf(LOGIN, readable, runtime),
    rotationLogin: textsOf(ROTATION_LOGIN, readable, runtime),
    problems: [...unknownNames(env), ...away, ...unverified(env)],
    notices: unusedNotices(env),
  }
}

/** The values of the settings, right where there are no problems. */
interface Read {
  readonly all: Settings
  readonly login: ReadLogin
  readonly rotationLogin: ReadLogin | null
  readonly cadence: Cadence | null
  readonly tls: VaultTls
  readonly providerTls: VaultTls | null
  readonly isOff: boolean
  readonly problems: readonly Problem[]
  readonly notices: readonly string[]
}

function readAll(written: Written, readCron: ReadCron): Read {
  const { texts, runtime } = written
  const [isAnswering, mayAsk] = [runtime !== 'lambda-sync', ASKING.some((each) => each === runtime)]
  const rules = [...RULES, ...(isAnswering ? [TOKENS] : []), ...(mayAsk ? [ADDRESS] : [])]
  const { values: all, problems } = valuesOf<Settings>(TABLE, texts, runtime, rules)
  const isOff = saysOff(all)
  const isPushed = all.KEYRING_STRATEGY === 'push'
  const isAsking = mayAsk && !isPushed
  const login = isAsking ? readLogin({ ...written, rows: LOGIN, texts: written.login }, isOff) : NO_LOGIN
  const rotationLogin = isAsking ? readRotationLogin(written, isOff) : null
  const rotation = readCadence(all, readCron)
  return {
    all,
    login,
    rotationLogin,
    cadence: rotation.cadence,
    tls: tlsOf(all, login.auth, written),
    providerTls: providerTlsOf(login.auth, written),
    isOff,
    problems: [
      ...wrongOf(problems, isOff),
      ...rotation.problems,
      ...login.problems,
      ...(rotationLogin?.problems ?? []),
      ...certOnWorkers(written, login.auth),
    ],
    notices: [
      ...(isOff ? [OFF] : isPlainHttp(all) ? [PLAIN_HTTP] : []),
      ...login.notices,
      ...(rotationLogin?.notices ?? []),
      ...unusedLogins(written, all),
    ],
  }
}

/** Whoever pushes logs in; a credential has no business here. */
const unusedLogins = ({ login, rotationLogin }: Written, { KEYRING_STRATEGY: strategy }: Partial<Settings>): string[] =>
  [...login.values(), ...rotationLogin.values()]
    .flat()
    .filter(({ name }) => strategy === 'push' && /^(?:KONG_)?KEYRING_/.test(name))
    .map(({ name }) => `${name} is not used here: the strategy is push.`)

function readCadence({ KEYRING_ROTATION: written }: Settings, readCron: ReadCron): Pick<Read, 'cadence' | 'problems'> {
  const cadence = written === undefined ? null : cadenceOf(written, readCron)
  if (typeof cadence !== 'string') return { cadence, problems: [] }
  return { cadence: null, problems: [{ name: 'KEYRING_ROTATION', message: cadence }] }
}

/** `null` = rotations write with the login that reads. */
function readRotationLogin(written: Written, isOff: boolean): ReadLogin | null {
  const { rotationLogin: texts } = written
  if (texts.size === 0) return null
  const login = readLogin({ ...written, rows: ROTATION_LOGIN, texts }, isOff)
  if (login.auth?.method !== 'cert') return login
  const message =
    'cannot be cert: a connection has one client certificate. Let the role of that one write too, or use another method'
  return { ...login, problems: [...login.problems, { name: 'KEYRING_ROTATION_VAULT_AUTH_METHOD', message }] }
}

const NO_LOGIN: ReadLogin = { auth: null, namespace: null, problems: [], notices: [] }

/** On Workers the platform presents the certificate, by a binding. */
function certOnWorkers({ runtime, texts }: Written, auth: LoginSettings | null): Problem[] {
  if (runtime !== 'workers' || auth?.method !== 'cert') return []
  if (texts.has('KEYRING_VAULT_VPC'))
    return [
      {
        name: 'KEYRING_VAULT_VPC',
        message:
          'cannot be used with the login cert: Workers VPC presents no client certificate. Use approle or jwt, or bind KEYRING_VAULT_MTLS instead',
      },
    ]
  if (texts.has('KEYRING_VAULT_MTLS')) return []
  return [
    {
      name: 'KEYRING_VAULT_MTLS',
      message:
        'is required with the login cert: a binding of a client certificate (mtls_certificates in wrangler.toml)',
    },
  ]
}

function toConfig(read: Read): Config {
  const { all } = read
  return {
    ...answeringConfig(all),
    ...(all.KEYRING_STRATEGY === 'push'
      ? { vault: null, pushed: pushedSources(all) }
      : { vault: vaultSettings(read), pushed: null }),
    rotation: {
      cadence: read.cadence,
      delayMs: all.KEYRING_ROTATION_DELAY * 1000,
      prunesHeld: all.KEYRING_ROTATION_PRUNE === 'held',
    },
    workers: { locationHint: all.KEYRING_LOCATION_HINT ?? null },
    lambda: {
      table: all.KEYRING_TABLE ?? null,
      secretsTable: all.KEYRING_TABLE === undefined ? null : secretsTableOf(all.KEYRING_TABLE, all),
      syncFunction: all.KEYRING_SYNC_FUNCTION ?? null,
    },
    node: {
      port: all.PORT,
      host: all.HOST,
      database: all.KEYRING_DATABASE ?? null,
      apiToken: all.KEYRING_API_TOKEN ?? null,
    },
  }
}

function vaultSettings({ all, login, rotationLogin, tls, providerTls }: Read): VaultSettings | null {
  const { KEYRING_VAULT_HOST: url, KEYRING_VAULT_MOUNT: mount, KEYRING_VAULT_PATH: path } = all
  if (url === undefined || mount === undefined || path === undefined || login.auth === null) return null
  return {
    address: addressOf(url),
    tls,
    providerTls,
    headers: all.KEYRING_VAULT_HEADERS,
    namespace: all.KEYRING_VAULT_NAMESPACE,
    loginNamespace: login.namespace ?? all.KEYRING_VAULT_NAMESPACE,
    timeoutMs: all.KEYRING_VAULT_TIMEOUT_MS,
    auth: login.auth,
    rotationLogin: rotationLogin?.auth
      ? { auth: rotationLogin.auth, loginNamespace: rotationLogin.namespace ?? all.KEYRING_VAULT_NAMESPACE }
      : null,
    secrets: secretsOf(all, mount, path),
  }
}

const secretsOf = (
  { KEYRINGS, KEYRING_VAULT_KV: kv }: Settings,
  mount: string,
  path: string,
): readonly SecretSetting[] => [
  { keyring: 'default', kv, mount, path },
  ...KEYRINGS.map((each) => ({
    keyring: each.name,
    kv: each.kv ?? kv,
    mount: each.mount ?? mount,
    path: each.path,
  })),
]

/** Nobody is asked at it: it only tells one source from another. */
const PUSHED_ADDRESS = 'push://inside'

/** A deployment that was synced from an address keeps its keys when `KEYRING_VAULT_HOST` has it. */
function pushedSources(all: Settings): NonNullable<Config['pushed']> {
  const { KEYRING_VAULT_HOST: url, KEYRING_VAULT_MOUNT: mount, KEYRING_VAULT_PATH: path } = all
  if (mount === undefined || path === undefined) return []
  const address = url === undefined ? PUSHED_ADDRESS : addressOf(url)
  const namespace = all.KEYRING_VAULT_NAMESPACE
  return secretsOf(all, mount, path).map(({ keyring, kv, ...secret }) => {
    return { keyring, kind: kv === 'v1' ? 'kv1' : 'kv2', address, namespace, ...secret }
  })
}

const addressOf = (url: URL): string => url.href.replace(/\/$/, '')

/** The connection presents the certificate of the login `cert`. A setting that is itself wrong counts as not set. */
export function tlsOf(
  all: Partial<Settings>,
  auth: LoginSettings | null,
  { texts, login }: Pick<Written, 'texts' | 'login'>,
): VaultTls {
  const { KEYRING_VAULT_CLIENT_CERT: cert, KEYRING_VAULT_CLIENT_KEY: key } = all
  const own = cert === undefined || key === undefined ? null : { cert, key }
  const ofLogin = auth?.method === 'cert' ? auth.certificate : null
  const nameOf = (name: SettingName, option: LoginOption | null) =>
    (option !== null && ofLogin !== null ? login.get(option) : texts.get(name))?.[0]?.name ?? name
  return {
    authorities: all.KEYRING_VAULT_CACERT ?? null,
    client: ofLogin === null ? own : { cert: textOf(ofLogin.cert), key: textOf(ofLogin.key) },
    serverName: all.KEYRING_VAULT_TLS_SERVER_NAME ?? null,
    names: {
      authorities: nameOf('KEYRING_VAULT_CACERT', null),
      cert: nameOf('KEYRING_VAULT_CLIENT_CERT', 'cert_auth_cert'),
      key: nameOf('KEYRING_VAULT_CLIENT_KEY', 'cert_auth_cert_key'),
    },
  }
}

/** Of the identity provider only the authorities can be set. */
export function providerTlsOf(auth: LoginSettings | null, { login }: Pick<Written, 'login'>): VaultTls | null {
  if (auth?.method !== 'oauth2' || auth.authorities === null) return null
  const name = login.get('oauth2_cacert')?.[0]?.name ?? ''
  const names = { authorities: name, cert: name, key: name }
  return { authorities: auth.authorities, client: null, serverName: null, names }
}

const textOf = (source: CredentialSource): Secret => ('file' in source ? new Secret(source.file) : source)
