/** `KEYRING_API_TOKENS`: who may call, by the SHA-256 of a token, with grants and an end. */
import * as z from 'zod/mini'
import type { ApiToken } from '../core/api-token.ts'
import { ACTIONS, ANY, RESOLVE, REST } from '../core/api-token.ts'
import { KEYRING_NAME } from '../core/limits.ts'
import { distinct, jsonText, like } from './values.ts'

const LIST = 'must be a JSON list of {"name", "sha256", "grants", "expires_at"}'
const ENTRY = 'must be an object with name, sha256, grants and, if it expires, expires_at, and with nothing else'
const NAME = 'must be 1 to 64 letters, digits, ".", "_" or "-"'
const SHA256 = 'must be the SHA-256 of the token: 64 hex digits'
const GRANTS = 'must be a list with one grant or more'
const GRANT = `must be one of ${ACTIONS.join(', ')}, alone or as <action>:<keyring>, or resolve:<pattern>`
const EXPIRES = 'must be a time such as 2030-01-31T00:00:00Z, or null'

const KNOWN: ReadonlySet<string> = new Set(ACTIONS)
const PATTERN = /^[\x21-\x7e]+$/

/** Whoever writes half a wildcard, or dots that lead nowhere, would be surprised by what it covers. */
const isPattern = (text: string): boolean =>
  PATTERN.test(text) &&
  (text === REST || text.includes('/')) &&
  text.split('/').every((segment, at, all) => {
    if (segment === REST) return at === all.length - 1
    return segment === ANY || !(segment.includes(ANY) || /^\.{1,2}$/.test(segment) || (at === 0 && segment === ''))
  })

function isGrant(grant: string): boolean {
  if (grant.startsWith(RESOLVE)) return isPattern(grant.slice(RESOLVE.length))
  const [action = '', ...scope] = grant.split(':')
  const isScope = scope.length === 0 || (scope.length === 1 && KEYRING_NAME.test(scope[0] ?? ''))
  return KNOWN.has(action) && isScope
}

const RFC_3339 =
  /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/** Days that a month does not have are refused, not taken for the next month's. */
function isTime(text: string): boolean {
  const [, year, month, day] = RFC_3339.exec(text) ?? []
  if (year === undefined) return false
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.getUTCDate() === Number(day)
}

/** Names and hashes are compared only when each entry is right. */
export const apiTokens = () => {
  const fields = z.strictObject(
    {
      name: z.string(NAME).check(like(/^[A-Za-z0-9._-]{1,64}$/, NAME)),
      sha256: z.string(SHA256).check(
        like(/^[0-9a-f]{64}$/i, SHA256),
        z.overwrite((hex) => hex.toLowerCase()),
      ),
      grants: z
        .array(z.string(GRANT).check(z.refine(isGrant, GRANT)), GRANTS)
        .check(z.refine((grants) => grants.length > 0, GRANTS)),
      expires_at: z.optional(z.nullable(z.string(EXPIRES).check(z.refine(isTime, EXPIRES)))),
    },
    ENTRY,
  )
  const token = z.pipe(
    fields,
    z.transform(({ expires_at: end = null, ...rest }): ApiToken => ({
      ...rest,
      expiresAt: end === null ? null : Date.parse(end),
    })),
  )
  return z.pipe(
    jsonText(LIST),
    z.array(token, LIST).check(
      distinct<ApiToken>(({ name }) => name, 'must give each name once'),
      distinct<ApiToken>(({ sha256 }) => sha256, 'must give each sha256 once'),
    ),
  )
}
