/** The request bodies, read without zod: they are small, and every encrypt and every cold start would pay for it. */
import { KeyringError } from '../core/errors.ts'
import { fromBase64, utf8 } from '../core/bytes.ts'
import type { Bytes } from '../core/bytes.ts'
import { INCARNATION, KEY_ID, MAX_CONTEXT_BYTES, MAX_PLAINTEXT_BYTES, MOST_TIME } from '../core/limits.ts'
import type { PairRead } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'

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

const word =
  <const Words extends readonly string[]>(...words: Words): Field<Words[number]> =>
  (value) =>
    words.find((each) => each === value) ?? refuse(NOT_ALLOWED)

const whole: Field<number> = (value) =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= MOST_TIME
    ? Number(value)
    : refuse('is not a whole number')

const optional =
  <T>(field: Field<T>): Field<T | undefined> =>
  (value) =>
    value === undefined ? undefined : field(value)

const nullable =
  <T>(field: Field<T>): Field<T | null> =>
  (value) =>
    value === null ? null : field(value)

const list =
  <T>(field: Field<T>): Field<readonly T[]> =>
  (value) =>
    Array.isArray(value) ? value.map((entry) => field(entry)) : refuse('is not a list')

const object =
  <F extends Fields>(fields: F): Field<Parsed<F>> =>
  (value) => {
    const { parsed, wrong } = parseFields(fields, value)
    return wrong.length === 0 ? parsed : refuse('is not as expected')
  }

const context = { context: optional(text), context_base64: optional(string) }

export const syncBody = { token: optional(vaultToken), force: flag, adopt: flag }
export const rotateBody = { dry_run: flag }
export const doctorBody = { login: flag }

const source = { kind: word('kv1', 'kv2'), namespace: text, mount: text, path: text }
const observation = {
  incarnation: (value: unknown) => (INCARNATION.test(string(value)) ? string(value) : refuse(NOT_ALLOWED)),
  current: whole,
  versions: list(object({ version: whole, state: word('readable', 'deleted', 'destroyed') })),
  unlisted: word('destroyed', 'unknown'),
  currentCreatedMs: nullable(whole),
  sourceMs: whole,
  keeps: whole,
}

const keyString: Field<Secret> = (value) => (text(value) === '' ? refuse('is empty') : new Secret(text(value)))
const reads = {
  key: object({ version: whole, kind: word('key'), id: keyId, createdMs: whole, key: keyString }),
  malformed: object({
    version: whole,
    kind: word('malformed'),
    why: word('no-id', 'bad-id', 'no-key', 'key-not-string'),
  }),
  other: object({ version: whole, kind: word('deleted', 'destroyed', 'gone') }),
}
const read: Field<PairRead> = (value) => {
  const { kind } = { ...(value as { readonly kind?: unknown } | null) }
  return kind === 'key' || kind === 'malformed' ? reads[kind](value) : reads.other(value)
}

/** Without `reads` it is an offer; `mount_keeps` asks whether a key may be written. */
export const pushBody = {
  source: object(source),
  observation: nullable(object(observation)),
  reads: optional(list(read)),
  mount_keeps: optional(whole),
  force: flag,
  adopt: flag,
}

/** Kong names the key id `key`; some of its pages say `id`. */
export const changeBody = { key: optional(keyId), id: optional(keyId), force: flag }

export const encryptBody = { plaintext: text, encoding, ...context }
export const decryptBody = { ciphertext: string, encoding, ...context }

type Fields = Readonly<Record<string, Field<unknown>>>

type Parsed<F extends Fields> = { [Name in keyof F]: ReturnType<F[Name]> }

/** @throws `ERR_REQUEST_INVALID`, which names the fields and never quotes them. */
export function parseBody<F extends Fields>(fields: F, body: unknown): Parsed<F> {
  const { parsed, wrong } = parseFields(fields, body)
  if (wrong.length > 0)
    throw new KeyringError('ERR_REQUEST_INVALID', `The body is not as expected: ${wrong.join('; ')}.`)
  return parsed
}

function parseFields<F extends Fields>(fields: F, body: unknown): { parsed: Parsed<F>; wrong: readonly string[] } {
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
  return { parsed: parsed as Parsed<F>, wrong }
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
