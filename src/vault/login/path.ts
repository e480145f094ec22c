/** Where a login goes, and in which role. */
import { splitPath } from '../wire/path.ts'

export const loginPath = (mount: string, ...more: readonly string[]): string[] => [
  'auth',
  ...splitPath(mount),
  'login',
  ...more,
]

/** '' = Vault's default, which a missing field means. */
export const inRole = (role: string): { role?: string } => (role === '' ? {} : { role })
