import { nodeCipher, nodeHash } from '../../functions/nodejs/cipher.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import type { Cipher, Hash } from '../../src/core/ports.ts'
import { webCipher, webHash } from '../../src/crypto/web.ts'

export const CIPHERS: readonly { name: string; cipher: Cipher; hash: Hash }[] = [
  { name: 'node:crypto', cipher: nodeCipher, hash: nodeHash },
  { name: 'WebCrypto', cipher: webCipher, hash: webHash },
]

export const fromHex = (hex: string): Bytes =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
