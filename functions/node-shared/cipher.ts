/** The cipher and the hash of Node: XAES-256-GCM by node:crypto, which answers at once. */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hash as digest,
  hkdfSync,
  timingSafeEqual,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Bytes } from '../../src/core/bytes.ts'
import type { Cipher, CipherKey, Hash } from '../../src/core/ports.ts'
import { HKDF_SALT, TAG_BYTES, kxBlocks, subkeyMask } from '../../src/crypto/xaes.ts'

/** The key is held as a KeyObject, because raw bytes in its place cost five times as much on Node 24. */
class NodeKey implements CipherKey {
  readonly brand = 'CipherKey'
  readonly #key: KeyObject
  readonly #mask: Bytes

  constructor(raw: Bytes) {
    this.#key = createSecretKey(raw)
    this.#mask = subkeyMask(this.#blocks(new Uint8Array(16)))
  }

  messageKey(nonce: Bytes): KeyObject {
    return createSecretKey(this.#blocks(kxBlocks(nonce, this.#mask)))
  }

  #blocks(data: Bytes): Buffer<ArrayBuffer> {
    const ecb = createCipheriv('aes-256-ecb', this.#key, null)
    ecb.setAutoPadding(false)
    return ecb.update(data)
  }
}

function messageKey(key: CipherKey, nonce: Bytes): KeyObject {
  if (!(key instanceof NodeKey)) throw new TypeError('A key of another cipher.')
  return key.messageKey(nonce)
}

/** On Node this cipher has 4 to 6 times WebCrypto's speed. */
export const nodeCipher: Cipher = {
  importKey: (raw) => new NodeKey(raw),

  seal(key, nonce, plaintext, aad) {
    const gcm = createCipheriv('aes-256-gcm', messageKey(key, nonce), nonce.subarray(12))
    gcm.setAAD(aad)
    return Buffer.concat([gcm.update(plaintext), gcm.final(), gcm.getAuthTag()])
  },

  open(key, nonce, ciphertext, aad) {
    if (ciphertext.length < TAG_BYTES) return null
    const split = ciphertext.length - TAG_BYTES
    const gcm = createDecipheriv('aes-256-gcm', messageKey(key, nonce), nonce.subarray(12), {
      authTagLength: TAG_BYTES,
    })
    gcm.setAAD(aad)
    gcm.setAuthTag(ciphertext.subarray(split))
    const plaintext = gcm.update(ciphertext.subarray(0, split))
    try {
      gcm.final()
    } catch {
      return null
    }
    return plaintext
  },

  derive: (ikm, info, length) => new Uint8Array(hkdfSync('sha256', ikm, HKDF_SALT, info, length)),
}

export const nodeHash: Hash = {
  sha256: (text) => digest('sha256', text),
  hmac: (key, data) => createHmac('sha256', key).update(data).digest(),
  equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
}
