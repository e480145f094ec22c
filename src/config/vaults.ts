/** The two Vaults that a deployment may ask: the keyring's own, whose login is read here, and Kong's entity `hcv`. */
import * as z from 'zod/mini'
import type { ReadLogin } from './login.ts'
import { readLogin } from './login.ts'
import type { Env, Given, Problem } from './names.ts'
import { givenOf, isRead } from './names.ts'
import { LOGIN, LOGIN_PREFIX } from './rows.ts'
import type { Runtime } from './settings.ts'
import { ASKING, SETTINGS } from './settings.ts'
import type { VaultConnection } from './vault-entity.ts'
import { readHcv } from './vault-entity.ts'

export interface Vaults {
  readonly login: ReadLogin | null
  readonly hcv: VaultConnection | null
  readonly problems: readonly Problem[]
  readonly notices: readonly string[]
}

const NONE: Vaults = { login: null, hcv: null, problems: [], notices: [] }

export function readVaults(env: Env, runtime: Runtime, isOff: boolean): Vaults {
  if (!ASKING.some((each) => each === runtime)) return NONE
  const login = ownLogin(env, runtime, isOff)
  if (isOff) return { ...login, login, hcv: null }
  const hcv = readHcv({ env, runtime, allowHttp: allowsHttp(env) })
  return {
    login,
    hcv: hcv?.connection ?? null,
    problems: [...login.problems, ...(hcv?.problems ?? [])],
    notices: [...login.notices, ...(hcv?.notices ?? [])],
  }
}

function ownLogin(env: Env, runtime: Runtime, isOff: boolean): ReadLogin {
  const rows = new Map(LOGIN)
  const nameOf = (option: string) => LOGIN_PREFIX + option.toUpperCase()
  const isCert = env[nameOf('auth_method')] === 'cert'
  const given = (option: string) => {
    const row = rows.get(nameOf(option))
    const own = row === undefined ? [] : givenOf(env, nameOf(option), row)
    return own.length > 0 || !isCert ? own : ofConnection(env, runtime, option)
  }
  return readLogin({ nameOf, given, isEntity: false }, env, runtime, isOff)
}

/** A certificate for the connection is good for the login `cert` too. */
const SHARED: Readonly<Record<string, 'KEYRING_VAULT_CLIENT_CERT' | 'KEYRING_VAULT_CLIENT_KEY'>> = {
  cert_auth_cert: 'KEYRING_VAULT_CLIENT_CERT',
  cert_auth_cert_key: 'KEYRING_VAULT_CLIENT_KEY',
}

function ofConnection(env: Env, runtime: Runtime, option: string): Given[] {
  const name = SHARED[option]
  return name === undefined || !isRead(SETTINGS[name], runtime) ? [] : givenOf(env, name, SETTINGS[name])
}

/** On Workers the platform presents the certificate, by a binding. */
export function certOnWorkers(env: Env, runtime: Runtime, { login }: Vaults): Problem[] {
  if (runtime !== 'workers' || login?.auth?.method !== 'cert') return []
  const name = 'KEYRING_VAULT_VPC'
  if (env[name])
    return [
      {
        name,
        message:
          'cannot be used with the login cert: Workers VPC presents no client certificate. Use approle or jwt, or bind KEYRING_VAULT_MTLS instead',
      },
    ]
  if (env['KEYRING_VAULT_MTLS']) return []
  return [
    {
      name: 'KEYRING_VAULT_MTLS',
      message:
        'is required with the login cert: a binding of a client certificate (mtls_certificates in wrangler.toml)',
    },
  ]
}

const allowsHttp = (env: Env): boolean =>
  z.safeParse(SETTINGS.KEYRING_VAULT_ALLOW_HTTP.schema, env['KEYRING_VAULT_ALLOW_HTTP']).data === true
