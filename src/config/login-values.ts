/** Schemas of the values that logins need. As in `values.ts`: a message says what to write and never quotes what was written. */
import * as z from 'zod/mini'
import type { CredentialSource } from '../core/login-settings.ts'
import { Secret } from '../core/secret.ts'
import { isLoopback } from '../core/loopback.ts'
import { hasPlainSegments, jsonText, PRINTABLE, SEGMENTS, toSecret } from './values.ts'

export const METHOD_NAMES = ['token', 'kubernetes', 'approle', 'cert', 'jwt', 'oauth2', 'aws_iam', 'userpass'] as const

const LATER = new Set<unknown>(['aws_ec2', 'gcp_iam', 'gcp_gce', 'azure'])
const ONE_OF = `must be one of ${METHOD_NAMES.join(', ')}`

export const authMethod = z.enum(METHOD_NAMES, {
  error: ({ input }) => (LATER.has(input) ? `${ONE_OF}: this login comes with a later release` : ONE_OF),
})

export const line = z.string().check(z.trim(), z.regex(/^\P{Cc}+$/u, 'must be a text without control characters'))

/** Of any characters: a password is not a header. */
export const secretLine = z.pipe(line, toSecret)

export const credential = z.pipe(
  z.string().check(z.trim(), z.regex(PRINTABLE, 'must be printable ASCII without spaces')),
  toSecret,
)

export const path = z.string().check(z.regex(/^\P{Cc}+$/u, 'must be a path without control characters'))

const isKeyText = (text: string): boolean => /^\s*(?:-----BEGIN |\{)/.test(text)

/** PEM or JWK as it is, or the path of a file with it. */
export const keyText = z.pipe(
  z.string().check(
    z.refine((text) => isKeyText(text) || !/\p{Cc}/u.test(text), 'must be the text of the file, or its path'),
    z.refine((text) => !/-----BEGIN (?:RSA|EC) PRIVATE/.test(text), 'must be PKCS #8: openssl pkcs8 -topk8 -nocrypt'),
  ),
  z.transform((text): CredentialSource => (isKeyText(text) ? new Secret(text) : { file: text })),
)

export const mount = z.string().check(
  z.overwrite((text) => text.trim().replace(/^\/|\/$/g, '')),
  z.refine(hasPlainSegments, SEGMENTS),
)

/** Kong's form is `/v1/auth/<mount>/login`. */
export const loginPathMount = z.string().check(
  z.overwrite((text) => text.trim().replace(/^\/?(?:v1\/)?(?:auth\/)?|(?:\/login)?\/?$/g, '')),
  z.refine(hasPlainSegments, SEGMENTS),
)

function isSafe(text: string): boolean {
  if (!/^https?:\/\/[^\s?#@\\]+$/i.test(text) || !URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || isLoopback(hostname)
}

/** As written: an issuer is compared to the letter. */
export const safeUrl = z
  .string()
  .check(z.trim(), z.refine(isSafe, 'must be an https URL (http on loopback alone) without user, query or fragment'))

export const words = z.pipe(
  line,
  z.transform((text) => text.split(/[\s,]+/).filter((word) => word !== '')),
)

export const PLATFORMS = ['azure', 'github', 'google'] as const
export const platform = z.enum(PLATFORMS, { error: `must be one of ${PLATFORMS.join(', ')}` })

export const clientAuth = z.enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt'], {
  error: 'must be client_secret_basic, client_secret_post or private_key_jwt',
})

const PARAMETERS = 'must be a JSON object of texts, without the parameters of the protocol'
const OF_PROTOCOL = /^(?:grant_type|scope|resource|audience|client_id|client_secret|client_assertion(?:_type)?)$/

export const parameters = z.pipe(
  z.pipe(z.string(), jsonText(PARAMETERS)),
  z
    .record(z.string(), z.string(PARAMETERS), PARAMETERS)
    .check(z.refine((all) => !Object.keys(all).some((name) => OF_PROTOCOL.test(name)), PARAMETERS)),
)

export const region = z.string().check(z.regex(/^[a-z]{2}(?:-[a-z]+)+-\d{1,2}$/, 'must be a region such as eu-west-1'))
export const accessKeyId = z.string().check(z.trim(), z.regex(/^\w{16,128}$/, 'must be an access key id of AWS'))
export const roleArn = z
  .string()
  .check(z.trim(), z.regex(/^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/, 'must be the ARN of a role'))
export const sessionName = z.string().check(z.regex(/^[\w+=,.@-]{2,64}$/, 'must be 2 to 64 letters, digits or _+=,.@-'))
