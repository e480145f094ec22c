/** The login of one Vault: what is missing, what does not fit together, what is not used. It may be written under any names. */
import type { LoginSettings } from '../core/login-settings.ts'
import { isOfClient } from './login-jwt.ts'
import type { Checks } from './login-method.ts'
import type { LoginTable } from './login-methods.ts'
import { LOGIN_OPTIONS, METHODS, methodsWith } from './login-methods.ts'
import type { Env, Problem, Row, Runtime, Texts, Values } from './setting.ts'
import { rowsOf, valuesOf } from './setting.ts'

type MethodName = LoginSettings['method']

export interface ReadLogin {
  /** `null` when there are problems. */
  readonly auth: LoginSettings | null
  /** `null` = that of everything else. */
  readonly namespace: string | null
  readonly problems: readonly Problem[]
  readonly notices: readonly string[]
}

/** @param spell from an option to the name that operators write. */
export const loginRows = (spell: (option: string) => string, only: readonly Runtime[]): readonly Row[] =>
  rowsOf(LOGIN_OPTIONS, spell).map(([name, setting, key]) => [name, { ...setting, only }, key])

/** The login as it is written, and where. */
export interface WrittenLogin {
  readonly rows: readonly Row[]
  readonly texts: Texts
  readonly env: Env
  readonly runtime: Runtime
}

/**
 * What is set must be right, but for names of others that this login does not use.
 * @param isOff nothing is required.
 */
export function readLogin(written: WrittenLogin, isOff: boolean): ReadLogin {
  const { rows, texts, runtime } = written
  const { values, problems } = valuesOf<Values<LoginTable>>(rows, texts, runtime)
  const method = isOff ? null : methodOf(values, texts)
  const isUsed = (option: string) => method !== null && Object.hasOwn(METHODS[method].options, option)
  const ofOthers = new Set(rows.flatMap(([, { fallbacks = [] }]) => fallbacks))
  const found = problems
    .filter(({ key, name, isMissing }) => isUsed(key) || (!isMissing && !ofOthers.has(name)))
    .map(({ name, message }): Problem => ({ name, message }))
  const base = { problems: found, namespace: values.login_namespace ?? null }
  if (method === null) return { ...base, auth: null, notices: [] }
  const checks = checksOf(written, found)
  const { check, build } = METHODS[method]
  check?.(checks, values)
  const auth = found.length === 0 ? build(values, checks) : null
  return { ...base, auth, notices: [...unused(method, written), ...warnings(auth, checks)] }
}

/** `jwt` with a client of an identity provider is `oauth2`: Kong's settings have the one word, its how-to the other. */
function methodOf({ auth_method: method }: Partial<Values<LoginTable>>, texts: Texts): MethodName | null {
  return method === 'jwt' && isOfClient((option) => texts.has(option)) ? 'oauth2' : (method ?? null)
}

function checksOf({ rows, texts, env, runtime }: WrittenLogin, found: Problem[]): Checks {
  const names = new Map(rows.map(([name, , key]) => [key, name]))
  const nameOf = (option: string) => names.get(option) ?? option
  return {
    env,
    runtime,
    hasFiles: runtime !== 'workers',
    nameOf,
    isGiven: (option) => texts.has(option),
    complain: (option, message) => found.push({ name: texts.get(option)?.[0]?.name ?? nameOf(option), message }),
  }
}

/** Only what an operator wrote for us is told of, because VAULT_TOKEN may be there for others. */
function unused(method: MethodName, { rows, texts }: WrittenLogin): string[] {
  return rows.flatMap(([, { fallbacks = [] }, key]) => {
    const users = methodsWith(key)
    const own = (texts.get(key) ?? []).filter(({ name }) => !fallbacks.includes(name))
    if (users.length === 0 || users.includes(method)) return []
    return own.map(({ name }) => `${name} is not used here: the login is ${method}.`)
  })
}

function warnings(auth: LoginSettings | null, { nameOf }: Checks): string[] {
  if (auth?.method !== 'approle') return []
  if (auth.secretId === null)
    return [`${nameOf('approle_secret_id')} is not set: the role must need none (bind_secret_id=false).`]
  if (!auth.wrapping || auth.roleName !== '') return []
  const name = nameOf('approle_role_name')
  return [`WARNING: ${name} is not set: a wrapping token with a secret id of any role of the mount is accepted.`]
}
