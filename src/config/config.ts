/** The settings, parsed once: every problem at once, by name and rule, never by value. */
import { closestMatch } from 'leven'
import * as z from 'zod/mini'
import type { Secret } from '../core/secret.ts'
import { isLoopback } from './loopback.ts'
import type { ApiTokenSetting, WrappingKeySetting } from './rules.ts'
import type { Name, Setting } from './settings.ts'
import { NOT_USED, RULES, SETTINGS } from './settings.ts'

export interface Config {
  readonly vault: {
    /** Scheme, host and port. */
    readonly address: string
    /** '' = none. */
    readonly namespace: string
    readonly mount: string
    readonly path: string
    readonly timeoutMs: number
    readonly auth: { readonly method: 'token'; readonly token: Secret }
  }
  /** The first seals, all open. */
  readonly wrappingKeys: readonly WrappingKeySetting[]
  readonly apiTokens: readonly ApiTokenSetting[]
  readonly node: {
    readonly host: string
    readonly port: number
    readonly database: string | null
    readonly apiToken: Secret | null
    readonly devVaultPort: number
  }
}

export interface Problem {
  readonly name: string
  readonly message: string
}

/** `config` null = the keyring is switched off. Notices are for the operator's log. */
export type Parsed =
  | { readonly ok: true; readonly config: Config | null; readonly notices: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export type Env = Readonly<Record<string, string | undefined>>

const NAMES = Object.keys(SETTINGS) as Name[]
const setting = (name: Name): Setting => SETTINGS[name]

const optional = <Rule extends z.ZodMiniType>(rule: Rule) => z.optional(rule)
const schema = z.object({
  ...RULES,
  KEYRING_API_TOKENS: optional(RULES.KEYRING_API_TOKENS),
  KEYRING_API_TOKEN: optional(RULES.KEYRING_API_TOKEN),
  KEYRING_VAULT_NAMESPACE: optional(RULES.KEYRING_VAULT_NAMESPACE),
  KEYRING_DATABASE: optional(RULES.KEYRING_DATABASE),
})
type Values = z.output<typeof schema>

export function parseConfig(env: Env): Parsed {
  const given = gather(env)
  const parsed = z.safeParse(schema, given)
  const problems = [...conflicts(env), ...(parsed.success ? across(parsed.data) : broken(parsed.error.issues, given)), ...misspelt(env)]
  const notices = unused(env)
  if (isOff(given)) return { ok: true, config: null, notices: [...notices, 'The keyring is off (KEYRING_ENABLED).'] }
  if (problems.length > 0 || !parsed.success) return { ok: false, problems: inTableOrder(problems) }
  return { ok: true, config: configOf(parsed.data), notices: [...notices, ...warnings(parsed.data)] }
}

function configOf(values: Values): Config {
  return {
    vault: {
      address: values.KEYRING_VAULT_HOST,
      namespace: values.KEYRING_VAULT_NAMESPACE ?? '',
      mount: values.KEYRING_VAULT_MOUNT,
      path: values.KEYRING_VAULT_PATH,
      timeoutMs: values.KEYRING_VAULT_TIMEOUT_MS,
      auth: { method: 'token', token: values.KEYRING_VAULT_TOKEN },
    },
    wrappingKeys: values.KEYRING_WRAPPING_KEYS,
    apiTokens: values.KEYRING_API_TOKENS ?? [],
    node: {
      host: values.HOST,
      port: values.PORT,
      database: values.KEYRING_DATABASE ?? null,
      apiToken: values.KEYRING_API_TOKEN ?? null,
      devVaultPort: values.KEYRING_DEV_VAULT_PORT,
    },
  }
}

/** Present but empty counts as not set. */
const valueOf = (env: Env, name: string | undefined): string | undefined => (name === undefined ? undefined : env[name] || undefined)

function gather(env: Env): Partial<Record<Name, string>> {
  const entries = NAMES.flatMap((name) => {
    const { alias, fallbacks = [], default: preset } = setting(name)
    const value = [name, alias, ...fallbacks].map((candidate) => valueOf(env, candidate)).find((found) => found !== undefined) ?? (preset || undefined)
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(entries)
}

function conflicts(env: Env): Problem[] {
  return NAMES.flatMap((name) => {
    const { alias } = setting(name)
    const [own, other] = [valueOf(env, name), valueOf(env, alias)]
    return own !== undefined && other !== undefined && own !== other ? [{ name, message: `differs from ${alias}: set one of them` }] : []
  })
}

function broken(issues: readonly z.core.$ZodIssue[], given: Partial<Record<Name, string>>): Problem[] {
  const found = issues.map((issue) => {
    const name = String(issue.path[0]) as Name
    const isMissing = given[name] === undefined
    return { name, message: isMissing ? `is required: ${setting(name).required ?? 'see docs/settings.md'}` : issue.message }
  })
  return given.KEYRING_API_TOKENS ?? given.KEYRING_API_TOKEN ? found : [...found, NO_TOKENS]
}

const NO_TOKENS: Problem = { name: 'KEYRING_API_TOKENS', message: 'is required: who may call; make a token with "edge-keyring secrets new"' }
/** Characters. */
const TOKEN_LENGTH = { loopback: 8, elsewhere: 32 }

function across(values: Values): Problem[] {
  const problems: Problem[] = []
  const least = isLoopback(values.HOST) ? TOKEN_LENGTH.loopback : TOKEN_LENGTH.elsewhere
  if (isPlain(values) && !values.KEYRING_VAULT_ALLOW_HTTP) {
    problems.push({ name: 'KEYRING_VAULT_HOST', message: 'must be https:// for a host that is not loopback; KEYRING_VAULT_ALLOW_HTTP=on lifts this' })
  }
  if (values.KEYRING_API_TOKENS === undefined && values.KEYRING_API_TOKEN === undefined) problems.push(NO_TOKENS)
  if ((values.KEYRING_API_TOKEN?.reveal().length ?? least) < least) problems.push({ name: 'KEYRING_API_TOKEN', message: `must have ${least} characters or more` })
  return problems
}

function isPlain({ KEYRING_VAULT_HOST: address }: Values): boolean {
  const { protocol, hostname } = new URL(address)
  return protocol === 'http:' && !isLoopback(hostname)
}

const warnings = (values: Values): string[] =>
  isPlain(values) ? ['KEYRING_VAULT_ALLOW_HTTP is on: the Vault token and every key travel unencrypted.'] : []

const ALIASES = NAMES.flatMap((name) => setting(name).alias ?? [])
const withoutKong = (name: string): string => name.replace(/^KONG_/, '')

function misspelt(env: Env): Problem[] {
  const known = new Set<string>([...NAMES, ...ALIASES])
  const strange = Object.keys(env).filter((name) => /^(KONG_)?KEYRING_/.test(name) && !known.has(name) && !(withoutKong(name) in NOT_USED))
  return strange.map((name) => {
    const nearest = closestMatch(name, [...known], { maxDistance: 4 })
    return { name, message: `is not a setting${nearest === undefined ? '' : `; did you mean ${nearest}?`}` }
  })
}

function unused(env: Env): string[] {
  const named = Object.keys(env).filter((name) => withoutKong(name) in NOT_USED && valueOf(env, name) !== undefined)
  return named.map((name) => `${name} is not used here: ${NOT_USED[withoutKong(name)]}.`)
}

const isOff = (given: Partial<Record<Name, string>>): boolean => /^(off|false)$/i.test(given.KEYRING_ENABLED ?? '')

function inTableOrder(problems: readonly Problem[]): Problem[] {
  const place = (name: string) => (NAMES.indexOf(name as Name) + NAMES.length) % NAMES.length
  return problems.toSorted((a, b) => place(a.name) - place(b.name))
}
