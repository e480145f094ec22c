/** The ciphertext format `ek1`, specified in docs/formats.md. */
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import { concat, copyBytes, fromBase64url, toBase64url, utf8, viewOfBase64url } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import { KEY_ID } from '../core/limits.ts'
import type { Cipher, CipherKey, KeyMaterial, MessageKey } from '../core/ports.ts'
import { AssociatedData } from './associated-data.ts'
import { revealMaterial } from './material.ts'
import { MessageKeys } from './message-keys.ts'
import { KEY_BYTES, NONCE_BYTES, PREFIX_BYTES, TAG_BYTES } from './xaes.ts'

const FORM = 'ek1.'
const MOST_ID = 64
/** Where the second dot is at most: a payload has none, and a long one is not searched. */
const LAST_DOT = FORM.length + MOST_ID
const COMMITMENT_BYTES = 16
/** Where the ciphertext begins in a payload. */
const HEAD_BYTES = COMMITMENT_BYTES + NONCE_BYTES

/** One key, ready for use. */
export interface Ek1Key {
  readonly id: string
  readonly material: KeyMaterial
  readonly cipherKey: CipherKey
  readonly commitment: Bytes
  /** What its values begin with. */
  readonly form: string
  readonly associated: AssociatedData
  /** The message keys that have opened a value. */
  readonly opened: MessageKeys
}

/** A value that is taken apart and not yet believed. */
export interface Ek1Value {
  readonly id: string
  /** Commitment, nonce, ciphertext and tag. */
  readonly payload: Bytes
}

export function ek1Key(cipher: Cipher, id: string, material: KeyMaterial): Awaitable<Ek1Key> {
  const commitment = fromBase64url(material.commitment)
  if (commitment === null) throw new TypeError('A commitment that crypto did not make.')
  const name = utf8(id)
  const associated = new AssociatedData(concat(PREFIX, new Uint8Array([name.length]), name))
  return andThen(cipher.derive(revealMaterial(material), 'ek1/key', KEY_BYTES), (raw) =>
    andThen(cipher.importKey(raw), (cipherKey) => {
      return { id, material, cipherKey, commitment, form: `${FORM}${id}.`, associated, opened: new MessageKeys() }
    }),
  )
}

/** @param nonce drawn for this value alone: `encryptor.ts` has them, and vectors choose theirs. */
export function sealEk1(
  cipher: Cipher,
  key: Ek1Key,
  messageKey: MessageKey,
  nonce: Bytes,
  plaintext: Bytes | string,
  context: Bytes,
): Awaitable<string> {
  const head = headOf(key.commitment, nonce)
  const sealed = cipher.seal(messageKey, head, plaintext, key.associated.of(context))
  return sealed instanceof Promise
    ? sealed.then((payload) => key.form + toBase64url(payload))
    : key.form + toBase64url(sealed)
}

function headOf(commitment: Bytes, nonce: Bytes): Bytes {
  const head = new Uint8Array(HEAD_BYTES)
  copyBytes(COMMITMENT_BYTES, commitment, 0, head)
  copyBytes(NONCE_BYTES, nonce, 0, head, COMMITMENT_BYTES)
  return head
}

/** The last id that was one, and what its values begin with: most values name the same key as the one before. */
let known: { readonly id: string; readonly form: string } | null = null

/** @throws `ERR_CIPHERTEXT_INVALID` for everything that the encoder would not have emitted. */
export function parseEk1(text: string): Ek1Value {
  // A payload has no dot, so that what is one ends the search for the last.
  const own = known !== null && text.startsWith(known.form) ? viewOfBase64url(text.slice(known.form.length)) : null
  return known === null || own === null ? parsed(text) : valueOf(known.id, own)
}

function parsed(text: string): Ek1Value {
  const last = text.lastIndexOf('.', LAST_DOT)
  const id = idIn(text, last)
  const payload = viewOfBase64url(text.slice(last + 1))
  if (id === null) throw invalid('is not of the form ek1.<id>.<payload>')
  if (payload === null) throw invalid('has a payload that is not unpadded base64url')
  return valueOf(id, payload)
}

function valueOf(id: string, payload: Bytes): Ek1Value {
  if (payload.length < HEAD_BYTES + TAG_BYTES) throw invalid('is cut short')
  return { id, payload }
}

function idIn(text: string, last: number): string | null {
  const id = text.slice(FORM.length, last)
  if (!text.startsWith(FORM) || last < FORM.length || !KEY_ID.test(id)) return null
  known = { id, form: `${FORM}${id}.` }
  return id
}

/** @throws `ERR_KEY_MISMATCH` before the cipher runs, `ERR_DECRYPT_FAILED` after it. */
export function decryptEk1(cipher: Cipher, key: Ek1Key, { payload }: Ek1Value, context: Bytes): Awaitable<Bytes> {
  if (!isMadeWith(key, payload)) {
    throw new KeyringError('ERR_KEY_MISMATCH', `The value was not made with the key "${key.id}" of this keyring.`, {
      facts: { id: key.id },
    })
  }
  const associated = key.associated.of(context)
  const held = key.opened.find(payload, COMMITMENT_BYTES)
  if (held !== null) {
    const opened = cipher.open(held, payload, HEAD_BYTES, associated)
    return opened instanceof Promise ? opened.then((plaintext) => authentic(key, plaintext)) : authentic(key, opened)
  }
  return andThen(cipher.messageKey(key.cipherKey, prefixOf(payload)), (messageKey) =>
    andThen(cipher.open(messageKey, payload, HEAD_BYTES, associated), (opened) => {
      const plaintext = authentic(key, opened)
      key.opened.keep(prefixOf(payload), messageKey)
      return plaintext
    }),
  )
}

function authentic({ id }: Ek1Key, plaintext: Bytes | null): Bytes {
  if (plaintext !== null) return plaintext
  throw new KeyringError('ERR_DECRYPT_FAILED', 'The value or its context was altered.', { facts: { id } })
}

/** A copy: what is kept holds no more than it needs. */
const prefixOf = (payload: Bytes): Bytes =>
  new Uint8Array(payload.subarray(COMMITMENT_BYTES, COMMITMENT_BYTES + PREFIX_BYTES))

function isMadeWith({ commitment }: Ek1Key, payload: Bytes): boolean {
  for (let index = 0; index < COMMITMENT_BYTES; index += 1) if (payload[index] !== commitment[index]) return false
  return true
}

const PREFIX = utf8('ek1\0')

function invalid(what: string): KeyringError {
  return new KeyringError('ERR_CIPHERTEXT_INVALID', `The value ${what}.`)
}
