/** A wrapping key as the settings give it: read by `config`, used by `crypto`. */
import type { Secret } from './secret.ts'

/** `keyring` null = the wrapping key itself, good for everything; else the key derived from it for that one keyring. */
export interface WrappingKey {
  readonly id: string
  readonly keyring: string | null
  /** Canonical base64 of 32 bytes. */
  readonly key: Secret
}
