/** The login methods of the dev Vault, `approle` and `userpass`. Their roles and users are in memory, as tokens are. */
import { randomUUID } from 'node:crypto'
import type { VaultAnswer, VaultRequest } from './answer.ts'
import { DONE, NOTHING, UNKNOWN_TOKEN, found, refused } from './answer.ts'
import type { LoginMount, LoginMounts, Role } from './roles.ts'
import type { State } from './state.ts'
import { behind } from './system.ts'
import { issued, tokenOptions } from './tokens.ts'

/** Vault locks a name out after so many failures, for 15 minutes; here until it is restarted. */
const LOCKOUT = 5

export function addLogin({ logins }: State, { path, body: { type } }: VaultRequest): VaultAnswer {
  const name = behind('sys/auth/', path)
  if (type !== 'approle' && type !== 'userpass') return refused(`plugin not found in the catalog: ${String(type)}`)
  if (logins.has(name)) return refused(`path is already in use at ${name}/`)
  logins.set(name, { type, roles: new Map() })
  return DONE
}

/** Takes `auth/<mount>/<kind>/…` apart. `null` = there is no such mount. */
function split(logins: LoginMounts, path: string): { name: string; mount: LoginMount; rest: string[] } | null {
  const below = behind('auth/', path)
  for (const [name, mount] of logins)
    if (below.startsWith(`${name}/`)) return { name, mount, rest: below.slice(name.length + 1).split('/') }
  return null
}

/** Whether the path is a login, which needs no token. */
export const isLogin = (logins: LoginMounts, path: string): boolean => split(logins, path)?.rest[0] === 'login'

export function answerAuth(state: State, request: VaultRequest): VaultAnswer {
  const target = split(state.logins, request.path)
  if (target === null) return NOTHING
  const { name, mount, rest } = target
  const [kind = '', role = '', detail] = rest
  if (kind === 'login') return login(state, name, mount, request.body, role)
  if (detail === 'role-id') return showRoleId(mount, role)
  if (detail === 'secret-id') return makeSecretId(mount, role)
  return writeRole(mount, role, request)
}

function writeRole({ type, roles }: LoginMount, name: string, { method, body }: VaultRequest): VaultAnswer {
  if (method === 'GET') return roles.has(name) ? found({}) : NOTHING
  const role = roles.get(name) ?? {
    id: type === 'approle' ? randomUUID() : name,
    settings: {},
    secrets: new Map(),
    failures: 0,
  }
  role.settings = { ...role.settings, ...body }
  const { password } = body
  if (type === 'userpass' && typeof password === 'string') {
    role.secrets.clear()
    role.secrets.set(password, 0)
  }
  roles.set(name, role)
  return DONE
}

function showRoleId({ roles }: LoginMount, name: string): VaultAnswer {
  const role = roles.get(name)
  return role === undefined ? NOTHING : found({ role_id: role.id })
}

function makeSecretId({ roles }: LoginMount, name: string): VaultAnswer {
  const role = roles.get(name)
  if (role === undefined) return NOTHING
  const secretId = randomUUID()
  role.secrets.set(secretId, Number(role.settings['secret_id_num_uses'] ?? 0))
  return found({ secret_id: secretId, secret_id_accessor: randomUUID() })
}

function login(state: State, mount: string, kind: LoginMount, body: VaultRequest['body'], user: string): VaultAnswer {
  const { type, roles } = kind
  const isAppRole = type === 'approle'
  const [id, secret] = isAppRole ? [body['role_id'], body['secret_id']] : [user, body['password']]
  if (id === undefined) return { status: 500, errors: ['missing role_id'] }
  if (secret === undefined) return refused(isAppRole ? 'missing secret_id' : 'missing password')
  const [name = '', role] = [...roles].find(([, each]) => each.id === id) ?? []
  const wrong = refused(isAppRole ? 'invalid role or secret ID' : 'invalid username or password')
  if (role === undefined) return wrong
  if (role.failures >= LOCKOUT) return UNKNOWN_TOKEN
  if (spend(role, secret)) return admit(state, mount, isAppRole, name, role)
  role.failures += 1
  return wrong
}

function admit({ access }: State, mount: string, isAppRole: boolean, name: string, role: Role): VaultAnswer {
  role.failures = 0
  const options = optionsOf(role)
  if (options.policies.includes('root')) return refused('auth methods cannot create root tokens')
  const meta = isAppRole ? { role_name: name } : { username: name }
  const path = `auth/${mount}/login${isAppRole ? '' : `/${name}`}`
  return issued(access.issue({ ...options, meta, path }))
}

function spend({ secrets }: Role, secret: unknown): boolean {
  if (typeof secret !== 'string') return false
  const left = secrets.get(secret)
  if (left === 1) secrets.delete(secret)
  else if (left !== undefined && left > 1) secrets.set(secret, left - 1)
  return left !== undefined
}

function optionsOf({ settings }: Role) {
  const listed = settings['token_policies'] ?? ''
  return tokenOptions({
    policies: (Array.isArray(listed)
      ? listed.map(String)
      : (typeof listed === 'string' ? listed : '').split(',')
    ).filter((each) => each !== ''),
    noDefault: settings['token_no_default_policy'] === true,
    ttl: settings['token_ttl'],
    period: settings['token_period'],
    maxTtl: settings['token_explicit_max_ttl'] ?? settings['token_max_ttl'],
    uses: settings['token_num_uses'],
    type: settings['token_type'],
    renewable: true,
  })
}
