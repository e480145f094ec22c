/** `KEYRING_WRAPPING_KEYS`: `<id>:<key>`, `<id>/keyring/<name>:<key>` or `<id>/secrets/<prefix>:<key>`, separated by commas. */
import * as z from 'zod/mini'
import { fromBase64 } from '../core/bytes.ts'
import { KEYRING_NAME, VAULT_PREFIX, WRAPPING_KEY_ID } from '../core/limits.ts'
import type { WrappingKey } from '../core/wrapping-key.ts'
import { distinct, matching, toSecret, together } from './values.ts'

const ENTRY = /^([^:/]*)(?:\/((?:keyring|secrets)\/[^:/]*))?:([^:]*)$/
const FORM = 'must be <id>:<key>, or <id>/keyring/<name>:<key> or <id>/secrets/<prefix>:<key> for a derived key'
const ID = 'must be 1 to 32 letters, digits, ".", "_" or "-"'
const PURPOSE =
  'must name a keyring (1 to 64 letters, digits, "_" or "-") or the prefix of a vault (2 to 64 small letters, digits or "-")'
const KEY = 'must be 32 bytes in padded base64; "edge-keyring secrets new" makes one'

const isPurpose = (purpose: string): boolean => {
  const [kind, name = ''] = purpose.split('/')
  return (kind === 'keyring' ? KEYRING_NAME : VAULT_PREFIX).test(name)
}

const split = z.transform((entry: string, { issues }) => {
  const parts = ENTRY.exec(entry.trim())
  if (parts === null) issues.push({ code: 'custom', message: FORM, input: null })
  const [, id = '', purpose = null, key = ''] = parts ?? []
  return { id, purpose, key }
})

/** The keys stay in the order given, because the first seals. Names are compared only when each entry is right. */
export const wrappingKeys = () => {
  const key = z.pipe(z.string().check(z.refine((text) => fromBase64(text)?.length === 32, KEY)), toSecret())
  const entry = z.object({
    id: matching(WRAPPING_KEY_ID, ID),
    purpose: z.nullable(z.string().check(z.refine(isPurpose, PURPOSE))),
    key,
  })
  const once = distinct<WrappingKey>(
    ({ id, purpose }) => `${id}/${purpose ?? ''}`,
    'must name each id, or id and purpose, once',
  )
  // Which of the two a record was sealed with could not be told.
  const whole = together<WrappingKey>((keys) => {
    const ids = new Set(keys.flatMap(({ id, purpose }) => (purpose === null ? [id] : [])))
    return keys.every(({ id, purpose }) => purpose === null || !ids.has(id))
  }, 'must not name an id for a wrapping key and for a derived key')
  return z.pipe(
    z.pipe(
      z.string(),
      z.transform((text) => text.split(',')),
    ),
    z.array(z.pipe(z.pipe(z.string(), split), entry)).check(once, whole),
  )
}
