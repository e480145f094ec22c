/** How Node draws nonces, and where its fresh bytes come from. */
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import type { Bytes } from '../../src/core/bytes.ts'
import type { NonceRules } from '../../src/core/ports.ts'

export const nodeNonces: NonceRules = { ahead: 16, unlinkable: false, invocation: () => 0, fresh: osBytes }

/** OpenSSL's own generator is a part of the process, and copied with it. Windows has no such file. */
function osBytes(length: number): Bytes {
  if (process.platform === 'win32') return randomBytes(length)
  const [bytes, file] = [new Uint8Array(length), openSync('/dev/urandom', 'r')]
  try {
    if (readSync(file, bytes) === length) return bytes
  } finally {
    closeSync(file)
  }
  throw new TypeError('The operating system gave fewer random bytes than it was asked for.')
}
