/** What a value of a setting has to be. A rule's message says what to write; it never quotes what was written. */
import * as z from 'zod/mini'
import { fromBase64 } from '../core/bytes.ts'
import { KEYRING_NAME, WRAPPING_KEY_ID } from '../core/limits.ts'
import { Secret } from '../core/secret.ts'

export interface WrappingKeySetting {
  readonly id: string
  /** `null` = the wrapping key itself; else the key derived from it for that one keyring. */
  readonly keyring: string | null
  /** Base64 of 32 bytes. */
  readonly key: Secret
}

export interface ApiTokenSetting {
  readonly name: string
  /** 64 lower-case hex digits. */
  readonly sha256: string
  readonly grants: readonly string[]
  /** Milliseconds since 1970; `null` = never. */
  readonly expiresAt: number | null
}

/** `read` gives the value, or throws the rule that was broken. */
function rule<T>(read: (text: string) => T) {
  return z.pipe(
    z.string(),
    z.transform((text, context) => {
      try {
        return read(text)
      } catch (broken) {
        context.issues.push({
          code: 'custom',
          message: broken instanceof Rule ? broken.message : 'is not understood',
          input: '',
        })
        return z.NEVER
      }
    }),
  )
}

/** A broken rule. */
class Rule extends Error {}

function must(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Rule(message)
}

export const flag = rule((text) => {
  must(/^(on|off|true|false)$/i.test(text), 'must be on or off')
  return /^(on|true)$/i.test(text)
})

export const strategy = rule((text) => {
  must(text !== 'cluster', 'must be vault: the cluster strategy is not offered yet')
  must(text === 'vault', 'must be vault')
  return text
})

const LATER = new Set([
  'kubernetes',
  'approle',
  'cert',
  'jwt',
  'oauth2',
  'aws_iam',
  'aws_ec2',
  'gcp_iam',
  'gcp_gce',
  'azure',
  'userpass',
])

export const authMethod = rule((text) => {
  must(!LATER.has(text), 'must be token: other login methods come with a later release')
  must(text === 'token', 'must be token')
  return text
})

export const vaultAddress = rule((text) => {
  const form = 'must be <scheme>://<host>:<port>, such as https://vault.example:8200'
  must(URL.canParse(text), form)
  const { protocol, pathname, search, hash, username, password, origin } = new URL(text)
  must(/^https?:$/.test(protocol), form)
  must(pathname === '/' && search + hash === '', `${form}, without a path`)
  must(username + password === '', `${form}, without a user`)
  return origin
})

const UNSAFE = /[^\u0020-\u007e\u00a0-\u{10ffff}]|\\/u

/** Mount, path and namespace: decoded segments, as `vaultUrl` wants them. */
function segments(text: string): string {
  const trimmed = text.replace(/^\//, '').replace(/\/$/, '')
  for (const segment of trimmed.split('/')) {
    const decoded = segment.replace(/%(2e|2f|5c)/gi, (code) => decodeURIComponent(code))
    must(segment !== '' && !/^\.{1,2}$/.test(decoded), 'must not have empty, "." or ".." segments')
    must(
      !UNSAFE.test(decoded) && !decoded.includes('/') && segment.isWellFormed(),
      'must not have backslashes, encoded slashes or control characters',
    )
  }
  return trimmed
}

export const vaultPath = rule(segments)
export const namespace = rule((text) => {
  must(/^[\x21-\x7e]+$/.test(text), 'must be printable ASCII')
  return segments(text)
})

export const token = rule((text) => {
  must(/^[\x21-\x7e]+$/.test(text.trim()), 'must be a token: printable ASCII without spaces')
  return new Secret(text.trim())
})

export const integer = (least: number, most: number) =>
  rule((text) => {
    const number = Number(text)
    must(/^\d{1,9}$/.test(text) && number >= least && number <= most, `must be a whole number from ${least} to ${most}`)
    return number
  })

export const text = rule((value) => value)

export const wrappingKeys = rule((list) => {
  const keys = list.split(',').map(wrappingKey)
  must(
    new Set(keys.map(({ id, keyring }) => `${id}/${keyring}`)).size === keys.length,
    'must not have the same id twice',
  )
  return keys
})

function wrappingKey(entry: string): WrappingKeySetting {
  const form =
    'must be id:<base64 of 32 bytes>, or id/keyring/<name>:<…>, separated by commas: make one with "edge-keyring secrets new"'
  const [, id, keyring = null, key] = /^([^:/]+)(?:\/keyring\/([^:/]+))?:(.+)$/.exec(entry.trim()) ?? []
  must(id !== undefined && key !== undefined && WRAPPING_KEY_ID.test(id), form)
  must(keyring === null || KEYRING_NAME.test(keyring), form)
  must(fromBase64(key)?.length === 32, form)
  return { id, keyring, key: new Secret(key) }
}

const ACTION =
  /^(?:(?:read|sync|push|rotate|remove|force|encrypt|decrypt|rewrap|export|admin)(?::[A-Za-z0-9][\w-]{0,63})?|resolve:.+)$/

const apiToken = z.strictObject({
  name: z.string().check(z.regex(/^[\w.-]{1,64}$/)),
  sha256: z.string().check(z.regex(/^[\da-f]{64}$/i)),
  grants: z.array(z.string().check(z.regex(ACTION))).check(z.minLength(1)),
  expires_at: z.optional(
    z.nullable(z.string().check(z.refine((time) => /^\d{4}-\d\d-\d\dT/.test(time) && !Number.isNaN(Date.parse(time))))),
  ),
})

export const apiTokens = rule((json): ApiTokenSetting[] => {
  const parsed = z.safeParse(z.array(apiToken).check(z.minLength(1)), parseJson(json))
  must(
    parsed.success,
    `must be a JSON list of {name, sha256, grants, expires_at}${parsed.success ? '' : where(parsed.error.issues)}`,
  )
  const tokens = parsed.data.map(({ name, sha256, grants, expires_at: at }) => ({
    name,
    sha256: sha256.toLowerCase(),
    grants,
    expiresAt: at ? Date.parse(at) : null,
  }))
  must(new Set(tokens.map(({ name }) => name)).size === tokens.length, 'must not have the same name twice')
  must(new Set(tokens.map(({ sha256 }) => sha256)).size === tokens.length, 'must not have the same token twice')
  return tokens
})

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    throw new Rule('must be JSON')
  }
}

/** Positions and our own field names; a foreign field's name might be a value in the wrong place. */
function where(issues: readonly z.core.$ZodIssue[]): string {
  const [issue] = issues
  if (issue === undefined || issue.path.length === 0) return ''
  return issue.code === 'unrecognized_keys'
    ? `: entry ${String(issue.path[0])} has another field`
    : `: see ${issue.path.join('.')}`
}
