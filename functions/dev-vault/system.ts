/** The paths below `sys/` of the dev Vault: seal, mounts and policies. */
import type { VaultAnswer, VaultRequest } from './answer.ts'
import { DONE, found, refused } from './answer.ts'
import { mountOf } from './kv.ts'
import { newMount } from './secrets.ts'
import type { State } from './state.ts'

/** The one key that unseals any dev Vault. */
export const UNSEAL_KEY = 'dev-unseal-key'
const VERSION = 'dev-vault'

/** Namespaces are ignored here as in Vault's community edition, which says so by `enterprise`. */
export const health = ({ sealed }: State, { query }: VaultRequest): VaultAnswer => ({
  status: sealed ? Number(query.get('sealedcode') ?? 503) : 200,
  bare: {
    initialized: true,
    sealed,
    standby: sealed,
    server_time_utc: Math.floor(Date.now() / 1000),
    version: VERSION,
    enterprise: false,
  },
})

export const sealStatus = ({ sealed }: State): VaultAnswer => ({
  status: 200,
  bare: { type: 'shamir', initialized: true, sealed, t: 1, n: 1, progress: 0, nonce: '', version: VERSION },
})

export function seal(state: State): VaultAnswer {
  state.sealed = true
  return DONE
}

export function unseal(state: State, { body: { key } }: VaultRequest): VaultAnswer {
  if (key === undefined) return refused("'key' must be specified in request body as JSON, or 'reset' set to true")
  if (key !== UNSEAL_KEY) return refused("'key' must be a valid hex or base64 string")
  state.sealed = false
  return sealStatus(state)
}

export function addMount(state: State, { path, body: { type, options } }: VaultRequest): VaultAnswer {
  const name = behind('sys/mounts/', path)
  if (type !== 'kv') return refused(`plugin not found in the catalog: ${String(type)}`)
  const taken = [...state.mounts.keys()].find(
    (held) => `${name}/`.startsWith(`${held}/`) || held.startsWith(`${name}/`),
  )
  if (taken !== undefined) return refused(`path is already in use at ${taken}/`)
  const { version } = (options ?? {}) as { version?: unknown }
  state.mounts.set(name, newMount(String(version) === '2' ? '2' : '1'))
  return DONE
}

export function removeMount(state: State, { path }: VaultRequest): VaultAnswer {
  state.mounts.delete(behind('sys/mounts/', path))
  return DONE
}

/** The path may also lead below the mount. An unknown mount and one that the token may not see get the same answer. */
export function showMount(state: State, { path, caller: token }: VaultRequest): VaultAnswer {
  const asked = behind('sys/internal/ui/mounts/', path)
  const target = mountOf(state.mounts, asked)
  if (target === null || token === null || !state.access.sees(token, target.name))
    return {
      status: 403,
      errors: [
        `preflight capability check returned 403, please ensure client's policies grant access to path "${asked}/"`,
      ],
    }
  return found({ path: `${target.name}/`, type: 'kv', options: { version: target.mount.version }, description: '' })
}

export function capabilitiesSelf({ access }: State, { body: { paths }, caller }: VaultRequest): VaultAnswer {
  if (!Array.isArray(paths) || caller === null) return refused('paths not supplied')
  return found(Object.fromEntries(paths.map((path) => [path, access.capabilities(caller, String(path))])))
}

export function setPolicy({ access }: State, { path, body: { policy } }: VaultRequest): VaultAnswer {
  if (typeof policy !== 'string') return refused("'policy' parameter not supplied or empty")
  access.setPolicy(behind('sys/policies/acl/', path), policy)
  return DONE
}

export const behind = (prefix: string, path: string): string => path.slice(prefix.length).replace(/\/+$/, '')
