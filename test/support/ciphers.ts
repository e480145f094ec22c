import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import type { Cipher, Hash } from '../../src/core/ports.ts'
import { webCipher, webHash } from '../../src/crypto/web.ts'

export const CIPHERS: readonly { name: string; cipher: Cipher; hash: Hash }[] = [
  { name: 'node:crypto', cipher: nodeCipher, hash: nodeHash },
  { name: 'WebCrypto', cipher: webCipher, hash: webHash },
]
