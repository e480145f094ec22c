/** The ciphers that are tested, each with what only vectors ask of it. */
import { NodeMessageKey, nodeCipher, nodeHash, nodeHkdf } from '../../functions/node-shared/cipher.ts'
import type { Cipher, Hash } from '../../src/core/ports.ts'
import { WebMessageKey, webCipher, webHash, webHkdf } from '../../src/crypto/web.ts'
import type { Adapter } from './crypto-vectors.ts'

export const CIPHERS: readonly (Adapter & { hash: Hash })[] = [
  {
    name: 'node:crypto',
    cipher: nodeCipher,
    hash: nodeHash,
    messageKey: (raw) => new NodeMessageKey(raw),
    hkdf: nodeHkdf,
  },
  {
    name: 'WebCrypto',
    cipher: webCipher,
    hash: webHash,
    messageKey: (raw) => WebMessageKey.import(raw),
    hkdf: webHkdf,
  },
]

/** Node's, with a memory: an explorer opens the same few keys a thousand times. */
export function rememberingCipher(): Cipher {
  const [keys, derived] = [new Map<string, ReturnType<Cipher['importKey']>>(), new Map<string, Uint8Array>()]
  return {
    ...nodeCipher,
    importKey(raw) {
      const name = Buffer.from(raw).toString('latin1')
      const key = keys.get(name) ?? nodeCipher.importKey(raw)
      keys.set(name, key)
      return key
    },
    async derive(ikm, info, length) {
      const name = `${length} ${info} ${Buffer.from(ikm).toString('latin1')}`
      const bytes = derived.get(name) ?? (await nodeCipher.derive(ikm, info, length))
      derived.set(name, bytes)
      return new Uint8Array(bytes)
    },
  }
}
