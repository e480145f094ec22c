/** A record that tells whether it was written whole: 64 KiB that all follow from one number. */
export function recordNumber(number: number): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(String(number).padStart(16, '0').repeat(4096))
}
