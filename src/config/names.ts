/** From environment names to settings: aliases, fallbacks, names that are not used and names that nobody knows. */
import { closestMatch } from 'leven'
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

/** Every name that a setting is read from, in order. */
export const namesOf = (name: string, { kong, fallbacks = [] }: Setting): string[] => [
  ...(kong ? withKong(name) : [name]),
  ...fallbacks,
]

/** `undefined` = not set. */
export const sourceOf = (env: Env, name: string, setting: Setting): string | undefined =>
  namesOf(name, setting).find((each) => isSet(env, each))

export const isRead = ({ only }: Setting, runtime: Runtime): boolean => only?.includes(runtime) ?? true

/** The text of every setting that is set or has a default. What this runtime does not read is not set. */
export function textsOf(env: Env, runtime: Runtime): Record<string, string | undefined> {
  const textOf = (name: string, setting: Setting) => {
    const source = isRead(setting, runtime) ? sourceOf(env, name, setting) : undefined
    return source === undefined ? setting.default : env[source]
  }
  return Object.fromEntries(TABLE.map(([name, setting]) => [name, textOf(name, setting)]))
}

export function conflicts(env: Env, name: string, { kong }: Setting): Problem[] {
  const alias = `KONG_${name}`
  const differ = kong && isSet(env, name) && isSet(env, alias) && env[name] !== env[alias]
  return differ ? [{ name, message: `differs from ${alias}: set one of the two` }] : []
}

const unusedNames = Object.entries(UNUSED).flatMap(([name, why]) => withKong(name).map((each) => ({ name: each, why })))

export const unusedNotices = (env: Env): string[] =>
  unusedNames.filter(({ name }) => isSet(env, name)).map(({ name, why }) => `${name} is not used here: ${why}.`)

/** Names such as PORT are common: where they mean nothing they are left alone. */
export const misplaced = (env: Env, runtime: Runtime): Problem[] =>
  TABLE.filter(([, setting]) => !isRead(setting, runtime)).flatMap(([name, setting]) => {
    const instead = runtime === 'workers' ? setting.onWorkers : undefined
    return namesOf(name, setting)
      .filter((each) => (instead !== undefined || OURS.test(each)) && isSet(env, each))
      .map((each) => ({
        name: each,
        message: `is not read by ${runtime}, only by ${setting.only?.join(', ')}: ${instead ?? 'remove it here'}`,
      }))
  })

const OURS = /^(?:KONG_)?KEYRINGS?(?:_|$)/
const KNOWN = new Set([
  ...TABLE.flatMap(([name, setting]) => namesOf(name, setting)),
  ...unusedNames.map(({ name }) => name),
])
const SUGGESTED = [...TABLE.map(([name]) => name), ...Object.keys(UNUSED)]
/** Letters that may differ: enough for KEYRING_VAULT_ADDR, too few for another setting. */
const NEAR = 4

export const unknownNames = (env: Env): Problem[] =>
  Object.keys(env)
    .filter((name) => OURS.test(name) && isSet(env, name) && !KNOWN.has(name))
    .sort()
    .map((name) => ({ name, message: `is not a setting${injected(name) ?? suggestion(name)}` }))

function suggestion(name: string): string {
  const nearest = closestMatch(name.replace('KONG_', ''), SUGGESTED, { maxDistance: NEAR })
  return nearest === undefined ? '; docs/settings.md lists them all' : `. Did you mean ${nearest}?`
}

/** What Kubernetes gives every pod because of a Service named `keyring`. */
const SERVICE_LINK = /^KEYRING_(?:SERVICE_HOST|SERVICE_PORT|PORT)(?:_|$)/

const injected = (name: string): string | null =>
  SERVICE_LINK.test(name)
    ? ': Kubernetes sets it for a Service named "keyring"; set enableServiceLinks: false in the pod, or name the Service otherwise'
    : null
