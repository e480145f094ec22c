/** Reads the settings once, from the environment to the configuration. Every problem is told at once, by name and rule, never by value. */
import type { Cadence, ReadCron, RotationRules } from '../core/ports.ts'
import type { Secret } from '../core/secret.ts'
import type { AnsweringConfig, Parsed } from './answering.ts'
import { OFF, answeringConfig, saysOff, secretsTableOf } from './answering.ts'
import { cadenceOf } from './cadence.ts'
import { unverified } from './foreign.ts'
import type { ReadLogin } from './login.ts'
import { readLogin } from './login.ts'
import { LOGIN, OWN, ROTATION_LOGIN, misplaced, unknownNames, unusedNotices } from './names.ts'
import type { Env, Problem, Runtime, Texts } from './setting.ts'
import { textsOf, valuesOf, wrongOf } from './setting.ts'
import type { Settings } from './settings.ts'
import { ADDRESS, ASKING, RULES, TABLE, TOKENS, isPlainHttp } from './settings.ts'
import type { PushedSource, ReadVault, VaultSettings, VaultTexts, VaultTls } from './vault.ts'
import { certOnWorkers, providerTlsOf, pushedSources, tlsOf, vaultSettings } from './vault.ts'

export interface Config extends AnsweringConfig {
  /** `null` where Vault is never asked. */
  readonly vault: VaultSettings | null
  /** `null` = Vault is asked. */
  readonly pushed: readonly PushedSource[] | null
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
interface Written extends VaultTexts {
  readonly env: Env
  /** The texts of the login that rotations write with. */
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
interface Read extends ReadVault {
  readonly cadence: Cadence | null
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
