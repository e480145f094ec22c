/** How Vault is reached: what is trusted, what is presented, what is sent along. Files are read by the platform, not here. */
import * as z from 'zod/mini'
import { Secret } from '../core/secret.ts'
import { jsonText } from './values.ts'

/** PEM, or the path of a file with it. */
const isFileOrPem = (text: string): boolean => text.includes('-----BEGIN ') || /^\P{Cc}+$/u.test(text)
const FILE_OR_PEM = 'must be PEM, or the path of a PEM file'
const fileOrPem = z.string().check(z.trim(), z.refine(isFileOrPem, FILE_OR_PEM))

/** One or more, separated by commas; `system` = those of the runtime and of the operating system. */
export const authorities = z.optional(
  z.pipe(
    z.pipe(
      z.string(),
      z.transform((text) => text.split(',').map((part) => part.trim())),
    ),
    z.array(fileOrPem.check(z.minLength(1, FILE_OR_PEM))),
  ),
)

export const clientCertificate = z.optional(fileOrPem)

export const clientKey = z.optional(
  z.pipe(
    fileOrPem,
    z.transform((text) => new Secret(text)),
  ),
)

export const serverName = z.optional(z.string().check(z.regex(/^[A-Za-z0-9._-]{1,253}$/, 'must be a host name')))

/** Bindings are objects; `settingsOf` in functions/cloudflare gives this text for one. */
export const BINDING = '[binding]'
export const binding = (kind: string) => z.optional(z.literal(BINDING, `must be a binding (${kind} in wrangler.toml)`))

export const kvVersion = z.enum(['v1', 'v2'], 'must be v1 or v2')

const HEADERS = 'must be a JSON object of header names and texts'
const NAME = 'must not have a header that Vault, the connection or the body has already, or a name that is none'
const VALUE = 'must have values of printable ASCII'

/** Those that mean something to Vault, and those that the runtime sets itself. */
const TAKEN =
  /^(x-vault-.*|authorization|accept|cookie|host|connection|content-.*|expect|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|via)$/i
const isFree = (name: string): boolean => /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name) && !TAKEN.test(name)

const headerMap = z.record(
  z.string(),
  z.string(HEADERS).check(z.regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, VALUE)),
  HEADERS,
)
/** Problems name no header: what was written may be anything. */
const anonymous = z.transform((given: unknown, { issues }): Readonly<Record<string, Secret>> => {
  const parsed = z.safeParse(headerMap, given)
  const names = Object.keys(parsed.data ?? {})
  if (parsed.success && names.every(isFree))
    return Object.fromEntries(names.map((name) => [name, new Secret(parsed.data[name] ?? '')]))
  issues.push({ code: 'custom', message: parsed.error?.issues[0]?.message ?? NAME, input: null })
  return z.NEVER
})

export const headers = z.pipe(z.pipe(z.string(), jsonText(HEADERS)), anonymous)
