import { KEYRING_NAME } from '../core/limits.ts'
import type { Say } from './plain.ts'
import { isDistinct, isObject, jsonList } from './plain.ts'

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
  'diagnose',
  'admin',
] as const

const KNOWN = new Set<string>(ACTIONS)

const RESOLVE = /^resolve:[\x21-\x7e]+$/

function isGrant(grant: unknown): boolean {
  if (typeof grant !== 'string') return false
  const [action = '', ...scope] = grant.split(':')
  const isScope = scope.length === 0 || (scope.length === 1 && KEYRING_NAME.test(scope[0] ?? ''))
  return RESOLVE.test(grant) || (KNOWN.has(action) && isScope)
}

const LIST = 'must be a JSON list of {"name", "sha256", "grants", "expires_at"}'
const ENTRY = 'must be an object with name, sha256, grants and, if it expires, expires_at, and with nothing else'
const NAME = 'must be 1 to 64 letters, digits, ".", "_" or "-"'
const SHA256 = 'must be the SHA-256 of the token: 64 hex digits'
const GRANTS = 'must be a list with one grant or more'
const GRANT = `must be one of ${ACTIONS.join(', ')}, alone or as <action>:<keyring>, or resolve:<pattern>`
const EXPIRES = 'must be a time such as 2030-01-31T00:00:00Z, or null'

const FIELDS = new Set(['name', 'sha256', 'grants', 'expires_at'])
const RFC_3339 =
  /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/

export interface ReadApiToken {
  readonly name: string
  readonly sha256: string
  readonly grants: readonly string[]
  readonly expiresAt: number | null
}

/** Names and hashes are compared only when each entry is right. */
export function readApiTokens(text: string, say: Say): readonly ReadApiToken[] {
  let isRight = true
  const note: Say = (...said) => {
    isRight = false
    say(...said)
  }
  const tokens = (jsonList(text, note, LIST) ?? []).map((entry, index) =>
    readToken(entry, (message, ...path) => note(message, index, ...path)),
  )
  if (isRight && !isDistinct(tokens.map(({ name }) => name))) say('must give each name once')
  if (isRight && !isDistinct(tokens.map(({ sha256 }) => sha256))) say('must give each sha256 once')
  return tokens
}

function readToken(entry: unknown, say: Say): ReadApiToken {
  const { name, sha256, grants, expires_at: expires = null } = isObject(entry) ? entry : {}
  if (!isObject(entry)) say(ENTRY)
  else {
    if (!matches(/^[A-Za-z0-9._-]{1,64}$/, name)) say(NAME, 'name')
    if (!matches(/^[0-9a-f]{64}$/i, sha256)) say(SHA256, 'sha256')
    checkGrants(grants, say)
    if (expires !== null && !isTime(expires)) say(EXPIRES, 'expires_at')
    if (Object.keys(entry).some((field) => !FIELDS.has(field))) say(ENTRY)
  }
  return {
    name: String(name),
    sha256: String(sha256).toLowerCase(),
    grants: Array.isArray(grants) ? (grants as string[]) : [],
    expiresAt: typeof expires === 'string' ? Date.parse(expires) : null,
  }
}

function checkGrants(grants: unknown, say: Say): void {
  if (!Array.isArray(grants) || grants.length === 0) return say(GRANTS, 'grants')
  for (const [index, grant] of grants.entries()) if (!isGrant(grant)) say(GRANT, 'grants', index)
}

const matches = (pattern: RegExp, value: unknown): boolean => typeof value === 'string' && pattern.test(value)

/** Days that a month does not have are refused, not taken for the next month's. */
function isTime(value: unknown): boolean {
  const [, year, month, day] = RFC_3339.exec(typeof value === 'string' ? value : '') ?? []
  if (year === undefined) return false
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.getUTCDate() === Number(day)
}
