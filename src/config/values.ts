/** Schemas of single values. Their messages say what to write and never quote what was written. */
import * as z from 'zod/mini'
import { Secret } from '../core/secret.ts'
import { FUNCTION_NAME, ON_OFF, TABLE_NAME, isOn, isWholeNumber } from './plain.ts'

const required = (what: string) => z.string(`is required: ${what}`)

/** Compares entries of a list only when each of them is right. */
export const distinct = <Entry>(keyOf: (entry: Entry) => string, message: string) =>
  z.refine<readonly Entry[]>((entries) => new Set(entries.map(keyOf)).size === entries.length, {
    error: message,
    when: ({ value, issues }) => Array.isArray(value) && issues.every(({ path = [] }) => path.length === 0),
  })

const follows = (rule: (text: string) => boolean, message: string) => z.refine<string>(rule, message)

export const toSecret = z.transform((text: string) => new Secret(text))

export const onOff = z.pipe(z.string().check(z.regex(ON_OFF, 'must be on or off')), z.transform(isOn))

export function wholeNumber(least: number, most: number) {
  const isInside = (text: string) => isWholeNumber(text, least, most)
  const digits = z.string().check(follows(isInside, `must be a whole number from ${least} to ${most}`))
  return z.pipe(digits, z.transform(Number))
}

export const strategy = z.literal('vault', 'must be vault: only the vault strategy exists so far')

/** The URL parser repairs too much (`https:\\host`, a lone `?` or `@`), so the text is looked at first. */
const isAddress = (text: string): boolean => /^https?:\/\/[^\s/?#@\\]+\/?$/i.test(text) && URL.canParse(text)

export const vaultAddress = z.pipe(
  required('the address of Vault, such as https://vault.example:8200').check(
    follows(isAddress, 'must be https://<host>[:port], without user, path, query or fragment'),
  ),
  z.transform((text) => new URL(text)),
)

export const SEGMENTS =
  'must be segments between single slashes: no empty, "." or ".." segment, backslash or control character, also not percent-encoded'

/** An encoded `.`, `/`, `\` or control character: somebody means what the plain one would do. */
const ENCODED = /%(?:2[ef]|5c|[01][\da-f]|7f)/i

export function hasPlainSegments(path: string): boolean {
  const segments = path.split('/')
  return (
    !segments.some((segment) => ['', '.', '..'].includes(segment)) &&
    !/[\\\p{Cc}\p{Cs}]/u.test(path) &&
    !ENCODED.test(path)
  )
}

export const vaultPath = (what: string) =>
  required(what).check(
    z.overwrite((path) => path.replace(/^\//, '').replace(/\/$/, '')),
    follows(hasPlainSegments, SEGMENTS),
  )

export const namespace = z.string().check(
  z.overwrite((path) => path.replace(/^\/+|\/+$/g, '')),
  z.regex(/^[\x21-\x7e]*$/, 'must be printable ASCII without spaces'),
  follows((path) => path === '' || hasPlainSegments(path), SEGMENTS),
)

export const PRINTABLE = /^[\x21-\x7e]+$/

export const apiToken = z.optional(
  z.pipe(
    z
      .string()
      .check(
        z.regex(PRINTABLE, 'must be printable ASCII without spaces'),
        z.minLength(8, 'must have 8 characters or more, and 32 or more when HOST is not loopback'),
      ),
    toSecret,
  ),
)

/** Without the brackets that a URL would need. */
export const host = z.string().check(
  z.overwrite((text) => text.replace(/^\[(.*)\]$/, '$1')),
  z.regex(/^[A-Za-z0-9.:%_-]+$/, 'must be a host name or an IP address'),
)

export const file = z.optional(z.string().check(z.regex(/^\P{Cc}+$/u, 'must be a path without control characters')))

export const tableName = z.optional(
  z.string().check(z.regex(TABLE_NAME, 'must be the name of a DynamoDB table, 3 to 255 characters')),
)

export const functionName = z.optional(
  z.string().check(z.regex(FUNCTION_NAME, 'must be the name of a Lambda function')),
)

/** Of a Durable Object: https://developers.cloudflare.com/durable-objects/reference/data-location/. */
const LOCATIONS = ['wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'oc', 'afr', 'me'] as const

export const locationHint = z.optional(z.enum(LOCATIONS, `must be one of ${LOCATIONS.join(', ')}`))

/** JSON in a setting; `message` when it does not parse. */
export const jsonText = (message: string) =>
  z.transform((text: string, { issues }): unknown => {
    try {
      return JSON.parse(text)
    } catch {
      issues.push({ code: 'custom', message, input: null })
      return z.NEVER
    }
  })
