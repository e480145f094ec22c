/** Whether the grants of a caller cover an action, or what a reference asks for. */
import type { Action } from '../core/api-token.ts'
import { ANY, RESOLVE, REST } from '../core/api-token.ts'

/** @param keyring `null` = the action concerns none. */
export function isGranted(grants: ReadonlySet<string>, action: Action, keyring: string | null): boolean {
  if (grants.has('admin') || grants.has(action)) return true
  return keyring !== null && (grants.has(`${action}:${keyring}`) || grants.has(`admin:${keyring}`))
}

/** A secret, or a field of one, as the vault is asked for it. */
interface Sought {
  readonly vault: string
  readonly resource: string
  /** `null` = the whole secret. */
  readonly key: string | null
}

/** Whether a caller may resolve what is sought. */
export type MayResolve = (sought: Sought) => boolean

/** `null` = nothing may be resolved. */
export function resolvable(grants: ReadonlySet<string>): MayResolve | null {
  if (grants.has('admin')) return () => true
  const patterns = [...grants].flatMap((grant) => (grant.startsWith(RESOLVE) ? [grant.slice(RESOLVE.length)] : []))
  if (patterns.length === 0) return null
  const read = patterns.map((pattern) => whole(pattern.split('/')))
  return (sought) => {
    const segments = sentSegments(sought)
    return read.some((pattern) => covers(pattern, segments))
  }
}

/** A whole secret ends in an empty segment, so that it differs from a field of the same path. */
const sentSegments = ({ vault, resource, key }: Sought): readonly string[] => [vault, ...resource.split('/'), key ?? '']

/** With one segment behind the vault there can be no field, so that the slash at the end may be left out. */
const whole = (pattern: readonly string[]): readonly string[] =>
  pattern.length === 2 && pattern[1] !== REST ? [...pattern, ''] : pattern

function covers(pattern: readonly string[], segments: readonly string[]): boolean {
  // What leads elsewhere is no name, whatever covers it; of a file the key is a part of the path.
  if (segments.some((segment) => /(?:^|\/)\.{1,2}(?:\/|$)/.test(segment))) return false
  const isOpen = pattern.at(-1) === REST
  const fixed = isOpen ? pattern.slice(0, -1) : pattern
  const fits = isOpen ? segments.length > fixed.length : segments.length === fixed.length
  return fits && fixed.every((part, at) => part === segments[at] || (part === ANY && isName(segments[at])))
}

/** A field's name may have a slash, of which no wildcard for one segment may know nothing. */
const isName = (segment = ''): boolean => segment !== '' && !segment.includes('/')
