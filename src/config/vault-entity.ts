/** A Vault in the words of Kong's Vault entity `hcv`: as `KONG_VAULT_HCV_<NAME>`, or as the `config` object that decK writes. */
import type { LoginSettings } from '../core/login-settings.ts'
import { CONNECTION_OPTIONS, NOT_YET } from './connection-options.ts'
import type { Option } from './login-options.ts'
import { LOGIN_OPTIONS } from './login-options.ts'
import { readLogin } from './login.ts'
import { isLoopback } from '../core/loopback.ts'
import type { Env, Given, Problem } from './names.ts'
import { givenOf } from './names.ts'
import type { Spelling } from './options.ts'
import { readOptions } from './options.ts'
import { HCV, HCV_PREFIX } from './rows.ts'
import type { Runtime } from './settings.ts'

export interface VaultConnection {
  /** Scheme, host and port. */
  readonly address: string
  /** '' = none. */
  readonly namespace: string
  readonly loginNamespace: string
  readonly mount: string
  readonly kv: 1 | 2
  readonly auth: LoginSettings
}

export interface ReadConnection {
  /** `null` when there are problems. */
  readonly connection: VaultConnection | null
  readonly problems: readonly Problem[]
  readonly notices: readonly string[]
}

export interface Where {
  readonly env: Env
  readonly runtime: Runtime
  /** KEYRING_VAULT_ALLOW_HTTP. */
  readonly allowHttp: boolean
}

/** `null` = none of its names is set. */
export function readHcv(where: Where): ReadConnection | null {
  const given = new Map(HCV.map(([name, setting]) => [name, givenOf(where.env, name, setting)]))
  if (![...given.values()].some((each) => each.length > 0)) return null
  const nameOf = (option: string) => HCV_PREFIX + option.toUpperCase()
  return readConnection({ nameOf, given: (option) => given.get(nameOf(option)) ?? [], isEntity: false }, where)
}

/** The `config` of an entity. Texts may hold decK's `${{ env "DECK_NAME" }}`. */
export function readEntity(config: Readonly<Record<string, unknown>>, where: Where): ReadConnection {
  const texts = Object.entries(config).map(([field, value]) => [field, textOf(value, where.env)] as const)
  const wrong = texts.flatMap(([field, text]) => problemOf(field, text))
  const of = (field: string): Given[] => {
    const text = texts.find(([name]) => name === field)?.[1]
    return typeof text === 'string' && text !== '' ? [{ name: `config.${field}`, text }] : []
  }
  const nameOf = (option: string) => `config.${option}`
  const given = (option: string) => [option, ...(OPTIONS[option]?.also ?? [])].flatMap(of)
  const read = readConnection({ nameOf, given, isEntity: true }, where)
  return wrong.length === 0 ? read : { ...read, connection: null, problems: [...wrong, ...read.problems] }
}

const OPTIONS: Readonly<Record<string, Option>> = {
  ...CONNECTION_OPTIONS,
  ...LOGIN_OPTIONS,
}
const FIELDS = new Set(Object.entries(OPTIONS).flatMap(([option, { also = [] }]) => [option, ...also]))

type Text = string | { readonly problem: string }

const DECK = /\$\{\{\s*env\s+"([^"]*)"\s*\}\}/g

/** A field without a value is one that is not set. */
function textOf(value: unknown, env: Env): Text {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'string') return { problem: 'must be a text, a number, true or false' }
  const names = [...value.matchAll(DECK)].map(([, name = '']) => name)
  if (names.some((name) => !/^DECK_\w+$/.test(name)))
    return { problem: 'may name variables that begin with DECK_ alone' }
  if (names.some((name) => (env[name] ?? '') === '')) return { problem: 'names a variable that is not set' }
  return value.replaceAll(DECK, (_all, name: string) => env[name] ?? '')
}

/** Of a field that nobody knows not even the name is quoted. */
function problemOf(field: string, text: Text): Problem[] {
  if (text === '') return []
  if (/^(?:gcp_|azure_|aws_auth_nonce$)/.test(field))
    return [{ name: 'config', message: 'has a field of a login that comes with a later release' }]
  if (!FIELDS.has(field))
    return [{ name: 'config', message: 'has a field that is not known; docs/settings.md lists them all' }]
  return typeof text === 'string' ? [] : [{ name: `config.${field}`, message: text.problem }]
}

function readConnection(spelling: Spelling, { env, runtime, allowHttp }: Where): ReadConnection {
  const { values, problems } = readOptions(CONNECTION_OPTIONS, spelling)
  const login = readLogin(spelling, env, runtime)
  const { protocol, host, port, namespace, mount, kv } = values
  const isOpen = protocol === 'http' && host !== undefined && !isLoopback(host)
  const all = [...problems, ...(isOpen && !allowHttp ? [plainHttp(spelling)] : []), ...login.problems]
  const notYet = NOT_YET.flatMap((option) => spelling.given(option))
  const notices = [
    ...(isOpen && allowHttp
      ? [`WARNING: ${spelling.nameOf('protocol')} is http: anyone on the way can read the token.`]
      : []),
    ...notYet.map(({ name }) => `${name} is not used yet: references come with a later release.`),
    ...login.notices,
  ]
  if (login.auth === null || all.length > 0) return { connection: null, problems: all, notices }
  const address = new URL(`${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}`).origin
  const connection = { address, namespace, loginNamespace: login.namespace ?? namespace, mount, kv, auth: login.auth }
  return { connection, problems: [], notices }
}

const plainHttp = (spelling: Spelling): Problem => ({
  name: spelling.nameOf('protocol'),
  message: 'must be https, unless the host is loopback or KEYRING_VAULT_ALLOW_HTTP is on',
})
