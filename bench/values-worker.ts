/** A Worker for the benchmarks alone: batches of 100 values, by ek1, and by WebCrypto alone from text to text with a key that is kept. */
import type { Bytes } from '../src/core/bytes.ts'
import { concat, fromBase64url, toBase64url, utf8 } from '../src/core/bytes.ts'
import { systemClock } from '../src/core/clock.ts'
import { decryptEk1, ek1Key, parseEk1 } from '../src/crypto/ek1.ts'
import { Encryptor } from '../src/crypto/encryptor.ts'
import { materialFromString } from '../src/crypto/material.ts'
import { webCipher, webHash } from '../src/crypto/web.ts'

const BATCH = 100
const CONTEXT = utf8('users.email')

type Work = () => unknown

/** Module state holds no promise, and random bytes may not be drawn at import. */
let works: Readonly<Record<string, Work>> | null = null

async function made(): Promise<Readonly<Record<string, Work>>> {
  const key = await ek1Key(webCipher, 'a', await materialFromString(webCipher, webHash, 'a key of no importance'))
  const encryptor = new Encryptor(webCipher, systemClock)
  const bare = await crypto.subtle.importKey('raw', new Uint8Array(32), 'AES-GCM', false, ['encrypt', 'decrypt'])
  const plaintext = utf8('x'.repeat(32))
  const value = await encryptor.encrypt(key, plaintext, CONTEXT)
  const how = (iv: Bytes) => ({ name: 'AES-GCM', iv, additionalData: CONTEXT })
  const bareEncrypt = async (): Promise<string> => {
    const nonce = crypto.getRandomValues(new Uint8Array(12))
    return toBase64url(concat(nonce, new Uint8Array(await crypto.subtle.encrypt(how(nonce), bare, plaintext))))
  }
  const sealed = await bareEncrypt()
  const bareDecrypt = async (): Promise<Uint8Array> => {
    const bytes = fromBase64url(sealed) ?? new Uint8Array()
    return new Uint8Array(await crypto.subtle.decrypt(how(bytes.subarray(0, 12)), bare, bytes.subarray(12)))
  }
  return {
    encrypt: () => encryptor.encrypt(key, plaintext, CONTEXT),
    'bare encrypt': bareEncrypt,
    decrypt: () => decryptEk1(webCipher, key, parseEk1(value), CONTEXT),
    'bare decrypt': bareDecrypt,
  }
}

async function answer(request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url)
  works ??= await made()
  const work = works[searchParams.get('work') ?? '']
  if (work === undefined) return new Response(null, { status: 404 })
  // One alone first, as a batch does, so that a key is derived once.
  await work()
  for (let batch = 0; batch < Number(searchParams.get('batches')); batch += 1)
    await Promise.all(Array.from({ length: BATCH }, work))
  return new Response('done')
}

export default { fetch: answer }
