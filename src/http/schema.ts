/** The request bodies. */
import * as z from 'zod/mini'
import { KeyringError } from '../core/errors.ts'
import { fromBase64, utf8 } from '../core/bytes.ts'
import type { Bytes } from '../core/bytes.ts'

const flag = z.union([
  z.boolean(),
  z.pipe(
    z.enum(['true', 'false', 'on', 'off']),
    z.transform((text) => text === 'true' || text === 'on'),
  ),
])
/** A lone surrogate has no UTF-8: it would come back as another character. */
const text = z.string().check(z.refine((value) => value.isWellFormed(), 'has a lone surrogate'))
const encoding = z._default(z.enum(['text', 'base64']), 'text')
const context = { context: z.optional(text), context_base64: z.optional(z.string()) }

export const syncBody = z.strictObject({
  token: z.optional(z.string().check(z.minLength(1))),
  force: z._default(flag, false),
  adopt: z._default(flag, false),
})

/** Kong names the key id `key`; some of its pages say `id`. */
export const changeBody = z.strictObject({
  key: z.optional(z.string()),
  id: z.optional(z.string()),
  force: z._default(flag, false),
})

export const encryptBody = z.strictObject({ plaintext: text, encoding, ...context })
export const decryptBody = z.strictObject({ ciphertext: z.string(), encoding, ...context })

/** @throws `ERR_REQUEST_INVALID`, which names the fields and never quotes them. */
export function parseBody<Schema extends z.ZodMiniType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = z.safeParse(schema, body)
  if (parsed.success) return parsed.data
  const fields = parsed.error.issues.map(describe)
  throw new KeyringError('ERR_REQUEST_INVALID', `The body is not as expected: ${fields.join('; ')}.`)
}

const RULES: Partial<Record<string, string>> = {
  invalid_type: 'is missing or of the wrong type',
  invalid_value: 'has a value that is not allowed',
  invalid_union: 'has a value that is not allowed',
  too_small: 'is empty',
  custom: 'is not well-formed text',
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') return 'it has fields that are not known'
  return `${issue.path.join('.') || 'the body'} ${RULES[issue.code] ?? 'is wrong'}`
}

export function plaintextBytes(value: string, form: 'text' | 'base64'): Bytes {
  return form === 'text' ? utf8(value) : base64Field('plaintext', value)
}

/** Absent = empty. */
export function contextBytes(body: { context?: string | undefined; context_base64?: string | undefined }): Bytes {
  if (body.context !== undefined && body.context_base64 !== undefined) {
    throw new KeyringError('ERR_REQUEST_INVALID', 'The body has both context and context_base64.')
  }
  return body.context_base64 === undefined
    ? utf8(body.context ?? '')
    : base64Field('context_base64', body.context_base64)
}

function base64Field(name: string, value: string): Bytes {
  const bytes = fromBase64(value)
  if (bytes === null) throw new KeyringError('ERR_REQUEST_INVALID', `The field ${name} is not padded base64.`)
  return bytes
}
