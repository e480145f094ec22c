/** The two Vaults that a deployment may ask: the keyring's own, whose login is read here, and Kong's entity `hcv`. */
import * as z from 'zod/mini'
import type { ReadLogin } from './login.ts'
import { readLogin } from './login.ts'
import type { Env, Problem } from './names.ts'
import { givenOf } from './names.ts'
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
  const given = (option: string) => {
    const row = rows.get(nameOf(option))
    return row === undefined ? [] : givenOf(env, nameOf(option), row)
  }
  return readLogin({ nameOf, given, isEntity: false }, env, runtime, isOff)
}

const allowsHttp = (env: Env): boolean =>
  z.safeParse(SETTINGS.KEYRING_VAULT_ALLOW_HTTP.schema, env['KEYRING_VAULT_ALLOW_HTTP']).data === true
