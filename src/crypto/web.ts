/** The cipher and the hash of the web platform: XAES-256-GCM by WebCrypto, with keys that cannot be taken out. */
import type { Bytes } from '../core/bytes.ts'
import { concat, toHex, utf8 } from '../core/bytes.ts'
import type { Cipher, CipherKey, Hash, MessageKey } from '../core/ports.ts'
import { HKDF_SALT, kxBlocks, subkeyMask } from './xaes.ts'

const ZERO_IV = new Uint8Array(16)
const { subtle } = crypto

/** WebCrypto has no AES of a single block: AES-CBC under a zero IV gives it, before the block of padding that it adds. */
class WebKey implements CipherKey {
  readonly brand = 'CipherKey'
  readonly #cbc: CryptoKey
  readonly #mask: Bytes

  constructor(cbc: CryptoKey, mask: Bytes) {
    this.#cbc = cbc
    this.#mask = mask
  }

  static async import(raw: Bytes): Promise<WebKey> {
    const cbc = await subtle.importKey('raw', raw, 'AES-CBC', false, ['encrypt'])
    return new WebKey(cbc, subkeyMask(await aesBlock(cbc, ZERO_IV)))
  }

  async messageKey(prefix: Bytes): Promise<WebMessageKey> {
    const blocks = kxBlocks(prefix, this.#mask)
    const halves = [blocks.subarray(0, 16), blocks.subarray(16)].map((block) => aesBlock(this.#cbc, block))
    const raw = concat(...(await Promise.all(halves)))
    return WebMessageKey.import(raw)
  }
}

/** A key of AES-256-GCM. */
export class WebMessageKey implements MessageKey {
  readonly brand = 'MessageKey'
  readonly #key: CryptoKey

  constructor(key: CryptoKey) {
    this.#key = key
  }

  static async import(raw: Bytes): Promise<WebMessageKey> {
    return new WebMessageKey(await subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']))
  }

  /** For a short value each further promise costs a tenth of the whole. */
  seal(head: Bytes, plaintext: Bytes | string, aad: Bytes): Promise<Bytes> {
    const data = typeof plaintext === 'string' ? utf8(plaintext) : plaintext
    return subtle.encrypt(gcm(head, head.length, aad), this.#key, data).then((ciphertext) => {
      const sealed = new Uint8Array(head.length + ciphertext.byteLength)
      sealed.set(head)
      sealed.set(new Uint8Array(ciphertext), head.length)
      return sealed
    })
  }

  open(sealed: Bytes, headBytes: number, aad: Bytes): Promise<Bytes | null> {
    const { buffer, byteOffset } = sealed
    const ciphertext = new Uint8Array(buffer, byteOffset + headBytes, sealed.length - headBytes)
    return subtle.decrypt(gcm(sealed, headBytes, aad), this.#key, ciphertext).then(opened, notOpened)
  }
}

const opened = (plaintext: ArrayBuffer): Bytes => new Uint8Array(plaintext)

function notOpened(error: unknown): null {
  if (error instanceof DOMException && error.name === 'OperationError') return null
  throw error
}

async function aesBlock(cbc: CryptoKey, block: Bytes): Promise<Bytes> {
  return new Uint8Array(await subtle.encrypt({ name: 'AES-CBC', iv: ZERO_IV }, cbc, block), 0, 16)
}

/** GCM's nonce is the last 12 bytes of the head. */
const gcm = (bytes: Bytes, headBytes: number, additionalData: Bytes) => ({
  name: 'AES-GCM',
  iv: bytes.subarray(headBytes - 12, headBytes),
  additionalData,
})

function ours<T>(key: unknown, kind: abstract new (...args: never) => T): T {
  if (!(key instanceof kind)) throw new TypeError('A key of another cipher.')
  return key
}

export const webCipher: Cipher = {
  importKey: (raw) => WebKey.import(raw),
  messageKey: async (key, prefix) => ours(key, WebKey).messageKey(prefix),
  seal: (key, head, plaintext, aad) => ours(key, WebMessageKey).seal(head, plaintext, aad),
  open: (key, sealed, headBytes, aad) => ours(key, WebMessageKey).open(sealed, headBytes, aad),

  derive: (ikm, info, length) => webHkdf(ikm, HKDF_SALT, utf8(info), length),
}

export async function webHkdf(ikm: Bytes, salt: Bytes, info: Bytes, length: number): Promise<Bytes> {
  const key = await subtle.importKey('raw', ikm, 'HKDF', false, ['deriveBits'])
  return new Uint8Array(await subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info }, key, length * 8))
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
