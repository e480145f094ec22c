/** From environment names to settings: aliases, fallbacks, names that are not used and names that nobody knows. */
import { closestMatch } from 'leven'
import { HCV, LOGIN } from './rows.ts'
import type { Runtime, Setting } from './settings.ts'
import { TABLE, UNUSED } from './settings.ts'

export type Env = Readonly<Record<string, string | undefined>>

export interface Problem {
  readonly name: string
  readonly message: string
}

/** Empty counts as not set. */
const isSet = (env: Env, name: string): boolean => (env[name] ?? '') !== ''

const withKong = (name: string): string[] => [name, `KONG_${name}`]

/** A text, and the name that it stands under. */
export interface Given {
  readonly name: string
  readonly text: string
}

const ownNames = (name: string, { kong, also = [] }: Setting): string[] =>
  [name, ...also].flatMap((each) => (kong ? withKong(each) : [each]))

/** Every name that a setting is read from, in order. */
export const namesOf = (name: string, setting: Setting): string[] => [
  ...ownNames(name, setting),
  ...(setting.fallbacks ?? []),
]

/** Under its own names; the first of the others when it has none. */
export function givenOf(env: Env, name: string, setting: Setting): Given[] {
  const read = (names: readonly string[]) =>
    names.flatMap((each) => (isSet(env, each) ? [{ name: each, text: env[each] ?? '' }] : []))
  const own = read(ownNames(name, setting))
  return own.length > 0 ? own : read(setting.fallbacks ?? []).slice(0, 1)
}

/** `undefined` = not set. */
export const sourceOf = (env: Env, name: string, setting: Setting): string | undefined =>
  givenOf(env, name, setting)[0]?.name

export const isRead = ({ only }: Setting, runtime: Runtime): boolean => only?.includes(runtime) ?? true

/** The text of every setting that is set or has a default. What this runtime does not read is not set. */
export function textsOf(env: Env, runtime: Runtime): Record<string, string | undefined> {
  const textOf = (name: string, setting: Setting) => {
    const source = isRead(setting, runtime) ? sourceOf(env, name, setting) : undefined
    return source === undefined ? setting.default : env[source]
  }
  return Object.fromEntries(TABLE.map(([name, setting]) => [name, textOf(name, setting)]))
}

/** Equal texts may stand under all names. */
export const differing = ([first, ...others]: readonly Given[]): Problem[] =>
  first === undefined
    ? []
    : others
        .filter(({ text }) => text !== first.text)
        .map(({ name }) => ({ name: first.name, message: `differs from ${name}: set one of the two` }))

const unusedNames = Object.entries(UNUSED).flatMap(([name, why]) => withKong(name).map((each) => ({ name: each, why })))

export const unusedNotices = (env: Env): string[] =>
  unusedNames.filter(({ name }) => isSet(env, name)).map(({ name, why }) => `${name} is not used here: ${why}.`)

const ALL = [...TABLE, ...LOGIN, ...HCV]

/** Names such as PORT are common: where they mean nothing they are left alone. */
export const misplaced = (env: Env, runtime: Runtime): Problem[] =>
  ALL.filter(([, setting]) => !isRead(setting, runtime)).flatMap(([name, setting]) => {
    const instead = runtime === 'workers' ? setting.onWorkers : undefined
    return namesOf(name, setting)
      .filter((each) => (instead !== undefined || OURS.test(each)) && isSet(env, each))
      .map((each) => ({
        name: each,
        message: `is not read by ${runtime}, only by ${setting.only?.join(', ')}: ${instead ?? 'remove it here'}`,
      }))
  })

const OURS = /^(?:(?:KONG_)?KEYRINGS?(?:_|$)|KONG_VAULT_HCV_)/
/** Written by an operator, not by the platform. */
export const isOurs = (name: string): boolean => OURS.test(name)

const KNOWN = new Set([
  ...ALL.flatMap(([name, setting]) => namesOf(name, setting)),
  ...unusedNames.map(({ name }) => name),
])
const SUGGESTED = [...[...TABLE, ...LOGIN].map(([name]) => name), ...Object.keys(UNUSED)]
const OF_HCV = HCV.map(([name]) => name)
/** Letters that may differ: enough for KEYRING_VAULT_ADDR, too few for another setting. */
const NEAR = 4

export const unknownNames = (env: Env): Problem[] =>
  Object.keys(env)
    .filter((name) => OURS.test(name) && isSet(env, name) && !KNOWN.has(name))
    .sort()
    .map((name) => ({ name, message: `is not a setting${injected(name) ?? suggestion(name)}` }))

const LATER = /^(?:(?:KONG_)?KEYRING_VAULT|KONG_VAULT_HCV)_(?:GCP_|AZURE_|AWS_AUTH_NONCE$)/

function suggestion(name: string): string {
  if (LATER.test(name)) return ' yet: its login comes with a later release'
  const [text, among] = name.startsWith('KONG_VAULT_') ? [name, OF_HCV] : [name.replace('KONG_', ''), SUGGESTED]
  const nearest = closestMatch(text, among, { maxDistance: NEAR })
  return nearest === undefined ? '; docs/settings.md lists them all' : `. Did you mean ${nearest}?`
}

/** What Kubernetes gives every pod because of a Service named `keyring`. */
const SERVICE_LINK = /^KEYRING_(?:SERVICE_HOST|SERVICE_PORT|PORT)(?:_|$)/

const injected = (name: string): string | null =>
  SERVICE_LINK.test(name)
    ? ': Kubernetes sets it for a Service named "keyring"; set enableServiceLinks: false in the pod, or name the Service otherwise'
    : null
