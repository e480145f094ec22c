/** Vectors of others through one cipher, in any runtime. Each function answers with what is not as it should be. */
import type { Awaitable } from '../../src/core/awaitable.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { concat, fromHex, toHex, utf8 } from '../../src/core/bytes.ts'
import type { Cipher, CipherKey, MessageKey } from '../../src/core/ports.ts'
import aes from '../vectors/wycheproof-aes-256-gcm.json' with { type: 'json' }
import hkdf from '../vectors/wycheproof-hkdf-sha256.json' with { type: 'json' }
import xaes from '../vectors/xaes-256-gcm.json' with { type: 'json' }

export interface Adapter {
  readonly name: string
  readonly cipher: Cipher
  messageKey(raw: Bytes): Awaitable<MessageKey>
  hkdf(ikm: Bytes, salt: Bytes, info: Bytes, length: number): Awaitable<Bytes>
}

/** Ciphertext and tag under a nonce of the caller's choice. */
export async function sealXaesWith(
  cipher: Cipher,
  key: CipherKey,
  nonce: Bytes,
  plaintext: Bytes | string,
  aad: Bytes,
): Promise<Bytes> {
  const messageKey = await cipher.messageKey(key, nonce.subarray(0, 12))
  return new Uint8Array(await cipher.seal(messageKey, nonce, plaintext, aad)).slice(nonce.length)
}

export async function openXaesWith(
  cipher: Cipher,
  key: CipherKey,
  nonce: Bytes,
  sealed: Bytes,
  aad: Bytes,
): Promise<Bytes | null> {
  const messageKey = await cipher.messageKey(key, nonce.subarray(0, 12))
  return cipher.open(messageKey, concat(nonce, sealed), nonce.length, aad)
}

export async function xaesFailures({ cipher }: Adapter): Promise<string[]> {
  const failures: string[] = []
  for (const { key, nonce, plaintext, aad, ciphertext } of xaes.vectors) {
    const cipherKey = await cipher.importKey(fromHex(key))
    for (const given of [plaintext, utf8(plaintext)])
      if (toHex(await sealXaesWith(cipher, cipherKey, utf8(nonce), given, utf8(aad))) !== ciphertext)
        failures.push(`seals ${ciphertext} otherwise`)
    const opened = await openXaesWith(cipher, cipherKey, utf8(nonce), fromHex(ciphertext), utf8(aad))
    if (opened === null || toHex(opened) !== toHex(utf8(plaintext))) failures.push(`does not open ${ciphertext}`)
  }
  return failures
}

/** What is invalid there has an altered tag. */
export async function aesFailures(adapter: Adapter): Promise<string[]> {
  const failures: string[] = []
  for (const { tcId, result, ...vector } of aes.vectors) {
    const [key, iv, aad, msg] = [vector.key, vector.iv, vector.aad, vector.msg].map(fromHex) as [
      Bytes,
      Bytes,
      Bytes,
      Bytes,
    ]
    const { cipher } = adapter
    const [made, sealed] = [await adapter.messageKey(key), vector.iv + vector.ct + vector.tag]
    const isSealed = toHex(await cipher.seal(made, iv, msg, aad)) === sealed
    const opened = await cipher.open(made, fromHex(sealed), iv.length, aad)
    const isOpened = opened !== null && toHex(opened) === vector.msg
    const wanted = result === 'valid'
    if (isSealed !== wanted || isOpened !== wanted || (opened === null) === wanted) failures.push(`${tcId}: ${result}`)
  }
  return failures
}

/** What is invalid there asks for more than HKDF gives. */
export async function hkdfFailures(adapter: Adapter): Promise<string[]> {
  const failures: string[] = []
  for (const { tcId, ikm, salt, info, size, okm, result } of hkdf.vectors) {
    const derived = await derivedOrNull(adapter, [ikm, salt, info].map(fromHex) as [Bytes, Bytes, Bytes], size)
    if (result === 'valid' ? derived !== okm : derived !== null) failures.push(`${tcId}: ${result}`)
  }
  return failures
}

async function derivedOrNull(adapter: Adapter, given: [Bytes, Bytes, Bytes], size: number): Promise<string | null> {
  try {
    return toHex(await adapter.hkdf(...given, size))
  } catch {
    return null
  }
}

/** C2SP's accumulated test: each iteration takes key, nonce, plaintext and associated data from the stream. All ciphertexts, joined. */
export async function accumulated({ cipher }: Adapter, stream: Bytes, iterations: number): Promise<Bytes> {
  let at = 0
  const take = (length: number): Bytes => stream.slice(at, (at += length))
  const sealed: Bytes[] = []
  for (let iteration = 0; iteration < iterations; iteration += 1) {
    const [key, nonce] = [await cipher.importKey(take(32)), take(24)]
    const plaintext = take(take(1)[0] ?? 0)
    const aad = take(take(1)[0] ?? 0)
    const one = await sealXaesWith(cipher, key, nonce, plaintext, aad)
    const opened = await openXaesWith(cipher, key, nonce, one, aad)
    if (opened === null || toHex(opened) !== toHex(plaintext)) throw new Error(`Iteration ${iteration} does not open.`)
    sealed.push(one)
  }
  return concat(...sealed)
}
