/** Opens a Vault: from its settings to readers of it, with whatever token or login they name. */
import type { End } from '../core/ends.ts'
import type { LoginSettings } from '../core/login-settings.ts'
import type { Cipher, Clock, Fetch, Hash, Insistence, LoginItems, RecordStore } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import type { Doubt } from '../core/time.ts'
import { itemSealer } from '../crypto/seal-item.ts'
import type { WrappingKey } from '../crypto/seal.ts'
import { withHeaders } from './wire/headers.ts'
import { tokenVault } from './login/vault.ts'
import type { LoginMethod, LoginParts } from './login/method.ts'
import type { LoginBySettings } from './login/open.ts'
import { openLogin } from './login/open.ts'
import { shapeOf } from './login/shape.ts'
import type { VaultReader } from './reader.ts'
import { givenTokenReader, sharedTokenReader } from './reader.ts'
import type { TokenItems } from './token/sealed-items.ts'
import { loginItems, sealedItems } from './token/sealed-items.ts'
import { TokenLife } from './token/life.ts'
import { NamespaceCheck, checkedTransport } from './wire/namespaces.ts'
import type { VaultTransport } from './wire/transport.ts'
import { vaultTransport } from './wire/transport.ts'

export interface VaultAccess {
  /** Scheme, host, port and base path. */
  readonly address: string
  /** The namespace of what is read; '' = none. */
  readonly namespace: string
  /** The namespace of logins; '' = none. */
  readonly loginNamespace: string
  /** They go out beside ours, to this address alone. */
  readonly headers: Readonly<Record<string, Secret>>
  readonly timeoutMs: number
  readonly auth: LoginSettings
}

export interface VaultPorts extends Pick<LoginParts, 'readFile' | 'loadRare'> {
  readonly store: RecordStore
  readonly cipher: Cipher
  readonly hash: Hash
  readonly clock: Clock
  readonly fetch: Fetch
  readonly wrappingKeys: readonly WrappingKey[]
  readonly doubt: Doubt
}

export interface Vault {
  /** A reader with the token given. `null` = with the deployment's own login. */
  readonly reader: (token: string | null, insist: Insistence) => VaultReader
  /** It has neither namespace nor token, for what the server says to everybody. */
  readonly open: VaultTransport
  /** The deployment's own login, for people. */
  readonly login: string
  /** Whether a login gets another token by itself when this one ends. */
  readonly hasLogin: boolean
  /** What of its credential ends by itself. */
  readonly loginEnds: (signal: AbortSignal) => Promise<readonly End[]>
  /** What is stored of logins. */
  readonly items: LoginItems
}

export function openVault(access: VaultAccess, ports: VaultPorts): Vault {
  const { auth, address, headers } = access
  const fetch = withHeaders(ports.fetch, address, headers)
  const open = vaultTransport({ ...ports, ...access, fetch, namespace: '' })
  const check = new NamespaceCheck(open, address, [access.namespace, access.loginNamespace])
  const transport = checkedTransport(vaultTransport({ ...ports, ...access, fetch }), check)
  const { store, clock, cipher, hash, wrappingKeys } = ports
  const items = sealedItems(store, clock, () => itemSealer(cipher, hash, wrappingKeys))
  const { own, ends } = ownLogin(access, transport, fetch, check, { ...ports, items })
  return {
    reader: (token, insist) => (token === null ? own(insist) : givenTokenReader(transport, new Secret(token))),
    open,
    loginEnds: ends,
    login: describeLogin(auth),
    hasLogin: auth.method !== 'token',
    items,
  }
}

type OwnPorts = VaultPorts & { readonly items: TokenItems }

/** All readers with the login of the settings share one life of its token. */
function ownLogin(
  access: VaultAccess,
  transport: VaultTransport,
  fetch: Fetch,
  check: NamespaceCheck,
  ports: OwnPorts,
): { readonly own: (insist: Insistence) => VaultReader; readonly ends: Vault['loginEnds'] } {
  const { auth } = access
  if (auth.method === 'token') return { own: () => givenTokenReader(transport, auth.token), ends: async () => [] }
  const life = tokenLife(access, auth, fetch, check, ports)
  return { own: (insist) => sharedTokenReader(transport, life, insist), ends: (signal) => life.ends(signal) }
}

function describeLogin(auth: LoginSettings): string {
  if (auth.method === 'token') return 'with the token of the settings'
  const role = 'role' in auth && auth.role !== '' ? `, role "${auth.role}"` : ''
  return `${auth.method} at auth/${auth.mount}${role}`
}

/** @param fetch is for Vault; others do not get its headers. */
function tokenLife(
  access: VaultAccess,
  auth: LoginBySettings,
  fetch: Fetch,
  check: NamespaceCheck,
  ports: OwnPorts,
): TokenLife {
  const { address, loginNamespace: namespace } = access
  const { items } = ports
  const transport = vaultTransport({ ...ports, ...access, fetch, namespace })
  return new TokenLife({
    method: checkedLogin(openLogin(auth, { ...ports, items: loginItems(items) }), check),
    shape: () => shapeOf(auth, ports),
    vault: tokenVault(transport, address, namespace),
    items,
    clock: ports.clock,
    doubt: ports.doubt,
    address,
    namespace,
    random: Math.random,
  })
}

/** A server that ignores namespaces is shown no credential, and leaves no token of its root behind. */
const checkedLogin = (method: LoginMethod, check: NamespaceCheck): LoginMethod => ({
  ...method,
  async login(vault, signal) {
    await check.look(signal)
    return method.login(vault, signal)
  },
})
