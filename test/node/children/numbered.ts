/** A record that tells whether it was written whole: 64 KiB that all follow from one number. */
import { utf8 } from '../../../src/core/bytes.ts'

export function recordNumber(number: number): Uint8Array<ArrayBuffer> {
  return utf8(String(number).padStart(16, '0').repeat(4096))
}
