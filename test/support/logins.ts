/** For tests of logins: from settings to a login, a Vault to log in to, and the token that comes of it. */
import { readFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import { systemClock } from '../../functions/nodejs/clock.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Fetch } from '../../src/core/ports.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { LoginSettings } from '../../src/core/login-settings.ts'
import { Secret } from '../../src/core/secret.ts'
import { fromStatus } from '../../src/vault/errors.ts'
import type { IssuedToken, LoginMethod, LoginParts, LoginVault, SealedItems } from '../../src/vault/login/method.ts'
import { openLogin } from '../../src/vault/login/open.ts'
import { errorTexts } from '../../src/vault/schema.ts'

/** What the tests of a login need of the other settings. */
const OTHERS = {
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  KEYRING_API_TOKEN: 'of-no-importance',
}

/** @param options of the login, in small letters: `{auth_method: 'userpass', …}`. */
export function loginSettings(options: Readonly<Record<string, string>>, env = {}): LoginSettings {
  const login = Object.entries(options).map(([name, value]) => [`KEYRING_VAULT_${name.toUpperCase()}`, value])
  const settings = { KEYRING_VAULT_HOST: 'http://127.0.0.1:8200', ...OTHERS, ...env, ...Object.fromEntries(login) }
  const parsed = parseConfig(settings, 'node')
  if (!parsed.ok || !parsed.config?.vault) throw new Error(inspect(parsed, { depth: 9 }))
  return parsed.config.vault.auth
}

export function loginMethod(
  options: Readonly<Record<string, string>>,
  parts: Partial<LoginParts> = {},
  env = {},
): LoginMethod {
  const settings = loginSettings(options, env)
  if (settings.method === 'token') throw new Error('A token is no login.')
  return openLogin(settings, loginParts(parts))
}

export const loginParts = (parts: Partial<LoginParts> = {}): LoginParts => ({
  clock: systemClock,
  fetch: (request) => fetch(request),
  readFile: (path) => readFile(path, 'utf8'),
  items: memoryItems(),
  ...parts,
})

export interface MemoryItems extends SealedItems {
  readonly stored: Map<string, { value: unknown; version: number }>
}

export function memoryItems(): MemoryItems {
  const stored: MemoryItems['stored'] = new Map()
  return {
    stored,
    read: async (name) => stored.get(name) ?? null,
    write: async (name, value, expected) => {
      if ((stored.get(name)?.version ?? 0) !== expected) return 'conflict'
      stored.set(name, { value: JSON.parse(JSON.stringify(value)) as unknown, version: expected + 1 })
      return expected + 1
    },
  }
}

export interface SpiedVault extends LoginVault {
  /** `<path>` of every request, in order. */
  readonly asked: string[]
}

interface Auth {
  readonly client_token: string
  readonly lease_duration: number
  readonly renewable: boolean
  readonly token_type: 'service' | 'batch'
  readonly num_uses: number
}

/** Sends everything once, and fails with the codes of the transport. */
export function loginVault(address: string, namespace = '', send: Fetch = (request) => fetch(request)): SpiedVault {
  const asked: string[] = []
  const post: LoginVault['post'] = async (segments, body, token, signal) => {
    asked.push(segments.join('/'))
    const path = `/v1/${segments.map((segment) => encodeURIComponent(segment)).join('/')}`
    const headers = {
      ...(token !== null && { 'x-vault-token': token }),
      ...(namespace !== '' && { 'x-vault-namespace': namespace }),
    }
    const response = await send(
      new Request(address + path, { method: 'POST', headers, body: JSON.stringify(body), signal }),
    ).catch(() => {
      throw new KeyringError('ERR_VAULT_UNREACHABLE', 'Vault cannot be reached.')
    })
    const answer: unknown = await response.json().catch(() => undefined)
    if (response.status === 200) return answer
    const target = { host: new URL(address).host, path, isTls: address.startsWith('https:') }
    throw fromStatus(target, { status: response.status, texts: errorTexts(answer) }, null)
  }
  return {
    asked,
    post,
    login: async (segments, body, signal) => issued(await post(segments, body, null, signal)),
  }
}

function issued(answer: unknown): IssuedToken {
  const { auth } = (answer ?? {}) as { auth?: Auth }
  if (auth?.client_token === undefined) throw new KeyringError('ERR_VAULT_ANSWER_INVALID', 'There is no token.')
  return {
    token: new Secret(auth.client_token),
    ttlSeconds: auth.lease_duration,
    renewable: auth.renewable,
    type: auth.token_type,
    uses: auth.num_uses,
  }
}

export const NEVER = new AbortController().signal

/** What a refusal says: `code status`, or `code reason`. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error('It was not refused.'),
    (error: unknown) => error,
  )
  if (!(error instanceof KeyringError)) throw error
  const { vaultStatus, reason, option } = error.facts
  return [error.code, vaultStatus ?? reason ?? option].filter((part) => part !== undefined).join(' ')
}
