/** The request bodies, read without zod: they are small, and every encrypt and every cold start would pay for it. */
import { KeyringError } from '../core/errors.ts'
import { fromBase64, utf8 } from '../core/bytes.ts'
import type { Bytes } from '../core/bytes.ts'
import { KEY_ID, MAX_BATCH_ITEMS } from '../core/limits.ts'
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
export const rewrapBody = { ciphertext: string, ...context }

/** What is in the items is checked item by item. */
const items: Field<readonly unknown[]> = (value) =>
  Array.isArray(value) && value.length > 0 && value.length <= MAX_BATCH_ITEMS
    ? (value as readonly unknown[])
    : refuse(`is not a list of 1 to ${MAX_BATCH_ITEMS} items`)

export const batchBody = { items }

type Fields = Readonly<Record<string, Field<unknown>>>
type Parsed<F extends Fields> = { readonly [Name in keyof F]: ReturnType<F[Name]> }

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** @param what is said of it in sentences. @throws `ERR_REQUEST_INVALID`, which names the fields and never quotes them. */
export function parseBody<F extends Fields>(fields: F, body: unknown, what = 'body'): Parsed<F> {
  if (!isFields(body)) throw notAsExpected(what, [`the ${what} is missing or of the wrong type`])
  const wrong: string[] = []
  const parsed: Record<string, unknown> = {}
  for (const name of Object.keys(fields)) {
    try {
      parsed[name] = fields[name]?.(Object.hasOwn(body, name) ? body[name] : undefined)
    } catch (error) {
      wrong.push(`${name} ${error instanceof Rule ? error.text : 'is wrong'}`)
    }
  }
  for (const name in body) {
    if (Object.hasOwn(fields, name)) continue
    wrong.push('it has fields that are not known')
    break
  }
  if (wrong.length > 0) throw notAsExpected(what, wrong)
  return parsed as Parsed<F>
}

const notAsExpected = (what: string, wrong: readonly string[]): KeyringError =>
  new KeyringError('ERR_REQUEST_INVALID', `The ${what} is not as expected: ${wrong.join('; ')}.`)

/** A context that is absent is the empty one. */
export function contextBytes(given: { context?: string | undefined; context_base64?: string | undefined }): Bytes {
  if (given.context_base64 === undefined) return given.context === undefined ? NO_BYTES : utf8(given.context)
  if (given.context === undefined) return base64Field('context_base64', given.context_base64)
  throw new KeyringError('ERR_REQUEST_INVALID', 'There are both context and context_base64.')
}

const NO_BYTES = new Uint8Array()

export function base64Field(name: string, value: string): Bytes {
  const bytes = fromBase64(value)
  if (bytes === null) throw new KeyringError('ERR_REQUEST_INVALID', `The field ${name} is not padded base64.`)
  return bytes
}
