/** The local default: what is missing in the settings is made and kept in `.edge-keyring/`. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isLoopback } from '../../src/core/loopback.ts'
import { newToken } from '../../src/auth/tokens.ts'
import { toBase64 } from '../../src/core/bytes.ts'
import { nodeHash } from '../node-shared/cipher.ts'

export type Env = Readonly<Record<string, string | undefined>>

/** In the folder from which the command is called. */
export const LOCAL_FOLDER = '.edge-keyring'
const DEV_VAULT_PORT = 8200
const DEV_TOKEN = 'root'

export interface Setup {
  /** Loopback, and not production: the one place where settings are made up. */
  readonly isLocal: boolean
  /** Port of the dev Vault; `null` = a real Vault is configured. */
  readonly devVaultPort: number | null
  readonly env: Env
  readonly database: string | null
  /** The file with the admin token; `null` = the settings have it. */
  readonly tokenIn: string | null
}

/**
 * A deployment listens on more than loopback or says NODE_ENV=production; it gets nothing made up, so that what it lacks is
 * listed. A database that was used with the dev Vault is never opened with a real one.
 */
export async function prepare(env: Env, options: { fresh: boolean }): Promise<Setup> {
  const isLocal = isLoopback(env['HOST'] || '127.0.0.1') && env['NODE_ENV'] !== 'production'
  if (!isLocal) return { isLocal, devVaultPort: null, env, database: env['KEYRING_DATABASE'] || null, tokenIn: null }
  if (options.fresh) rmSync(LOCAL_FOLDER, { recursive: true, force: true })
  mkdirSync(LOCAL_FOLDER, { recursive: true, mode: 0o700 })
  const devVaultPort = namesVault(env) ? null : Number(env['KEYRING_DEV_VAULT_PORT'] || DEV_VAULT_PORT)
  const database =
    env['KEYRING_DATABASE'] || join(LOCAL_FOLDER, devVaultPort === null ? 'keyring.sqlite' : 'dev-vault.sqlite')
  const { secrets, tokenIn } = await localSecrets(env)
  return { isLocal, devVaultPort, env: { ...env, ...vaultDefaults(env, devVaultPort), ...secrets }, database, tokenIn }
}

async function localSecrets(env: Env): Promise<{ secrets: Record<string, string>; tokenIn: string | null }> {
  const secrets: Record<string, string> = {}
  if (!isSet(env, 'KEYRING_WRAPPING_KEYS'))
    secrets['KEYRING_WRAPPING_KEYS'] = `local:${await kept(join(LOCAL_FOLDER, 'wrapping-key'), newWrappingKey)}`
  if (isSet(env, 'KEYRING_API_TOKEN') || isSet(env, 'KEYRING_API_TOKENS')) return { secrets, tokenIn: null }
  const tokenIn = join(LOCAL_FOLDER, 'token')
  secrets['KEYRING_API_TOKEN'] = await kept(tokenIn, () => newToken(nodeHash))
  return { secrets, tokenIn }
}

export const newWrappingKey = (): string => toBase64(crypto.getRandomValues(new Uint8Array(32)))

const isSet = (env: Env, name: string): boolean => (env[name] ?? '') !== ''

const namesVault = (env: Env): boolean =>
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
      VAULT_NAMESPACE: '',
    }),
  }
}

/** Made once, mode 600, and read from then on. */
async function kept(path: string, make: () => string | Promise<string>): Promise<string> {
  if (!existsSync(path)) writeFileSync(path, `${await make()}\n`, { mode: 0o600, flag: 'wx' })
  chmodSync(path, 0o600)
  return readFileSync(path, 'utf8').trim()
}
