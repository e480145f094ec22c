/** An API token as the settings give it, and what it may be granted: read by `config`, used by `auth`. */

/** What a caller may do: `action`, or `action:keyring`. `admin` allows everything. */
export const ACTIONS = [
  'read',
  'sync',
  'push',
  'rotate',
  'remove',
  'force',
  'encrypt',
  'decrypt',
  'rewrap',
  'export',
  'diagnose',
  'admin',
] as const
export type Action = (typeof ACTIONS)[number]

export interface ApiToken {
  readonly name: string
  /** 64 lower-case hex digits. */
  readonly sha256: string
  readonly grants: readonly string[]
  /** Milliseconds since 1970; `null` = never. */
  readonly expiresAt: number | null
}
