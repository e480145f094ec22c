/** A wrapping key as the settings give it: read by `config`, used by `crypto`. */
import type { Secret } from './secret.ts'

export interface WrappingKey {
  readonly id: string
  /** `null` = the wrapping key itself, good for everything; else what it was derived for: `keyring/<name>` or `secrets/<prefix>`. */
  readonly purpose: string | null
  /** Canonical base64 of 32 bytes. */
  readonly key: Secret
}
