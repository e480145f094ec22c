/** Opens a Vault: from its settings to readers of it, with whatever token or login they name. */
import type { LoginSettings } from '../core/login-settings.ts'
import type { Cipher, Clock, Fetch, Hash, RecordStore } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import type { Doubt } from '../core/time.ts'
import { itemSealer } from '../crypto/seal-item.ts'
import type { WrappingKey } from '../crypto/seal.ts'
import { withHeaders } from './wire/headers.ts'
import { tokenVault } from './login/vault.ts'
import type { LoginParts } from './login/method.ts'
import type { LoginBySettings } from './login/open.ts'
import { openLogin } from './login/open.ts'
import type { VaultReader } from './reader.ts'
import { givenTokenReader, sharedTokenReader } from './reader.ts'
import { loginItems, sealedItems } from './token/sealed-items.ts'
import { TokenLife } from './token/life.ts'
import type { VaultTransport } from './wire/transport.ts'
import { vaultTransport } from './wire/transport.ts'

export interface VaultAccess {
  /** Scheme, host and port. */
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

export interface VaultPorts extends Pick<LoginParts, 'readFile'> {
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
  readonly reader: (token: string | null) => VaultReader
  /** It has neither namespace nor token, for what the server says to everybody. */
  readonly open: VaultTransport
  /** The deployment's own login, for people. */
  readonly login: string
}

export function openVault(access: VaultAccess, ports: VaultPorts): Vault {
  const { auth, address, headers } = access
  const fetch = withHeaders(ports.fetch, address, headers)
  const transport = vaultTransport({ ...ports, ...access, fetch })
  const own =
    auth.method === 'token'
      ? givenTokenReader(transport, auth.token)
      : sharedTokenReader(transport, tokenLife(access, auth, fetch, ports))
  return {
    reader: (token) => (token === null ? own : givenTokenReader(transport, new Secret(token))),
    open: vaultTransport({ ...ports, ...access, fetch, namespace: '' }),
    login: describeLogin(auth),
  }
}

function describeLogin(auth: LoginSettings): string {
  if (auth.method === 'token') return 'with the token of the settings'
  const role = 'role' in auth && auth.role !== '' ? `, role "${auth.role}"` : ''
  return `${auth.method} at auth/${auth.mount}${role}`
}

/** @param fetch is for Vault; others do not get its headers. */
function tokenLife(access: VaultAccess, auth: LoginBySettings, fetch: Fetch, ports: VaultPorts): TokenLife {
  const { address, loginNamespace: namespace } = access
  const { store, cipher, hash, wrappingKeys } = ports
  const items = sealedItems(store, () => itemSealer(cipher, hash, wrappingKeys))
  const transport = vaultTransport({ ...ports, ...access, fetch, namespace })
  return new TokenLife({
    method: openLogin(auth, { ...ports, items: loginItems(items) }),
    vault: tokenVault(transport, address, namespace),
    items,
    clock: ports.clock,
    doubt: ports.doubt,
    address,
    namespace,
    random: Math.random,
  })
}
