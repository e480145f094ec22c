/** The local default: what is missing in the settings is made and kept in `.edge-keyring/`. */
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Parsed } from '../../src/config/answering.ts'
import { referencesIn } from '../../src/config/names.ts'
import { withoutOthers } from '../../src/config/others.ts'
import type { Env } from '../../src/config/setting.ts'
import { isSet } from '../../src/config/setting.ts'
import type { VaultTls } from '../../src/config/vault.ts'
import type { VaultsConfig } from '../../src/config/with-vaults.ts'
import { withVaults } from '../../src/config/with-vaults.ts'
import { readCron } from '../../src/core/cadence.ts'
import { isLoopback } from '../../src/core/loopback.ts'
import { newToken } from '../../src/auth/tokens.ts'
import { toBase64 } from '../../src/core/bytes.ts'
import type { Renew } from '../../src/keyring/renewed-authority.ts'
import { nodeHash } from '../node-shared/cipher.ts'
import { readLive } from '../node-shared/references.ts'
import { readSettings } from '../node-shared/settings.ts'
import { readTls } from '../node-shared/tls-files.ts'

/** It lies in the folder from which the command is called. */
export const LOCAL_FOLDER = '.edge-keyring'
/** The admin token that was made for lack of another. */
export const TOKEN_FILE = '.edge-keyring/token'
const DEV_VAULT_PORT = 8200
const DEV_TOKEN = 'root'

export interface Setup {
  /** Loopback, and not production: the one place where settings are made up. */
  readonly isLocal: boolean
  /** Port of the dev Vault; `null` = a real Vault is configured. */
  readonly devVaultPort: number | null
  readonly env: Env
  /** The file with the admin token; `null` = the settings have it. */
  readonly tokenIn: typeof TOKEN_FILE | null
}

/** The content of a file of the local folder: `made` for lack of it, or only `kept`. */
export type Keep = (
  path: string,
  make: () => string | Promise<string>,
) => string | undefined | Promise<string | undefined>

export const isLocal = (env: Env): boolean => isLoopback(env['HOST'] || '127.0.0.1') && env['NODE_ENV'] !== 'production'

/**
 * A deployment listens on more than loopback or says NODE_ENV=production; it gets nothing made up, so that what it lacks is
 * listed. A database that was used with the dev Vault is never opened with a real one.
 */
export async function prepare(env: Env, keep: Keep): Promise<Setup> {
  if (!isLocal(env)) return { isLocal: false, devVaultPort: null, env, tokenIn: null }
  const devVaultPort = namesVault(env) ? null : Number(env['KEYRING_DEV_VAULT_PORT'] || DEV_VAULT_PORT)
  const database =
    env['KEYRING_DATABASE'] || join(LOCAL_FOLDER, devVaultPort === null ? 'keyring.sqlite' : 'dev-vault.sqlite')
  const { secrets, tokenIn } = await localSecrets(env, keep)
  const settings = { ...env, ...vaultDefaults(env, devVaultPort), ...secrets, KEYRING_DATABASE: database }
  return { isLocal: true, devVaultPort, env: settings, tokenIn }
}

interface LiveSettings {
  readonly parsed: Parsed<VaultsConfig>
  /** `null` = there is no setting by reference. */
  readonly renew: Renew<VaultsConfig> | null
}

const lookAtTls = (tls: VaultTls) => readTls(tls, Date.now()).problems

export async function liveSettings(env: Env, runtime: 'node' | 'lambda-sync' = 'node'): Promise<LiveSettings> {
  const read = (each: Env) =>
    withVaults(readSettings(each, runtime, withoutOthers, readCron), each, 'node', lookAtTls, env)
  const names = referencesIn(env, runtime)
  return names.length === 0 ? { parsed: read(env), renew: null } : readLive(env, names, read)
}

async function localSecrets(env: Env, keep: Keep): Promise<{ secrets: Env; tokenIn: Setup['tokenIn'] }> {
  const secrets: Record<string, string | undefined> = {}
  if (!isSet(env, 'KEYRING_WRAPPING_KEYS')) {
    const key = await keep(join(LOCAL_FOLDER, 'wrapping-key'), newWrappingKey)
    secrets['KEYRING_WRAPPING_KEYS'] = key && `local:${key}`
  }
  if (isSet(env, 'KEYRING_API_TOKEN') || isSet(env, 'KEYRING_API_TOKENS')) return { secrets, tokenIn: null }
  secrets['KEYRING_API_TOKEN'] = await keep(TOKEN_FILE, () => newToken(nodeHash))
  return { secrets, tokenIn: TOKEN_FILE }
}

export const newWrappingKey = (): string => toBase64(crypto.getRandomValues(new Uint8Array(32)))

/** What is pushed comes from a Vault too. */
const namesVault = (env: Env): boolean =>
  env['KEYRING_STRATEGY'] === 'push' ||
  Object.keys(env).some((name) => /^(KONG_)?KEYRING_VAULT_/.test(name) && isSet(env, name))

/** The how-to's mount and path; the dev Vault's address and token hide what VAULT_ADDR and VAULT_TOKEN may say. */
function vaultDefaults(env: Env, devVaultPort: number | null): Record<string, string> {
  const unset = (name: string) => !isSet(env, `KEYRING_VAULT_${name}`) && !isSet(env, `KONG_KEYRING_VAULT_${name}`)
  return {
    ...(unset('MOUNT') && { KEYRING_VAULT_MOUNT: 'secret' }),
    ...(unset('PATH') && { KEYRING_VAULT_PATH: 'keyring' }),
    ...(devVaultPort !== null && {
      KEYRING_VAULT_HOST: `http://127.0.0.1:${devVaultPort}`,
      KEYRING_VAULT_TOKEN: DEV_TOKEN,
      BAO_NAMESPACE: '',
      VAULT_NAMESPACE: '',
    }),
  }
}

/** The file is made once, with mode 600, and read from then on. */
export async function made(path: string, make: () => string | Promise<string>): Promise<string | undefined> {
  if (!existsSync(path)) writeWhole(path, `${await make()}\n`)
  if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600)
  return kept(path)
}

/** What would be made, for a look at the settings that leaves no trace. */
export const madeUp: Keep = (_path, make) => make()

/** Whoever reads meanwhile finds a whole file or the one before; on a full disk no half of it stays. */
export function writeWhole(path: string, text: string): void {
  const next = `${path}.new`
  try {
    writeFileSync(next, text, { mode: 0o600, flush: true })
    renameSync(next, path)
  } catch (error) {
    rmSync(next, { force: true })
    throw withPath(error, path)
  }
}

/** A full disk shows when the file is open already, and the system's error then does not say which it is. */
export const withPath = (error: unknown, path: string): unknown =>
  error instanceof Error && 'syscall' in error && !('path' in error) ? Object.assign(error, { path }) : error

export const kept = (path: string): string | undefined =>
  existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
