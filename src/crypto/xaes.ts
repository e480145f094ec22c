/** XAES-256-GCM as in https://c2sp.org/XAES-256-GCM: the part that every cipher computes alike around its AES. */
import type { Bytes } from '../core/bytes.ts'
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import { utf8 } from '../core/bytes.ts'
import type { Cipher, CipherKey } from '../core/ports.ts'

export const KEY_BYTES = 32
export const NONCE_BYTES = 24
/** The message key follows from so many bytes of the nonce, and the others are GCM's. */
export const PREFIX_BYTES = 12
export const TAG_BYTES = 16
export const HKDF_SALT = utf8('edge-keyring/v1')

/** K1 of the specification is AES of the zero block, doubled in GF(2^128) as in CMAC. */
export function subkeyMask(zeroBlock: Uint8Array): Bytes {
  const mask = new Uint8Array(16)
  let carry = 0
  for (let index = 15; index >= 0; index -= 1) {
    const byte = zeroBlock[index] ?? 0
    mask[index] = (byte << 1) | carry
    carry = byte >> 7
  }
  mask[15] = (mask[15] ?? 0) ^ (carry * 0x87)
  return mask
}

/** The two blocks whose AES is the message key: counter ‖ 'X' ‖ 0 ‖ nonce[0:12], masked with K1. */
export function kxBlocks(prefix: Bytes, mask: Bytes): Bytes {
  if (prefix.length !== PREFIX_BYTES) throw new TypeError('The message key of XAES-256-GCM comes from 12 bytes.')
  const blocks = new Uint8Array(32)
  for (const [start, counter] of [
    [0, 1],
    [16, 2],
  ] as const) {
    blocks.set([0, counter, 0x58, 0], start)
    blocks.set(prefix, start + 4)
    for (let index = 0; index < 16; index += 1)
      blocks[start + index] = (blocks[start + index] ?? 0) ^ (mask[index] ?? 0)
  }
  return blocks
}

/** Nonce, ciphertext and tag, under a nonce that was drawn for this alone. */
export function sealXaes(cipher: Cipher, key: CipherKey, plaintext: Bytes, aad: Bytes): Awaitable<Bytes> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
  return andThen(cipher.messageKey(key, nonce.subarray(0, PREFIX_BYTES)), (messageKey) =>
    cipher.seal(messageKey, nonce, plaintext, aad),
  )
}

/** `null` = not authentic. */
export function openXaes(cipher: Cipher, key: CipherKey, sealed: Bytes, aad: Bytes): Awaitable<Bytes | null> {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return null
  return andThen(cipher.messageKey(key, sealed.subarray(0, PREFIX_BYTES)), (messageKey) =>
    cipher.open(messageKey, sealed, NONCE_BYTES, aad),
  )
}
