/** The size of a record that every store refuses alike, so that a record which fits one platform fits all. */
import { KeyringError } from './errors.ts'
import { MAX_RECORD_BYTES } from './limits.ts'

/** @throws `ERR_RECORD_TOO_LARGE`. */
export function refuseLargeRecord(name: string, bytes: Uint8Array): void {
  if (bytes.length <= MAX_RECORD_BYTES) return
  const facts = { record: name, bytes: bytes.length, limit: MAX_RECORD_BYTES }
  throw new KeyringError(
    'ERR_RECORD_TOO_LARGE',
    `The record "${name}" would have ${bytes.length} bytes; ${MAX_RECORD_BYTES} are allowed.`,
    { facts },
  )
}
