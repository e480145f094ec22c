/** The ciphertext format `ek1`, specified in docs/formats.md. */
import type { Bytes } from '../core/bytes.ts'
import { concat, fromBase64url, toBase64url, u32, utf8 } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import { KEY_ID } from '../core/limits.ts'
import type { Cipher, CipherKey, KeyMaterial } from '../core/ports.ts'
import { revealMaterial } from './material.ts'
import { KEY_BYTES, NONCE_BYTES, TAG_BYTES } from './xaes.ts'

const COMMITMENT_BYTES = 16
const HEAD_BYTES = COMMITMENT_BYTES + NONCE_BYTES

/** One key, ready for use. */
export interface Ek1Key {
  readonly id: string
  readonly material: KeyMaterial
  readonly cipherKey: CipherKey
  readonly commitment: Bytes
  /** The bytes that its associated data begin with. */
  readonly aad: Bytes
}

/** A value that is taken apart and not yet believed. */
export interface Ek1Value {
  readonly id: string
  readonly commitment: Bytes
  readonly nonce: Bytes
  readonly sealed: Bytes
}

export async function ek1Key(cipher: Cipher, id: string, material: KeyMaterial): Promise<Ek1Key> {
  const raw = await cipher.derive(revealMaterial(material), 'ek1/key', KEY_BYTES)
  const commitment = fromBase64url(material.commitment)
  if (commitment === null) throw new TypeError('A commitment that crypto did not make.')
  const name = utf8(id)
  const aad = concat(PREFIX, new Uint8Array([name.length]), name)
  return { id, material, cipherKey: await cipher.importKey(raw), commitment, aad }
}

export function encryptEk1(cipher: Cipher, key: Ek1Key, plaintext: Bytes, context: Bytes): Promise<string> {
  return sealEk1(cipher, key, crypto.getRandomValues(new Uint8Array(NONCE_BYTES)), plaintext, context)
}

/** Vectors need a nonce of their choice; nobody else may give one, since it must never be used twice. */
export async function sealEk1(
  cipher: Cipher,
  key: Ek1Key,
  nonce: Bytes,
  plaintext: Bytes,
  context: Bytes,
): Promise<string> {
  const sealed = await cipher.seal(key.cipherKey, nonce, plaintext, aad(key, context))
  return `ek1.${key.id}.${toBase64url(concat(key.commitment, nonce, sealed))}`
}

/** @throws `ERR_CIPHERTEXT_INVALID` for everything that the encoder would not have emitted. */
export function parseEk1(text: string): Ek1Value {
  const [first, last] = [text.indexOf('.'), text.lastIndexOf('.')]
  const id = text.slice(first + 1, last)
  const payload = fromBase64url(text.slice(last + 1))
  if (!text.startsWith('ek1.') || first === last || !KEY_ID.test(id))
    throw invalid('is not of the form ek1.<id>.<payload>')
  if (payload === null) throw invalid('has a payload that is not unpadded base64url')
  if (payload.length < HEAD_BYTES + TAG_BYTES) throw invalid('is cut short')
  return {
    id,
    commitment: payload.subarray(0, COMMITMENT_BYTES),
    nonce: payload.subarray(COMMITMENT_BYTES, HEAD_BYTES),
    sealed: payload.subarray(HEAD_BYTES),
  }
}

/** @throws `ERR_KEY_MISMATCH` before the cipher runs, `ERR_DECRYPT_FAILED` after it. */
export async function decryptEk1(cipher: Cipher, key: Ek1Key, value: Ek1Value, context: Bytes): Promise<Bytes> {
  if (!key.commitment.every((byte, index) => byte === value.commitment[index])) {
    throw new KeyringError('ERR_KEY_MISMATCH', `The value was not made with the key "${key.id}" of this keyring.`, {
      facts: { id: key.id },
    })
  }
  const plaintext = await cipher.open(key.cipherKey, value.nonce, value.sealed, aad(key, context))
  if (plaintext === null)
    throw new KeyringError('ERR_DECRYPT_FAILED', 'The value or its context was altered.', { facts: { id: key.id } })
  return plaintext
}

const PREFIX = utf8('ek1\0')

const aad = (key: Ek1Key, context: Bytes): Bytes => concat(key.aad, u32(context.length), context)

function invalid(what: string): KeyringError {
  return new KeyringError('ERR_CIPHERTEXT_INVALID', `The value ${what}.`)
}
