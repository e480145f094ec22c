/** From the text of a secret to the value of a reference, by Kong's rules: a key is a field at the top of a JSON object, and a text. */
import { decodeUtf8, fromBase64 } from '../core/bytes.ts'
import { parseJson } from '../core/body.ts'
import { KeyringError, errorFrom } from '../core/errors.ts'
import type { SecretState } from './life.ts'

/** @throws `ERR_SECRET_UNUSABLE`, which quotes nothing of the secret. */
export const valueOf = (text: string, key: string | null, isBase64: boolean): string =>
  fieldsReader(text)(key, isBase64)

/** The same for many references to one secret, which is parsed once. */
export function fieldsReader(text: string): (key: string | null, isBase64: boolean) => string {
  let fields: { readonly of: unknown } | null = null
  return (key, isBase64) => {
    if (key !== null) fields ??= { of: parseJson(text) }
    const value = key === null ? text : fieldOf(fields?.of, key)
    return isBase64 ? decoded(value) : value
  }
}

function fieldOf(fields: unknown, key: string): string {
  if (!(fields instanceof Object) || Array.isArray(fields))
    throw unusable('is no JSON object, and the reference has a key')
  const value = Object.hasOwn(fields, key) ? (fields as Readonly<Record<string, unknown>>)[key] : undefined
  if (value === undefined) throw unusable('has no field of that name')
  if (typeof value !== 'string') throw unusable(`has a field of that name that is no text (${kindOf(value)})`)
  return value
}

function decoded(value: string): string {
  const bytes = fromBase64(value.trim())
  const text = bytes && decodeUtf8(bytes)
  if (text === null) throw unusable('is not base64 of a text, and the vault has base64_decode')
  return text
}

const kindOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value)

const unusable = (what: string): KeyringError => new KeyringError('ERR_SECRET_UNUSABLE', `The secret ${what}.`)

/** Why there is no value. */
export function whyNot({ failing, found }: SecretState): KeyringError {
  if (failing === null) return found?.kind === 'secret' ? ended() : noSecret(found?.kind ?? 'absent')
  return errorFrom(failing.error)
}

/** What the vault said held no longer when it arrived, or is of a clock that is ahead: it is not that there is none. */
const ended = (): KeyringError =>
  new KeyringError('ERR_SNAPSHOT_STALE', 'What the vault has said of this secret does not hold by the clock here.', {
    remedy: 'Ask again; if that does not help, set the clocks of the instances.',
  })

export const noSecret = (kind: 'absent' | 'forbidden'): KeyringError =>
  kind === 'absent'
    ? new KeyringError('ERR_SECRET_NOT_FOUND', 'The vault has no such secret.')
    : new KeyringError('ERR_SECRET_FORBIDDEN', 'The vault does not let its login read this secret.')
