/** The request bodies, read without zod: they are small, and every encrypt and every cold start would pay for it. */
import { KeyringError } from '../core/errors.ts'
import { fromBase64, utf8 } from '../core/bytes.ts'
import type { Bytes } from '../core/bytes.ts'
import { KEY_ID, MAX_CONTEXT_BYTES, MAX_PLAINTEXT_BYTES } from '../core/limits.ts'
import type { PairRead } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import { isHanded, isObservation, isReads, isSource, isWhole } from '../keyring/push-shape.ts'

/** Throws a `Rule` when the value is not as expected; `undefined` = absent. */
type Field<T> = (value: unknown) => T

class Rule {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

function refuse(text: string): never {
  // oxlint-disable-next-line typescript/only-throw-error -- it never leaves parseBody, and a stack costs more than the check
  throw new Rule(text)
}

const string: Field<string> = (value) => (typeof value === 'string' ? value : refuse('is missing or of the wrong type'))

/** A Vault token goes into a header: those of batches are the longest, with some hundred characters. */
const MOST_TOKEN = 8192
const vaultToken: Field<string> = (value) => {
  if (string(value) === '') refuse('is empty')
  return string(value).length > MOST_TOKEN ? refuse('is too long') : string(value)
}

/** Checked before it reaches the audit log. */
const keyId: Field<string> = (value) =>
  KEY_ID.test(string(value)) ? string(value) : refuse('is not 1 to 64 letters, digits, ".", "_", "~" or "-"')

/** A lone surrogate is refused: it has no UTF-8, and would come back as another character. */
const text: Field<string> = (value) =>
  string(value).isWellFormed() ? string(value) : refuse('is not well-formed text')

const NOT_ALLOWED = 'has a value that is not allowed'

const flag: Field<boolean> = (value = false) => {
  if (typeof value === 'boolean') return value
  return value === 'true' || value === 'on' ? true : value === 'false' || value === 'off' ? false : refuse(NOT_ALLOWED)
}

const encoding: Field<'text' | 'base64'> = (value = 'text') =>
  value === 'text' || value === 'base64' ? value : refuse(NOT_ALLOWED)

const optional =
  <T>(field: Field<T>): Field<T | undefined> =>
  (value) =>
    value === undefined ? undefined : field(value)

const shaped =
  <T>(is: (value: unknown) => value is T): Field<T> =>
  (value) =>
    is(value) ? value : refuse('is not as expected')

/** Key strings are secrets from here on. */
const reads: Field<readonly PairRead[]> = (value) =>
  shaped(isReads)(value).map((read) => (read.kind === 'key' ? { ...read, key: new Secret(read.key) } : read))

const context = { context: optional(text), context_base64: optional(string) }

export const syncBody = { token: optional(vaultToken), force: flag, adopt: flag }
export const rotateBody = { dry_run: flag }
export const doctorBody = { login: flag }
export const importQuery = { force: flag }

/** Without `reads` it is an offer; `mount_keeps` asks whether a key may be written. */
export const pushBody = {
  source: shaped(isSource),
  observation: shaped(isObservation),
  reads: optional(reads),
  mount_keeps: optional(shaped(isWhole)),
  force: flag,
  adopt: flag,
}

/** References of one request. */
const MOST_REFERENCES = 1000
const references: Field<readonly string[]> = (value) =>
  Array.isArray(value) && value.length > 0 && value.length <= MOST_REFERENCES
    ? value.map(text)
    : refuse(`is not a list of 1 to ${MOST_REFERENCES} texts`)

export const resolveBody = { references, refresh: flag }
export const cachedQuery = { after: optional(text) }
export const handBody = { vault: text, source: text, secrets: shaped(isHanded) }

/** Kong names the key id `key`; some of its pages say `id`. */
export const changeBody = { key: optional(keyId), id: optional(keyId), force: flag }

export const encryptBody = { plaintext: text, encoding, ...context }
export const decryptBody = { ciphertext: string, encoding, ...context }

type Fields = Readonly<Record<string, Field<unknown>>>

/** @throws `ERR_REQUEST_INVALID`, which names the fields and never quotes them. */
export function parseBody<F extends Fields>(fields: F, body: unknown): { [Name in keyof F]: ReturnType<F[Name]> } {
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body)
  const given: Readonly<Record<string, unknown>> = isObject ? { ...body } : {}
  const wrong: string[] = isObject ? [] : ['the body is missing or of the wrong type']
  const parsed: Record<string, unknown> = {}
  for (const [name, field] of isObject ? Object.entries(fields) : []) {
    try {
      parsed[name] = field(Object.hasOwn(given, name) ? given[name] : undefined)
    } catch (error) {
      wrong.push(`${name} ${error instanceof Rule ? error.text : 'is wrong'}`)
    }
  }
  if (Object.keys(given).some((name) => !Object.hasOwn(fields, name))) wrong.push('it has fields that are not known')
  if (wrong.length > 0)
    throw new KeyringError('ERR_REQUEST_INVALID', `The body is not as expected: ${wrong.join('; ')}.`)
  return parsed as { [Name in keyof F]: ReturnType<F[Name]> }
}

export function plaintextBytes(value: string, form: 'text' | 'base64'): Bytes {
  return form === 'text' ? utf8(value) : base64Field('plaintext', value)
}

/** What decrypt could not take back is not encrypted. @throws `ERR_BODY_TOO_LARGE`. */
export function refuseLarge(plaintext: Bytes, context: Bytes): void {
  if (plaintext.length > MAX_PLAINTEXT_BYTES) throw tooLarge('plaintext', MAX_PLAINTEXT_BYTES)
  if (context.length > MAX_CONTEXT_BYTES) throw tooLarge('context', MAX_CONTEXT_BYTES)
}

function tooLarge(field: string, limit: number): KeyringError {
  return new KeyringError('ERR_BODY_TOO_LARGE', `The ${field} has more than ${limit} bytes.`, {
    facts: { field, limit },
    remedy: `Encrypt in parts of at most ${MAX_PLAINTEXT_BYTES} bytes, with contexts of at most ${MAX_CONTEXT_BYTES}.`,
  })
}

/** A context that is absent is the empty one. */
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
