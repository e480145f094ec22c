import * as z from 'zod/mini'
import { fromBase64 } from '../core/bytes.ts'
import { KEYRING_NAME, WRAPPING_KEY_ID } from '../core/limits.ts'
import { Secret } from '../core/secret.ts'
import { distinct, required } from './values.ts'

const ENTRY = /^([^:/]*)(?:\/keyring\/([^:/]*))?:([^:]*)$/

function split(entry: string) {
  const [, id = '', keyring = null, key = ''] = ENTRY.exec(entry) ?? []
  return { id, keyring, key }
}

const isKey = (text: string): boolean => fromBase64(text)?.length === 32

const parts = z.object({
  id: z.string().check(z.regex(WRAPPING_KEY_ID, 'must be 1 to 32 letters, digits, ".", "_" or "-"')),
  keyring: z.nullable(
    z.string().check(z.regex(KEYRING_NAME, 'must be 1 to 64 letters, digits, "_" or "-", a letter or digit first')),
  ),
  key: z.pipe(
    z.string().check(z.refine(isKey, 'must be 32 bytes in padded base64; "edge-keyring secrets new" makes one')),
    z.transform((text) => new Secret(text)),
  ),
})

const FORM = 'must be <id>:<key>, or <id>/keyring/<name>:<key> for the key derived for one keyring'
const entry = z.pipe(z.pipe(z.string().check(z.regex(ENTRY, FORM)), z.transform(split)), parts)

const once = distinct<z.output<typeof parts>>(
  ({ id, keyring }) => `${id}/${keyring ?? ''}`,
  'must name each id, or id and keyring, once',
)

/** In the order given: the first seals. */
export const wrappingKeys = z.pipe(
  z.pipe(
    required('<id>:<32 bytes in base64>; "edge-keyring secrets new" makes one'),
    z.transform((text) => text.split(',').map((part) => part.trim())),
  ),
  z.array(entry).check(once),
)
