/** Request bodies: from bytes, by their media type, to a plain value. */
import { parseJson } from '../core/body.ts'
import type { Bytes } from '../core/bytes.ts'
import { decodeUtf8 } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import { MAX_REQUEST_BODY_BYTES } from '../core/limits.ts'
import type { Context } from './call.ts'
import type { Incoming } from './dispatch.ts'

export const RAW_TYPE = 'application/octet-stream'

/** A body of bytes that stand for nothing else. */
export const isRaw = ({ request }: Context): boolean => mediaType(request) === RAW_TYPE

function mediaType({ headers }: Incoming): string {
  const type = headers.get('content-type') ?? ''
  return type === JSON_TYPE ? type : (type.split(';')[0]?.trim().toLowerCase() ?? '')
}

const JSON_TYPE = 'application/json'

/** `{}` when there is no body. @throws `ERR_BODY_TOO_LARGE`, `ERR_MEDIA_TYPE`, `ERR_BODY_MALFORMED`. */
export const readBody = (context: Context): Promise<unknown> => withBody(context, (body) => body)

/** The same, and what is made of it at once: no promise stands between them. */
export const withBody = <T>({ request }: Context, work: (body: unknown) => T | Promise<T>): Promise<T> =>
  withBytes(request, MAX_REQUEST_BODY_BYTES, (bytes) => work(bytes.length === 0 ? {} : parsed(request, textOf(bytes))))

/** The body as it is, of any media type. @throws `ERR_BODY_TOO_LARGE`, `ERR_BODY_MALFORMED`. */
export const bodyText = ({ request }: Context, most: number): Promise<string> => withBytes(request, most, textOf)

/** The bytes of a body of any media type. @throws `ERR_BODY_TOO_LARGE`, `ERR_BODY_MALFORMED`. */
export const withRaw = <T>({ request }: Context, work: (bytes: Bytes) => T | Promise<T>): Promise<T> =>
  withBytes(request, MAX_REQUEST_BODY_BYTES, work)

/** The platform holds a body to its length; only one without is counted as it comes. What is no length is none. */
function withBytes<T>(request: Incoming, most: number, work: (bytes: Bytes) => T | Promise<T>): Promise<T> {
  const length = request.headers.get('content-length') ?? ''
  if (!/^\d{1,15}$/.test(length) || request.headers.has('transfer-encoding'))
    return counted(request, most).then(work, cutOff)
  if (Number(length) > most) return Promise.reject(tooLong(most))
  return request.bytes().then((bytes) => {
    // A length may be said wrongly.
    if (bytes.length > most) throw tooLong(most)
    return work(bytes as Bytes)
  }, cutOff)
}

function textOf(bytes: Bytes): string {
  const text = decodeUtf8(bytes)
  if (text === null) throw malformed(BYTES)
  return text
}

function parsed(request: Incoming, text: string): unknown {
  const type = mediaType(request)
  if (type === JSON_TYPE) return jsonOf(text)
  if (type === 'application/x-www-form-urlencoded') return parseForm(text)
  throw new KeyringError('ERR_MEDIA_TYPE', 'The body has an unknown media type.')
}

/** What is too long is read no further. One buffer grows, because a body may come byte by byte. */
async function counted({ body }: Incoming, most: number): Promise<Bytes> {
  const buffer = new ArrayBuffer(0, { maxByteLength: most })
  const reader = body?.getReader()
  for (;;) {
    const { value } = (await reader?.read()) ?? {}
    if (value === undefined) return new Uint8Array(buffer.slice())
    const start = buffer.byteLength
    if (start + value.length > most) throw tooLong(most)
    buffer.resize(start + value.length)
    new Uint8Array(buffer).set(value, start)
  }
}

const malformed = (sentence: string): KeyringError => new KeyringError('ERR_BODY_MALFORMED', sentence)
const BYTES = 'The body is not UTF-8.'

const tooLong = (limit: number): KeyringError =>
  new KeyringError('ERR_BODY_TOO_LARGE', `The body has more than ${limit} bytes.`, { facts: { field: 'body', limit } })

/** A client that hangs up is no defect. It reads no answer either: this one is for the audit log. */
function cutOff(error: unknown): never {
  if (error instanceof KeyringError) throw error
  throw malformed('The body was cut off.')
}

function jsonOf(text: string): unknown {
  const value = parseJson(text)
  if (value === undefined) throw malformed('The body is not JSON.')
  return value
}

/** The longest form has a few fields. For hundreds of thousands Node's parser takes a minute, in which nobody else is answered. */
const MOST_FIELDS = 64

/**
 * URLSearchParams makes one and the same character of all bytes that are not UTF-8. A lone percent sign stands for itself: beside
 * one, Node's parser takes other characters for bytes.
 */
function parseForm(text: string): Record<string, string> {
  if (text.split('&', MOST_FIELDS + 1).length > MOST_FIELDS) throw malformed('The form has too many fields.')
  const escaped = text.replace(/%(?![\da-f]{2})/gi, '%25')
  try {
    decodeURIComponent(escaped)
  } catch {
    throw malformed(BYTES)
  }
  return fieldsOf(new URLSearchParams(escaped))
}

/** @throws `ERR_BODY_MALFORMED`: of two values neither counts. */
export function fieldsOf(params: URLSearchParams): Record<string, string> {
  const fields = [...params]
  const form = Object.fromEntries(fields)
  if (Object.keys(form).length < fields.length) throw malformed('A field is named twice.')
  return form
}
