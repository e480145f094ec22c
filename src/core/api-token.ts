/** An API token as the settings give it, and what it may be granted: read by `config`, used by `auth`. */

/** What a caller may do: `action`, or `action:keyring` (`refresh:vault`). `admin` allows everything. */
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
  'refresh',
  'admin',
] as const
export type Action = (typeof ACTIONS)[number]

/** The grant to resolve references begins so; behind it stands a pattern. */
export const RESOLVE = 'resolve:'
/** In a pattern: one segment, and at its end all that follow. */
export const ANY = '*'
export const REST = '**'

export interface ApiToken {
  readonly name: string
  /** 64 lower-case hex digits. */
  readonly sha256: string
  readonly grants: readonly string[]
  /** Milliseconds since 1970; `null` = never. */
  readonly expiresAt: number | null
}
