/** Whether the grants of a caller cover an action. */
import type { Action } from '../core/api-token.ts'

/** @param keyring `null` = the action concerns none. */
export function isGranted(grants: ReadonlySet<string>, action: Action, keyring: string | null): boolean {
  if (grants.has('admin') || grants.has(action)) return true
  return keyring !== null && (grants.has(`${action}:${keyring}`) || grants.has(`admin:${keyring}`))
}
