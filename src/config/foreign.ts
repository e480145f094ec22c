/** Names that are not ours to read and are answered all the same. */
import type { Env, Problem } from './setting.ts'
import { isSet } from './setting.ts'

/** Whatever is no plain no: Vault's clients refuse to read it, or do not verify. */
const NOT_NO = /^(?!(0|f|false|off|no)?$)/i
/** Names that ask for certificates not to be verified, and the values that do. */
const UNVERIFIED: Readonly<Record<string, RegExp>> = {
  BAO_SKIP_VERIFY: NOT_NO,
  VAULT_SKIP_VERIFY: NOT_NO,
  NODE_TLS_REJECT_UNAUTHORIZED: /^0$/,
}

export const unverified = (env: Env): Problem[] =>
  Object.entries(UNVERIFIED)
    .filter(([name, off]) => off.test(env[name] ?? ''))
    .map(([name]) => ({
      name,
      message:
        "asks for certificates not to be verified, which is never done: remove it, and set KEYRING_VAULT_CACERT to the authority of Vault's certificate",
    }))

/** What Vault's own clients read as BAO_* and VAULT_* beside the names that are fallbacks of settings, by the reason why it is not read. */
const OF_CLIENTS = {
  'the way to Vault has settings of its own, KEYRING_VAULT_*':
    'AGENT_ADDR CAPATH CLIENT_CERT_BYTES CLIENT_KEY_BYTES HEADERS HTTP_PROXY PROXY_ADDR SRV_LOOKUP TOKEN_PATH',
  'a request is tried three times, follows no redirect and wraps no answer':
    'DISABLE_REDIRECTS MAX_RETRIES MFA RATE_LIMIT WRAP_TTL',
  'it is for a command line or a server':
    'CLI_NO_COLOR DETAILED EXPERIMENTS FORMAT LICENSE LICENSE_PATH LOG_FORMAT LOG_LEVEL',
}

export const clientNotices = (env: Env): string[] =>
  Object.entries(OF_CLIENTS).flatMap(([why, names]) => {
    const found = names
      .split(' ')
      .flatMap((name) => [`BAO_${name}`, `VAULT_${name}`].filter((each) => isSet(env, each)))
    return found.length === 0 ? [] : [`${found.join(', ')} ${found.length > 1 ? 'are' : 'is'} not used here: ${why}.`]
  })

/** Kong's Vault entity, all of it: whatever is written there stops no start. */
export const entityNotices = (env: Env): string[] =>
  Object.keys(env).some((name) => name.startsWith('KONG_VAULT_HCV_') && isSet(env, name))
    ? ['KONG_VAULT_HCV_* is not used yet: it is for references to secrets, which come with a later release.']
    : []
