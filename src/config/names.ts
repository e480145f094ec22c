/** Names of the environment that are no settings here: misspelt, of another platform, or of Kong and not used. */
import { nearest } from '#server/config/nearest'
import { meansReference } from '../core/reference.ts'
import { REFERENCES_ROW } from './listed-references.ts'
import { loginRows } from './login.ts'
import type { Env, Problem, Row, Runtime } from './setting.ts'
import { isRead, isSet, namesOf, ownNames, withKong } from './setting.ts'
import { ASKING, TABLE, UNUSED } from './settings.ts'
import { VAULTS_ROW } from './vaults-set.ts'

const behind = (prefix: string) => (option: string) => prefix + option.toUpperCase()
/** The login of the keyring's own Vault. */
export const LOGIN = loginRows(behind('KEYRING_VAULT_'), ASKING)

/** Files and certificates are of the connection, which rotations share. */
const OF_CONNECTION = new Set(['cert_auth_cert', 'cert_auth_cert_key', 'oauth2_cacert'])
/** The login that rotations write with: the same options, under our names alone. */
export const ROTATION_LOGIN: readonly Row[] = loginRows(behind('KEYRING_ROTATION_VAULT_'), ASKING)
  .filter(([, , key]) => !OF_CONNECTION.has(key))
  .map(([name, setting, key]) => [name, { ...setting, also: [], fallbacks: [] }, key])

/** The same settings under our names: what Vault's own clients read on this machine says nothing of a Vault that is not asked from here. */
export const OWN: readonly Row[] = TABLE.map(([name, setting, key]) => [name, { ...setting, fallbacks: [] }, key])

const unusedNames = Object.entries(UNUSED).flatMap(([name, why]) => withKong(name).map((each) => ({ name: each, why })))

export const unusedNotices = (env: Env): string[] =>
  unusedNames.filter(({ name }) => isSet(env, name)).map(({ name, why }) => `${name} is not used here: ${why}.`)

const ALL = [...TABLE, ...LOGIN, ...ROTATION_LOGIN, VAULTS_ROW, REFERENCES_ROW]
const OURS = /^(?:KONG_)?KEYRINGS?(?:_|$)/

/** The settings that may be given by reference, or as a binding of a secret: under our own names, because others read theirs too. */
export const secretNames = (runtime: Runtime): readonly string[] =>
  ALL.filter(([, setting]) => setting.secret && isRead(setting, runtime)).flatMap(([name, setting]) =>
    ownNames(name, setting),
  )

/** Those of them that are. */
export const referencesIn = (env: Env, runtime: Runtime): readonly string[] =>
  secretNames(runtime).filter((name) => {
    const text = env[name] ?? ''
    // References within the list are of its entities.
    return meansReference(text) && (name !== VAULTS_ROW[0] || text.trim().startsWith('{vault:'))
  })

/** Names such as PORT are common: where they mean nothing they are left alone. */
export const misplaced = (env: Env, runtime: Runtime): Problem[] =>
  ALL.filter(([, setting]) => !isRead(setting, runtime)).flatMap(([name, setting]) => {
    const instead = runtime === 'workers' ? setting.onWorkers : undefined
    const names =
      instead === undefined ? ownNames(name, setting).filter((each) => OURS.test(each)) : namesOf(name, setting)
    return names
      .filter((each) => isSet(env, each))
      .map((each) => ({
        name: each,
        message: `is not read by ${runtime}, only by ${setting.only?.join(', ')}: ${instead ?? 'remove it here'}`,
      }))
  })

const KNOWN = new Set([
  ...ALL.flatMap(([name, setting]) => namesOf(name, setting)),
  ...unusedNames.map(({ name }) => name),
])
const SUGGESTED = [...ALL.map(([name]) => name), ...Object.keys(UNUSED)]

/** It begins like ours and is no setting. */
export const isStranger = (env: Env, name: string): boolean => OURS.test(name) && isSet(env, name) && !KNOWN.has(name)

export const unknownNames = (env: Env): Problem[] =>
  Object.keys(env)
    .filter((name) => isStranger(env, name))
    .sort()
    .map((name) => ({ name, message: `is not a setting${suggestion(name)}` }))

const LATER = /^(?:KONG_)?KEYRING_VAULT_(?:GCP_|AZURE_|AWS_AUTH_NONCE$)/

function suggestion(name: string): string {
  if (LATER.test(name)) return ' yet: its login comes with a later release'
  const meant = nearest(name.replace('KONG_', ''), SUGGESTED)
  return meant === undefined ? '; docs/settings.md lists them all' : `. Did you mean ${meant}?`
}
