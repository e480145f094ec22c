import { fromBase64 } from '../core/bytes.ts'
import { KEYRING_NAME, WRAPPING_KEY_ID } from '../core/limits.ts'
import { Secret } from '../core/secret.ts'
import type { Say } from './plain.ts'
import { isDistinct } from './plain.ts'

const ENTRY = /^([^:/]*)(?:\/keyring\/([^:/]*))?:([^:]*)$/
const FORM = 'must be <id>:<key>, or <id>/keyring/<name>:<key> for the key derived for one keyring'
const ID = 'must be 1 to 32 letters, digits, ".", "_" or "-"'
const KEYRING = 'must be 1 to 64 letters, digits, "_" or "-", a letter or digit first'
const KEY = 'must be 32 bytes in padded base64; "edge-keyring secrets new" makes one'

export const WRAPPING_KEYS_NEEDED = 'is required: <id>:<32 bytes in base64>; "edge-keyring secrets new" makes one'

export interface ReadWrappingKey {
  readonly id: string
  readonly keyring: string | null
  readonly key: Secret
}

/** In the order given: the first seals. Names are compared only when each entry is right. */
export function readWrappingKeys(text: string, say: Say): readonly ReadWrappingKey[] {
  let isRight = true
  const keys = text.split(',').map((entry, index) =>
    readEntry(entry.trim(), (message, ...path) => {
      isRight = false
      say(message, index, ...path)
    }),
  )
  if (isRight && !isDistinct(keys.map(({ id, keyring }) => `${id}/${keyring ?? ''}`)))
    say('must name each id, or id and keyring, once')
  return keys
}

function readEntry(entry: string, say: Say): ReadWrappingKey {
  const parts = ENTRY.exec(entry)
  const [, id = '', keyring = null, key = ''] = parts ?? []
  if (parts === null) say(FORM)
  else {
    if (!WRAPPING_KEY_ID.test(id)) say(ID, 'id')
    if (keyring !== null && !KEYRING_NAME.test(keyring)) say(KEYRING, 'keyring')
    if (fromBase64(key)?.length !== 32) say(KEY, 'key')
  }
  return { id, keyring, key: new Secret(key) }
}
