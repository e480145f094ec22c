/** The ciphertext format `ek1`, specified in docs/formats.md. */
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import { concat, fromBase64url, toBase64url, utf8, viewOfBase64url } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import { KEY_ID } from '../core/limits.ts'
import type { Cipher, CipherKey, KeyMaterial, MessageKey } from '../core/ports.ts'
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
  /** The bytes that its associated data begin with. */
  readonly aad: Bytes
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
  const aad = concat(PREFIX, new Uint8Array([name.length]), name)
  return andThen(cipher.derive(revealMaterial(material), 'ek1/key', KEY_BYTES), (raw) =>
    andThen(cipher.importKey(raw), (cipherKey) => {
      return { id, material, cipherKey, commitment, form: `${FORM}${id}.`, aad, opened: new MessageKeys() }
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
  const head = new Uint8Array(HEAD_BYTES)
  head.set(key.commitment)
  head.set(nonce, COMMITMENT_BYTES)
  return andThen(
    cipher.seal(messageKey, head, plaintext, aad(key, context)),
    (payload) => key.form + toBase64url(payload),
  )
}

/** The last id that was one, and what its values begin with: most values name the same key as the one before. */
let known = { id: '', form: '' }

/** @throws `ERR_CIPHERTEXT_INVALID` for everything that the encoder would not have emitted. */
export function parseEk1(text: string): Ek1Value {
  const last = text.lastIndexOf('.', LAST_DOT)
  const id = idIn(text, last)
  const payload = viewOfBase64url(text.slice(last + 1))
  if (id === null) throw invalid('is not of the form ek1.<id>.<payload>')
  if (payload === null) throw invalid('has a payload that is not unpadded base64url')
  if (payload.length < HEAD_BYTES + TAG_BYTES) throw invalid('is cut short')
  return { id, payload }
}

function idIn(text: string, last: number): string | null {
  if (last === known.form.length - 1 && last > 0 && text.startsWith(known.form)) return known.id
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
  const held = key.opened.find(payload, COMMITMENT_BYTES)
  const used = held ?? cipher.messageKey(key.cipherKey, prefixOf(payload))
  return andThen(used, (messageKey) =>
    andThen(cipher.open(messageKey, payload, HEAD_BYTES, aad(key, context)), (plaintext) => {
      if (plaintext === null)
        throw new KeyringError('ERR_DECRYPT_FAILED', 'The value or its context was altered.', { facts: { id: key.id } })
      if (held === null) key.opened.keep(prefixOf(payload), messageKey)
      return plaintext
    }),
  )
}

/** A copy: what is kept holds no more than it needs. */
const prefixOf = (payload: Bytes): Bytes =>
  new Uint8Array(payload.subarray(COMMITMENT_BYTES, COMMITMENT_BYTES + PREFIX_BYTES))

function isMadeWith({ commitment }: Ek1Key, payload: Bytes): boolean {
  for (let index = 0; index < COMMITMENT_BYTES; index += 1) if (payload[index] !== commitment[index]) return false
  return true
}

const PREFIX = utf8('ek1\0')

/** Written by hand, because on Node a DataView costs as much as all the rest. */
function aad({ aad: own }: Ek1Key, context: Bytes): Bytes {
  const [at, size] = [own.length, context.length]
  const bytes = new Uint8Array(at + 4 + size)
  bytes.set(own)
  for (let index = 0; index < 4; index += 1) bytes[at + index] = size >>> (24 - 8 * index)
  bytes.set(context, at + 4)
  return bytes
}

function invalid(what: string): KeyringError {
  return new KeyringError('ERR_CIPHERTEXT_INVALID', `The value ${what}.`)
}
