/** The deterministic random values of C2SP's accumulated test, and the hash over its ciphertexts. */
import { createHash } from 'node:crypto'
import type { Bytes } from '../../src/core/bytes.ts'

/** https://c2sp.org/XAES-256-GCM, accumulated randomized tests. */
export const ACCUMULATED = {
  iterations: 10_000,
  hash: 'e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939',
} as const
/** The longest that one iteration takes: key, nonce, and twice a length and 255 bytes. */
const MOST_TAKEN = 32 + 24 + 2 * 256

export const randomStream = (iterations: number): Bytes =>
  new Uint8Array(createHash('shake128', { outputLength: iterations * MOST_TAKEN }).digest())

export const accumulatedHash = (sealed: Bytes): string =>
  createHash('shake128', { outputLength: 32 }).update(sealed).digest('hex')
