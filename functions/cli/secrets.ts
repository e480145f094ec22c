/** `edge-keyring secrets new` and `derive`: makes the secrets of a deployment, from nothing or from those of another. */
import * as z from 'zod/mini'
import { newToken } from '../../src/auth/tokens.ts'
import { ANSWERING_SETTINGS } from '../../src/config/answering.ts'
import { wrappingKeys } from '../../src/config/wrapping-keys.ts'
import { toHex } from '../../src/core/bytes.ts'
import type { Env } from '../../src/config/setting.ts'
import type { WrappingKey } from '../../src/core/wrapping-key.ts'
import { VAULT_PREFIX } from '../../src/core/limits.ts'
import { deriveFor } from '../../src/crypto/derive.ts'
import { newWrappingKey } from '../node/local.ts'
import { nodeCipher, nodeHash } from '../node-shared/cipher.ts'
import type { Outcome } from './command.ts'
import { refuseBadName } from './command.ts'
import { failed, wrongSettings } from './failure.ts'

/** @param json the document has the token, so that it is not shown beside it. */
export async function create(json: boolean): Promise<Outcome> {
  const wrappingKey = `${newWrappingKeyId()}:${newWrappingKey()}`
  const token = await newToken(nodeHash)
  const sha256 = await nodeHash.sha256(token)
  const apiTokens = JSON.stringify([{ name: 'admin', sha256, grants: ['admin'] }])
  if (!json) console.error(`API token, shown this once: ${token}`)
  return {
    document: { wrapping_key: wrappingKey, api_token: token, sha256 },
    screen: `KEYRING_WRAPPING_KEYS=${wrappingKey}\nKEYRING_API_TOKENS='${apiTokens}'\n`,
  }
}

/** Two keys of one day must not have one id. */
function newWrappingKeyId(): string {
  const suffix = toHex(crypto.getRandomValues(new Uint8Array(4)))
  return `${new Date().toISOString().slice(0, 10)}-${suffix}`
}

/** @param prefix of a vault: the key is for what its references gave. `undefined` = it is for the keyring. */
export async function derive(keyring: string, prefix: string | undefined): Promise<Outcome> {
  refuseBadName(keyring)
  if (prefix !== undefined && !VAULT_PREFIX.test(prefix))
    throw failed('ERR_USAGE', 'The flag --references takes the prefix of a vault.')
  const purpose = prefix === undefined ? `keyring/${keyring}` : `secrets/${prefix}`
  const derived = await deriveFor(nodeCipher, wrappingKeysOf(process.env), purpose)
  if (derived.length === 0) throw wrong([`has no key for ${prefix === undefined ? 'this keyring' : 'this vault'}`])
  const setting = derived.map(({ id, key }) => `${id}/${purpose}:${key.reveal()}`).join(',')
  return { document: { wrapping_keys: setting }, screen: `KEYRING_WRAPPING_KEYS=${setting}\n` }
}

function wrappingKeysOf(env: Env): readonly WrappingKey[] {
  const text = env['KEYRING_WRAPPING_KEYS'] || null
  if (text === null) throw wrong([`is required: ${ANSWERING_SETTINGS.KEYRING_WRAPPING_KEYS.required}`])
  const parsed = z.safeParse(wrappingKeys(), text)
  if (parsed.success) return parsed.data
  throw wrong(parsed.error.issues.map(({ message }) => message))
}

const wrong = (messages: readonly string[]) =>
  wrongSettings(messages.map((message) => ({ name: 'KEYRING_WRAPPING_KEYS', message })))
