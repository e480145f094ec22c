/** Reads the settings where there are files: those that Vault's TLS names are looked at too, and all problems are told at once. */
import type { Parsed } from '../../src/config/config.ts'
import { parseConfig, tlsOf } from '../../src/config/config.ts'
import type { Env } from '../../src/config/names.ts'
import { sourceOf } from '../../src/config/names.ts'
import type { Runtime } from '../../src/config/settings.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import type { TlsSetting } from './tls-files.ts'
import { readTls } from './tls-files.ts'

export function readSettings(env: Env, runtime: Exclude<Runtime, 'workers'>): Parsed {
  const parsed = parseConfig(env, runtime)
  const { problems, warnings } = readTls(tlsOf(env, runtime), Date.now())
  const named = problems.map(({ name, message }) => ({ name: writtenAs(env, name), message }))
  if (!parsed.ok) return { ok: false, problems: [...parsed.problems, ...named] }
  return named.length > 0 ? { ok: false, problems: named } : { ...parsed, notices: [...parsed.notices, ...warnings] }
}

/** The certificate of the login `cert` is the connection's, and has names of its own. */
const OF_LOGIN: Readonly<Record<string, string>> = {
  KEYRING_VAULT_CLIENT_CERT: 'KEYRING_VAULT_CERT_AUTH_CERT',
  KEYRING_VAULT_CLIENT_KEY: 'KEYRING_VAULT_CERT_AUTH_CERT_KEY',
}

function writtenAs(env: Env, name: TlsSetting): string {
  const ofLogin = OF_LOGIN[name] ?? ''
  return env[ofLogin] ? ofLogin : (sourceOf(env, name, SETTINGS[name]) ?? name)
}
