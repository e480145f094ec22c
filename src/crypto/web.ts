/** The cipher and the hash of the web platform: XAES-256-GCM by WebCrypto, with keys that cannot be taken out. */
import type { Bytes } from '../core/bytes.ts'
import { concat, toHex, utf8 } from '../core/bytes.ts'
import type { Cipher, CipherKey, Hash } from '../core/ports.ts'
import { HKDF_SALT, kxBlocks, subkeyMask } from './xaes.ts'

const ZERO_IV = new Uint8Array(16)
const { subtle } = crypto

/** WebCrypto has no AES of a single block: AES-CBC under a zero IV gives it, before the block of padding that it adds. */
class WebKey implements CipherKey {
  readonly brand = 'CipherKey'
  readonly #cbc: CryptoKey
  readonly #mask: Bytes

  private constructor(cbc: CryptoKey, mask: Bytes) {
    this.#cbc = cbc
    this.#mask = mask
  }

  static async import(raw: Bytes): Promise<WebKey> {
    const cbc = await subtle.importKey('raw', raw, 'AES-CBC', false, ['encrypt'])
    return new WebKey(cbc, subkeyMask(await aesBlock(cbc, ZERO_IV)))
  }

  async messageKey(nonce: Bytes, usage: 'encrypt' | 'decrypt'): Promise<CryptoKey> {
    const blocks = kxBlocks(nonce, this.#mask)
    const halves = [blocks.subarray(0, 16), blocks.subarray(16)].map((block) => aesBlock(this.#cbc, block))
    return subtle.importKey('raw', concat(...(await Promise.all(halves))), 'AES-GCM', false, [usage])
  }
}

async function aesBlock(cbc: CryptoKey, block: Bytes): Promise<Bytes> {
  return new Uint8Array(await subtle.encrypt({ name: 'AES-CBC', iv: ZERO_IV }, cbc, block), 0, 16)
}

function messageKey(key: CipherKey, nonce: Bytes, usage: 'encrypt' | 'decrypt'): Promise<CryptoKey> {
  if (!(key instanceof WebKey)) throw new TypeError('A key of another cipher.')
  return key.messageKey(nonce, usage)
}

const gcm = (nonce: Bytes, additionalData: Bytes) => ({
  name: 'AES-GCM',
  iv: nonce.subarray(12),
  additionalData,
})

export const webCipher: Cipher = {
  importKey: (raw) => WebKey.import(raw),

  async seal(key, nonce, plaintext, aad) {
    return new Uint8Array(await subtle.encrypt(gcm(nonce, aad), await messageKey(key, nonce, 'encrypt'), plaintext))
  },

  async open(key, nonce, ciphertext, aad) {
    const opened = await messageKey(key, nonce, 'decrypt')
    try {
      return new Uint8Array(await subtle.decrypt(gcm(nonce, aad), opened, ciphertext))
    } catch {
      return null
    }
  },

  async derive(ikm, info, length) {
    const key = await subtle.importKey('raw', ikm, 'HKDF', false, ['deriveBits'])
    return new Uint8Array(
      await subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: HKDF_SALT, info: utf8(info) }, key, length * 8),
    )
  },
}

const HMAC = { name: 'HMAC', hash: 'SHA-256' }

export const webHash: Hash = {
  sha256: async (text) => toHex(new Uint8Array(await subtle.digest('SHA-256', utf8(text)))),

  async hmac(key, data) {
    return new Uint8Array(await subtle.sign(HMAC, await subtle.importKey('raw', key, HMAC, false, ['sign']), data))
  },

  /** The web platform compares in constant time only when it verifies, so both sides go through one HMAC. */
  async equal(a, b) {
    const random = crypto.getRandomValues(new Uint8Array(32))
    const key = await subtle.importKey('raw', random, HMAC, false, ['sign', 'verify'])
    return subtle.verify(HMAC, key, await subtle.sign(HMAC, key, a), b)
  },
}
