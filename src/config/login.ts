/** The login of one Vault, in whatever spelling: what is missing, what does not fit together, what is not used. */
import type { LoginSettings } from '../core/login-settings.ts'
import type { Checks, LoginValues } from './login-checks.ts'
import { JWT_SOURCES, checkOneOf } from './login-checks.ts'
import { METHODS } from './login-methods.ts'
import type { LoginOption } from './login-options.ts'
import { LOGIN_OPTIONS } from './login-options.ts'
import type { Env, Given, Problem } from './names.ts'
import { isOurs } from './names.ts'
import type { Spelling } from './options.ts'
import { readOptions } from './options.ts'
import type { Runtime } from './settings.ts'

export interface ReadLogin {
  /** `null` when there are problems. */
  readonly auth: LoginSettings | null
  /** `null` = that of everything else. */
  readonly namespace: string | null
  readonly problems: readonly Problem[]
  readonly notices: readonly string[]
}

/** @param isOff nothing is required, but what is set must be right. */
export function readLogin(spelling: Spelling, env: Env, runtime: Runtime, isOff = false): ReadLogin {
  const { values, problems } = readOptions(LOGIN_OPTIONS, spelling)
  const namespace = values.login_namespace ?? null
  // What is wrong is no name of a method, whatever the type says.
  const method = isOff || !Object.hasOwn(METHODS, values.auth_method ?? '') ? null : methodOf(values, spelling)
  if (method === null) return { auth: null, namespace, problems, notices: [] }
  const found: Problem[] = []
  const checks = checksOf(spelling, env, runtime, found)
  check(method, values, checks)
  const all = [...problems, ...found]
  const auth = all.length === 0 ? METHODS[method].build(values, checks) : null
  return { auth, namespace, problems: all, notices: [...unused(method, spelling), ...warnings(auth, checks)] }
}

const OPTIONS = Object.keys(LOGIN_OPTIONS) as LoginOption[]
const isGiven = (spelling: Spelling, option: LoginOption): boolean => spelling.given(option).length > 0

/** `jwt` with a client of an identity provider is `oauth2`: Kong's settings have the one word, its how-to the other. */
function methodOf({ auth_method: method }: LoginValues, spelling: Spelling): LoginSettings['method'] {
  const hasJwt = JWT_SOURCES.some((option) => isGiven(spelling, option))
  const hasClient = isGiven(spelling, 'oauth2_client_id') || isGiven(spelling, 'oauth2_token_endpoint')
  return method === 'jwt' && hasClient && !hasJwt ? 'oauth2' : method
}

function checksOf(spelling: Spelling, env: Env, runtime: Runtime, found: Problem[]): Checks {
  const written = (option: LoginOption) => spelling.given(option)[0]?.name ?? spelling.nameOf(option)
  return {
    env,
    runtime,
    hasFiles: runtime !== 'workers',
    nameOf: (option) => spelling.nameOf(option),
    isGiven: (option) => isGiven(spelling, option),
    complain: (option, message) => found.push({ name: written(option), message }),
  }
}

function check(method: LoginSettings['method'], values: LoginValues, checks: Checks): void {
  const { required, sources, check } = METHODS[method]
  for (const [option, what] of Object.entries(required) as [LoginOption, string][]) {
    if (!checks.isGiven(option)) checks.complain(option, `is required: ${what}`)
  }
  for (const source of sources) {
    if (source.instead === undefined || !checks.isGiven(source.instead)) checkSource(source, checks)
  }
  check(checks, values)
}

type Source = (typeof METHODS)[LoginSettings['method']]['sources'][number]

function checkSource({ value, file, what, usual }: Source, checks: Checks): void {
  const { hasFiles, isGiven, nameOf, complain } = checks
  if (!hasFiles) {
    if (isGiven(file)) complain(file, `cannot be used on Workers, which have no files: set ${nameOf(value)}`)
    else if (!isGiven(value)) complain(value, `is required: ${what}`)
  } else if (usual === undefined || isGiven(value)) checkOneOf(value, file, what, checks)
}

/** Only of what an operator wrote for us: VAULT_TOKEN may be there for others. */
function unused(method: LoginSettings['method'], spelling: Spelling): string[] {
  const others = OPTIONS.filter((option) => {
    const { by } = LOGIN_OPTIONS[option] as { by?: readonly string[] }
    return by !== undefined && !by.includes(method)
  })
  const given = others.flatMap((option): readonly Given[] => spelling.given(option))
  return given
    .filter(({ name }) => isOurs(name) || spelling.isEntity)
    .map(({ name }) => `${name} is not used here: the login is ${method}.`)
}

function warnings(auth: LoginSettings | null, { nameOf }: Checks): string[] {
  if (auth?.method !== 'approle' || !auth.wrapping || auth.roleName !== '') return []
  const name = nameOf('approle_role_name')
  return [`WARNING: ${name} is not set: a wrapping token with a secret id of any role of the mount is accepted.`]
}
