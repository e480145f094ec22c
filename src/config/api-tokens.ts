import * as z from 'zod/mini'
import { KEYRING_NAME } from '../core/limits.ts'
import { distinct, jsonText } from './values.ts'

/** Those of `auth/grants.ts`, which this layer may not see; the types of a test hold the two together. */
export const ACTIONS = [
  'read',
  'sync',
  'push',
  'rotate',
  'remove',
  'force',
  'encrypt',
  'decrypt',
  'rewrap',
  'export',
  'admin',
] as const

const KNOWN = new Set<string>(ACTIONS)

const RESOLVE = /^resolve:[\x21-\x7e]+$/

function isGrant(grant: string): boolean {
  const [action = '', ...scope] = grant.split(':')
  const isScope = scope.length === 0 || (scope.length === 1 && KEYRING_NAME.test(scope[0] ?? ''))
  return RESOLVE.test(grant) || (KNOWN.has(action) && isScope)
}

const GRANT = `must be one of ${ACTIONS.join(', ')}, alone or as <action>:<keyring>, or resolve:<pattern>`
const NAME = 'must be 1 to 64 letters, digits, ".", "_" or "-"'
const SHA256 = 'must be the SHA-256 of the token: 64 hex digits'
const GRANTS = 'must be a list with one grant or more'

const token = z.strictObject(
  {
    name: z.string(NAME).check(z.regex(/^[A-Za-z0-9._-]{1,64}$/, NAME)),
    sha256: z.string(SHA256).check(z.regex(/^[0-9a-f]{64}$/i, SHA256), z.toLowerCase()),
    grants: z.array(z.string(GRANT).check(z.refine(isGrant, GRANT)), GRANTS).check(z.minLength(1, GRANTS)),
    expires_at: z.optional(
      z.nullable(
        z.pipe(
          z.iso.datetime({ offset: true, error: 'must be a time such as 2030-01-31T00:00:00Z, or null' }),
          z.transform((text) => Date.parse(text)),
        ),
      ),
    ),
  },
  'must be an object with name, sha256, grants and, if it expires, expires_at, and with nothing else',
)

const entry = z.pipe(
  token,
  z.transform(({ expires_at, ...rest }) => ({ ...rest, expiresAt: expires_at ?? null })),
)

const LIST = 'must be a JSON list of {"name", "sha256", "grants", "expires_at"}'

const once = (field: 'name' | 'sha256') =>
  distinct<z.output<typeof entry>>((each) => each[field], `must give each ${field} once`)

export const apiTokens = z.pipe(
  z.pipe(z.string(), jsonText(LIST)),
  z.array(entry, LIST).check(once('name'), once('sha256')),
)
