/** Where a login goes, and in which role: two things that most methods share. */
import { splitPath } from '../wire/path.ts'

export const loginPath = (mount: string, ...more: readonly string[]): string[] => [
  'auth',
  ...splitPath(mount),
  'login',
  ...more,
]

/** '' = Vault's default role, for which the field must be missing. */
export const inRole = (role: string): { role?: string } => (role === '' ? {} : { role })
