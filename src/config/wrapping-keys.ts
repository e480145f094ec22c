/** `KEYRING_WRAPPING_KEYS`: `<id>:<key>` or `<id>/keyring/<name>:<key>`, separated by commas. */
import * as z from 'zod/mini'
import { fromBase64 } from '../core/bytes.ts'
import { KEYRING_NAME, WRAPPING_KEY_ID } from '../core/limits.ts'
import type { WrappingKey } from '../core/wrapping-key.ts'
import { distinct, matching, toSecret, together } from './values.ts'

const ENTRY = /^([^:/]*)(?:\/keyring\/([^:/]*))?:([^:]*)$/
const FORM = 'must be <id>:<key>, or <id>/keyring/<name>:<key> for the key derived for one keyring'
const ID = 'must be 1 to 32 letters, digits, ".", "_" or "-"'
const KEYRING = 'must be 1 to 64 letters, digits, "_" or "-", a letter or digit first'
const KEY = 'must be 32 bytes in padded base64; "edge-keyring secrets new" makes one'

const split = z.transform((entry: string, { issues }) => {
  const parts = ENTRY.exec(entry.trim())
  if (parts === null) issues.push({ code: 'custom', message: FORM, input: null })
  const [, id = '', keyring = null, key = ''] = parts ?? []
  return { id, keyring, key }
})

/** The keys stay in the order given, because the first seals. Names are compared only when each entry is right. */
export const wrappingKeys = () => {
  const key = z.pipe(z.string().check(z.refine((text) => fromBase64(text)?.length === 32, KEY)), toSecret())
  const entry = z.object({
    id: matching(WRAPPING_KEY_ID, ID),
    keyring: z.nullable(matching(KEYRING_NAME, KEYRING)),
    key,
  })
  const once = distinct<WrappingKey>(
    ({ id, keyring }) => `${id}/${keyring ?? ''}`,
    'must name each id, or id and keyring, once',
  )
  // Which of the two a record was sealed with could not be told.
  const whole = together<WrappingKey>((keys) => {
    const ids = new Set(keys.flatMap(({ id, keyring }) => (keyring === null ? [id] : [])))
    return keys.every(({ id, keyring }) => keyring === null || !ids.has(id))
  }, 'must not name an id for a wrapping key and for a derived key')
  return z.pipe(
    z.pipe(
      z.string(),
      z.transform((text) => text.split(',')),
    ),
    z.array(z.pipe(z.pipe(z.string(), split), entry)).check(once, whole),
  )
}
