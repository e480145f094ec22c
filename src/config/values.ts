/** Schemas of single values. Their messages say what to write and never quote what was written. */
import * as z from 'zod/mini'
import { writtenAddress } from '../core/loopback.ts'
import { Secret } from '../core/secret.ts'

const follows = (rule: (text: string) => boolean, message: string) => z.refine<string>(rule, message)
/** zod's own check of a pattern weighs more in the Worker than this. */
export const like = (pattern: RegExp, message: string) => follows((text) => pattern.test(text), message)

/** A rule about a list, which counts only when each of its entries is right. */
export const together = <Entry>(rule: (entries: readonly Entry[]) => boolean, message: string) =>
  z.refine<readonly Entry[]>(rule, {
    error: message,
    when: ({ value, issues }) => Array.isArray(value) && issues.every(({ path = [] }) => path.length === 0),
  })

export const distinct = <Entry>(keyOf: (entry: Entry) => string, message: string) =>
  together<Entry>((entries) => new Set(entries.map(keyOf)).size === entries.length, message)

/** The value of any JSON; `message` is said when it does not parse. */
export const jsonText = (message: string) =>
  z.pipe(
    z.string(),
    z.transform((text: string, { issues }): unknown => {
      try {
        return JSON.parse(text.trim())
      } catch {
        issues.push({ code: 'custom', message, input: null })
        return z.NEVER
      }
    }),
  )

/** An object of texts. Its problems name no field, because what was written may be anything. */
export const textsInJson = (message: string, isRight: (field: string, text: string) => string | true) =>
  z.pipe(
    jsonText(message),
    z.transform((given: unknown, { issues }): Readonly<Record<string, string>> => {
      const fields = typeof given === 'object' && given !== null && !Array.isArray(given) ? Object.entries(given) : null
      const all = fields?.map(([field, text]) => (typeof text === 'string' ? isRight(field, text) : message)) ?? [
        message,
      ]
      const wrong = all.find((each) => each !== true)
      if (wrong === undefined) return Object.fromEntries(fields ?? [])
      issues.push({ code: 'custom', message: wrong, input: null })
      return z.NEVER
    }),
  )

export const secretText = (text: z.ZodMiniType<string, string>) => z.pipe(text, toSecret())

export const toSecret = () => z.transform((text: string) => new Secret(text))

export const onOff = () =>
  z.pipe(
    z.string().check(like(/^(?:on|off|true|false)$/i, 'must be on or off')),
    z.transform((text) => /^(?:on|true)$/i.test(text)),
  )

const GO_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 }

/** The milliseconds of a duration as Go writes it, `1m30s`, or of seconds; a text that is neither, or has hours, stays as it is. */
export function goMilliseconds(text: string): string {
  let ms = 0
  const rest = text.replace(/^\d+$/, '$&s').replace(/([\d.]+)(ms|[sm])/g, (_, count: string, unit: string) => {
    ms += Number(count) * (GO_UNITS[unit] ?? 0)
    return ''
  })
  return rest === '' ? String(Math.round(ms)) : text
}

export const wholeNumber = (least: number, most: number, unit = '') =>
  z.pipe(
    z
      .string()
      .check(
        follows(
          (text) => /^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most,
          `must be a whole number from ${least} to ${most}${unit}`,
        ),
      ),
    z.transform(Number),
  )

/** One of these words. */
export const oneOf = <const Words extends readonly string[]>(
  words: Words,
  message = `must be one of ${words.join(', ')}`,
) =>
  z.pipe(
    z.string(message).check(follows((text) => words.includes(text), message)),
    z.transform((text) => text as Words[number]),
  )

export const matching = (pattern: RegExp, message: string) => z.string().check(like(pattern, message))
export const trimmed = (pattern: RegExp, message: string) => z.string().check(z.trim(), like(pattern, message))

const SEGMENTS =
  'must be segments between single slashes: no empty, "." or ".." segment, backslash or control character, also not percent-encoded'

/** Finds an encoded `.`, `/`, `\` or control character, by which somebody means what the plain one would do. */
const ENCODED = /%(?:2[ef]|5c|[01][\da-f]|7f)/i

function hasPlainSegments(path: string): boolean {
  const segments = path.split('/')
  return (
    !segments.some((segment) => ['', '.', '..'].includes(segment)) &&
    !/[\\\p{Cc}\p{Cs}]/u.test(path) &&
    !ENCODED.test(path)
  )
}

/** @param missing what is said of no text at all, in a list. */
export const vaultPath = (missing?: string) =>
  z.string(missing).check(
    z.overwrite((path) => path.replace(/^\//, '').replace(/\/$/, '')),
    follows(hasPlainSegments, SEGMENTS),
  )

export const namespace = () =>
  z.string().check(
    z.overwrite((path) => path.replace(/^\/+|\/+$/g, '')),
    like(/^[\x21-\x7e]*$/, 'must be printable ASCII without spaces'),
    follows((path) => path === '' || hasPlainSegments(path), SEGMENTS),
  )

/** The mount of a login. Vault Agent writes `auth/` before it. */
export const mount = () =>
  z.string().check(
    z.overwrite((text) => text.trim().replace(/^\/?(?:auth\/(?=[^/]))?|\/$/g, '')),
    follows(hasPlainSegments, SEGMENTS),
  )

/** Kong's form is `/v1/auth/<mount>/login`. */
export const loginPathMount = () =>
  z.string().check(
    z.overwrite((text) => text.trim().replace(/^\/?(?:v1\/)?(?:auth\/)?|(?:\/login)?\/?$/g, '')),
    follows(hasPlainSegments, SEGMENTS),
  )

export const kvVersion = () => oneOf(['v1', 'v2'], 'must be v1 or v2')

const PRINTABLE = /^[\x21-\x7e]+$/
const NOT_PRINTABLE = 'must be printable ASCII without spaces'

export const apiToken = () =>
  secretText(
    trimmed(PRINTABLE, NOT_PRINTABLE).check(
      follows((text) => text.length >= 8, 'must have 8 characters or more, and 32 or more when HOST is not loopback'),
    ),
  )

/** A host has no brackets here, though a URL would need them. */
export const host = () =>
  z.string().check(
    z.overwrite((text) => text.replace(/^\[(.*)\]$/, '$1')),
    like(/^[A-Za-z0-9.:%_-]+$/, 'must be a host name or an IP address'),
  )

export const path = () => matching(/^\P{Cc}+$/u, 'must be a path without control characters')

export const line = () => trimmed(/^\P{Cc}+$/u, 'must be a text without control characters')

/** A secret of any characters, spaces around it included, but for the mark and the line end of a file that it was taken from. */
export const secretLine = () =>
  secretText(
    z.string().check(
      z.overwrite((text) => text.replace(/^\uFEFF|\r?\n$/g, '')),
      like(/^[^\p{Cc}\p{Cs}\uFFFD]+$/u, 'must be UTF-8 without control characters'),
    ),
  )

export const credential = () => secretText(trimmed(PRINTABLE, NOT_PRINTABLE))

export const words = () =>
  z.pipe(
    line(),
    z.transform((text) => text.split(/[\s,]+/).filter((word) => word !== '')),
  )

const isSafe = (text: string): boolean => writtenAddress(text) !== null

/** The URL stays as it was written, because an issuer is compared to the letter. */
export const safeUrl = () =>
  z
    .string()
    .check(z.trim(), follows(isSafe, 'must be an https URL (http on loopback alone) without user, query or fragment'))
