/**
 * The grammar of references to secrets, which is Kong's to the letter: `{vault://<vault>/<resource>/<key>?<option>=<value>#<version>}`.
 * A reference is read in Kong's order, for which LuaSocket stands: fragment, scheme, authority, query, parameters, path.
 */
import { decodeUtf8, utf8 } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import { REFERENCE as START } from '../core/reference.ts'

export interface Reference {
  /** The name of the vault: a type of vault, or the prefix of one that is configured. */
  readonly vault: string
  readonly resource: string
  /** The field of a secret in JSON. `null` = the whole secret. */
  readonly key: string | null
  /** From 1 on. `null` = the current one. */
  readonly version: number | null
  /** In their order; what stands without `=` is `true`. */
  readonly options: ReadonlyMap<string, readonly (string | true)[]>
}

interface WrongPlace {
  /** Of the character, from 1 on. */
  readonly at: number
  /** What is wrong there, as the rest of a sentence. It quotes nothing. */
  readonly message: string
}

export type ParsedReference =
  | { readonly ok: true; readonly reference: Reference }
  | { readonly ok: false; readonly error: WrongPlace }

/** Kong takes no other name, neither for a type nor as a prefix. */
const VAULT = /^[a-z][a-z\d-]*[a-z\d]$/

export function parseReference(text: string): ParsedReference {
  if (!text.startsWith(START)) return wrong(0, 'must begin with {vault://, with nothing before it')
  if (!text.endsWith('}')) return wrong(text.length - 1, 'must end with }, with nothing behind it')
  const lone = /\p{Cs}/u.exec(text)
  if (lone !== null) return wrong(lone.index, 'has half a character')
  const end = text.length - 1
  const hash = before(text, '#', START.length, end)
  const version = hash === end ? null : text.slice(hash + 1, end)
  if (version !== null && !/^[1-9]\d{0,8}$/.test(version))
    return wrong(hash, 'has an invalid version: a whole number from 1 on')
  return parseUrl(text, hash, version === null ? null : Number(version))
}

/** @throws `ERR_REFERENCE_INVALID`. */
export function readReference(text: string): Reference {
  const parsed = parseReference(text)
  if (parsed.ok) return parsed.reference
  const { at, message } = parsed.error
  throw new KeyringError('ERR_REFERENCE_INVALID', `The reference ${message} (character ${at}).`, { facts: { at } })
}

/** @param end of what comes before the fragment. */
function parseUrl(text: string, end: number, version: number | null): ParsedReference {
  const slash = before(text, '/', START.length, end)
  if (slash === end) return wrong(slash, 'has a missing path')
  const vault = hostOf(text.slice(START.length, slash))
  if (!VAULT.test(vault)) return wrong(START.length, 'names no vault: lower case, digits and dashes')
  const question = before(text, '?', slash, end)
  const path = text.slice(slash, before(text, ';', slash, question))
  if (!/[^/]/.test(path)) return wrong(slash, path === '/' ? 'has an empty path' : 'has an invalid path')
  const segments = segmentsOf(path)
  if (segments === null) return wrong(slash, 'has a path that is not UTF-8')
  const key = segments.length === 1 || path.endsWith('/') ? null : (segments.at(-1) ?? null)
  const resource = (key === null ? segments : segments.slice(0, -1)).join('/')
  return { ok: true, reference: { vault, resource, key, version, options: optionsOf(text.slice(question + 1, end)) } }
}

/** `null` = one is not UTF-8. */
function segmentsOf(path: string): readonly string[] | null {
  const written = path.split('/').filter((segment) => segment !== '')
  const read = written.map((segment) => decodeUtf8(decode(decode(utf8(segment), false), true)))
  const segments = read.filter((segment) => segment !== null)
  return segments.length === read.length ? segments : null
}

/** The same reference again, in one spelling of many. */
export function printReference({ vault, resource, key, version, options }: Reference): string {
  const path = key === null ? `${pathOf(resource)}/` : `${pathOf(resource)}/${encode(key)}`
  const pairs = [...options].flatMap(([name, values]) => values.map((value) => pairOf(name, value)))
  const query = pairs.length === 0 ? '' : `?${pairs.join('&')}`
  return `${START}${vault}/${path}${query}${version === null ? '' : `#${version}`}}`
}

const wrong = (index: number, message: string): ParsedReference => ({ ok: false, error: { at: index + 1, message } })

/** Where the character stands from `from` on; `end` where it does not. */
function before(text: string, character: string, from: number, end: number): number {
  const index = text.indexOf(character, from)
  return index === -1 || index > end ? end : index
}

/** User and port do not count. */
const hostOf = (authority: string): string => authority.slice(authority.indexOf('@') + 1).replace(/:[^:\]]*$/, '')

const PERCENT = 0x25
const PLUS = 0x2b
const SPACE = 0x20

/** What is no escape stays as it is. */
function decode(bytes: Uint8Array, isForm: boolean): Uint8Array {
  const out = new Uint8Array(bytes.length)
  let length = 0
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] ?? 0
    const escaped = byte === PERCENT ? hexOf(bytes[index + 1], bytes[index + 2]) : null
    out[length++] = escaped ?? (isForm && byte === PLUS ? SPACE : byte)
    if (escaped !== null) index += 2
  }
  return out.subarray(0, length)
}

function hexOf(...digits: readonly (number | undefined)[]): number | null {
  const text = String.fromCharCode(...digits.map((digit) => digit ?? 0))
  return /^[\da-f]{2}$/i.test(text) ? Number.parseInt(text, 16) : null
}

function optionsOf(query: string): Reference['options'] {
  const options = new Map<string, (string | true)[]>()
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=')
    const name = unescaped(equals === -1 ? pair : pair.slice(0, equals))
    const values = options.get(name) ?? []
    values.push(equals === -1 ? true : unescaped(pair.slice(equals + 1)))
    if (name !== '') options.set(name, values)
  }
  return options
}

/** Bytes that are no text count as they were written. */
const unescaped = (text: string): string => decodeUtf8(decode(utf8(text), true)) ?? text

const pairOf = (name: string, value: string | true): string =>
  value === true ? encodeURIComponent(name) : `${encodeURIComponent(name)}=${encodeURIComponent(value)}`

/** A path is decoded twice, and the second time a plus is a space. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/%2[5B]/g, (escape) => `%25${escape.slice(1)}`)

/** A slash that would make an empty segment is escaped with all others. */
const pathOf = (resource: string): string =>
  resource.split('/').includes('') ? encode(resource) : resource.split('/').map(encode).join('/')
