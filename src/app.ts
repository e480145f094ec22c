/** The one file that knows every layer: it introduces them to each other. */
import type { Hono } from 'hono'
import { authenticator } from './auth/tokens.ts'
import type { ApiToken } from './auth/tokens.ts'
import type { Config } from './config/config.ts'
import type { Awaitable } from './core/awaitable.ts'
import { KeyringError } from './core/errors.ts'
import type { Audit, Cipher, Clock, Fetch, Hash, KeyringAuthority, OpenKeySource, RecordStore } from './core/ports.ts'
import { Secret } from './core/secret.ts'
import { createHttp } from './http/app.ts'
import { createAuthority as createKeyringAuthority } from './keyring/authority.ts'
import { Keyring } from './keyring/keyring.ts'
import type { Freshness } from './keyring/snapshot.ts'
import { kv2Source } from './vault/kv2.ts'
import { tokenLogin } from './vault/login/token.ts'
import { vaultTransport } from './vault/transport.ts'

interface Primitives {
  readonly cipher: Cipher
  readonly hash: Hash
  readonly clock: Clock
}

export interface AuthorityPorts extends Primitives {
  readonly store: RecordStore
  readonly fetch: Fetch
  /** How long after it stopped being active some instance may still encrypt with a key, in milliseconds. */
  readonly encryptBoundMs: number
  /** New versions that one sync reads at most. */
  readonly syncBatch: number
}

export interface AppPorts extends Primitives {
  readonly authority: KeyringAuthority
  readonly audit: Audit
  readonly freshness: Freshness
  /** Tokens beside those of the settings, such as a local admin's. */
  readonly extraTokens: readonly ApiToken[]
  readonly onDefect: (error: unknown, request: string) => void
}

/** The names of the keyrings that the settings configure. */
const KEYRINGS = ['default']

export function createAuthority(config: Config, ports: AuthorityPorts): KeyringAuthority {
  const open = vaultSource(config, ports)
  const sources = new Map(KEYRINGS.map((name) => [name, open]))
  return createKeyringAuthority({ ...ports, wrappingKeys: config.wrappingKeys, sources })
}

function vaultSource({ vault }: Config, { fetch, clock, cipher, hash }: AuthorityPorts): OpenKeySource {
  const transport = vaultTransport({ fetch, clock, ...vault })
  return (token) =>
    kv2Source({
      transport,
      login: tokenLogin(token === null ? vault.auth.token : new Secret(token)),
      cipher,
      hash,
      ...vault,
    })
}

export function createApp(config: Config, ports: AppPorts): Hono {
  const { hash, clock, audit, onDefect } = ports
  const tokens = [...config.apiTokens, ...ports.extraTokens]
  return createHttp({
    authenticate: authenticator(hash, clock, tokens),
    keyring: keyrings(config, ports),
    audit,
    clock,
    onDefect,
  })
}

/** Opened at first use and kept: data, never a promise, so that requests do not wait for each other's I/O. */
export function keyrings(
  config: Config,
  ports: Primitives & Pick<AppPorts, 'authority' | 'freshness'>,
): (name: string) => Awaitable<Keyring> {
  const opened = new Map<string, Keyring>()
  const open = async (name: string): Promise<Keyring> => {
    const made = await Keyring.open(name, { ...ports, wrappingKeys: config.wrappingKeys })
    return opened.get(name) ?? (opened.set(name, made), made)
  }
  return (name) => {
    if (!KEYRINGS.includes(name)) throw new KeyringError('ERR_KEYRING_NOT_FOUND', 'There is no keyring of that name.')
    return opened.get(name) ?? open(name)
  }
}
