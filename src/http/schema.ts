/** The request bodies, read without zod: they are small, and every encrypt and every cold start would pay for it. */
import { KeyringError } from '../core/errors.ts'
import { fromBase64, utf8Again } from '../core/bytes.ts'
import type { Bytes } from '../core/bytes.ts'
import { MAX_BATCH_ITEMS } from '../core/limits.ts'

/** Throws a `Rule` when the value is not as expected; `undefined` = absent. */
export type Field<T> = (value: unknown) => T

class Rule {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export function refuse(text: string): never {
  // oxlint-disable-next-line typescript/only-throw-error -- it never leaves parseBody, and a stack costs more than the check
  throw new Rule(text)
}

export const string: Field<string> = (value) =>
  typeof value === 'string' ? value : refuse('is missing or of the wrong type')

/** A lone surrogate is refused: it has no UTF-8, and would come back as another character. */
export const text: Field<string> = (value) =>
  string(value).isWellFormed() ? string(value) : refuse('is not well-formed text')

export const NOT_ALLOWED = 'has a value that is not allowed'

const encoding: Field<'text' | 'base64'> = (value = 'text') =>
  value === 'text' || value === 'base64' ? value : refuse(NOT_ALLOWED)

export const optional =
  <T>(field: Field<T>): Field<T | undefined> =>
  (value) =>
    value === undefined ? undefined : field(value)

const context = { context: optional(text), context_base64: optional(string) }

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
      if (!(error instanceof Rule)) throw error
      wrong.push(`${name} ${error.text}`)
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
  if (given.context_base64 === undefined) return given.context === undefined ? NO_BYTES : utf8Again(given.context)
  if (given.context === undefined) return base64Field('context_base64', given.context_base64)
  throw new KeyringError('ERR_REQUEST_INVALID', 'There are both context and context_base64.')
}

const NO_BYTES = new Uint8Array()

export function base64Field(name: string, value: string): Bytes {
  const bytes = fromBase64(value)
  if (bytes === null) throw new KeyringError('ERR_REQUEST_INVALID', `The field ${name} is not padded base64.`)
  return bytes
}
