/** Names that are not ours to read and are refused all the same. */
import type { Env, Problem } from './setting.ts'

/** Whatever is no plain no: Vault's clients refuse to read it, or do not verify. */
const NOT_NO = /^(?!(0|f|false|off|no)?$)/i
/** Names that ask for certificates not to be verified, and the values that do. */
const NAMES: Readonly<Record<string, RegExp>> = {
  BAO_SKIP_VERIFY: NOT_NO,
  VAULT_SKIP_VERIFY: NOT_NO,
  NODE_TLS_REJECT_UNAUTHORIZED: /^0$/,
}

export const UNVERIFIED =
  "asks for certificates not to be verified, which is never done: remove it, and set KEYRING_VAULT_CACERT to the authority of Vault's certificate"

export const unverified = (env: Env): Problem[] =>
  Object.entries(NAMES)
    .filter(([name, off]) => off.test(env[name] ?? ''))
    .map(([name]) => ({ name, message: UNVERIFIED }))
