/** What a caller may do: a grant is an `action`, or `action:keyring`, and `admin` allows everything. */

export type Action =
  | 'read'
  | 'sync'
  | 'push'
  | 'rotate'
  | 'remove'
  | 'force'
  | 'encrypt'
  | 'decrypt'
  | 'rewrap'
  | 'export'
  | 'diagnose'
  | 'admin'

/** @param keyring `null` = the action concerns none. */
export function isGranted(grants: ReadonlySet<string>, action: Action, keyring: string | null): boolean {
  if (grants.has('admin') || grants.has(action)) return true
  return keyring !== null && (grants.has(`${action}:${keyring}`) || grants.has(`admin:${keyring}`))
}
