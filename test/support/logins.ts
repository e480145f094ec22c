/** For tests of logins: from settings to a login, a Vault to log in to, and the token that comes of it. */
import { inspect } from 'node:util'
import { onTestFinished, vi } from 'vitest'
import { readTextFile } from '../../functions/node-shared/text-file.ts'
import { parseConfig } from '../../src/config/config.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { Fetch } from '../../src/core/ports.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { LoginSettings } from '../../src/core/login-settings.ts'
import { tokenVault } from '../../src/vault/login/vault.ts'
import type { LoginMethod, LoginParts, LoginVault, SealedItems } from '../../src/vault/login/method.ts'
import { openLogin } from '../../src/vault/login/open.ts'
import { vaultTransport } from '../../src/vault/wire/transport.ts'
import { rare } from '../../src/rare.ts'

/** Of a login, in small letters: `{auth_method: 'userpass', …}`. */
export type LoginOptions = Readonly<Record<string, string>>

/** What the tests of a login need of the other settings. */
const OTHERS = {
  KEYRING_VAULT_HOST: 'http://127.0.0.1:8200',
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  KEYRING_API_TOKENS: JSON.stringify([{ name: 'nobody', sha256: '0'.repeat(64), grants: ['admin'] }]),
}

/** @param env settings beside those of the login. */
export function loginEnv(options: LoginOptions, env = {}): Readonly<Record<string, string>> {
  const login = Object.entries(options).map(([name, value]) => [`KEYRING_VAULT_${name.toUpperCase()}`, value])
  return { ...OTHERS, ...env, ...Object.fromEntries(login) }
}

export function loginSettings(options: LoginOptions, env = {}): LoginSettings {
  const parsed = parseConfig(loginEnv(options, env), 'node')
  if (!parsed.ok || !parsed.config?.vault) throw new Error(inspect(parsed, { depth: 9 }))
  return parsed.config.vault.auth
}

export function loginMethod(options: LoginOptions, parts: Partial<LoginParts> = {}, env = {}): LoginMethod {
  const settings = loginSettings(options, env)
  if (settings.method === 'token') throw new Error('A token is no login.')
  return openLogin(settings, loginParts(parts))
}

export const loginParts = (parts: Partial<LoginParts> = {}): LoginParts => ({
  clock: systemClock,
  fetch: (request) => fetch(request),
  readFile: readTextFile,
  loadRare: () => rare,
  items: memoryItems(),
  ...parts,
})

interface MemoryItems extends SealedItems {
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
  readonly address: string
  readonly namespace: string
  /** `<path>` behind /v1/ of every request, in order. */
  readonly asked: string[]
  /** The way of a request to it. */
  readonly send: Fetch
}

/** Waits between attempts take no time. @param send the way to it, which a test may spoil. */
export function loginVault(address: string, namespace = '', send: Fetch = (request) => fetch(request)): SpiedVault {
  const asked: string[] = []
  const spied: Fetch = (request) => {
    asked.push(decodeURIComponent(new URL(request.url).pathname.slice('/v1/'.length)))
    return send(request)
  }
  const clock = { now: () => Date.now(), sleep: async () => {} }
  const transport = vaultTransport({ fetch: spied, clock, address, namespace, timeoutMs: 5000 })
  return { ...tokenVault(transport, address, namespace), address, namespace, asked, send: spied }
}

/** Every deadline passes at once, for the rest of the test. @returns what each was, in milliseconds. */
export function passDeadlines(): readonly number[] {
  const waits: number[] = []
  vi.stubGlobal('setTimeout', (stop: () => void, ms: number) => {
    waits.push(ms)
    queueMicrotask(stop)
  })
  onTestFinished(() => void vi.unstubAllGlobals())
  return waits
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
