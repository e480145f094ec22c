/** The one place where a path to Vault is made, always from decoded segments: so no name can lead to another path than its own. */
import { KeyringError } from '../../core/errors.ts'

/** Mount and path may have several segments: `kv/team`. */
export const splitPath = (path: string): string[] => path.split('/')

/** @throws `ERR_VAULT_PATH_INVALID`, which never quotes what was refused. */
export function vaultUrl(
  address: string,
  segments: readonly string[],
  query: Readonly<Record<string, string | number>> = {},
): URL {
  for (const segment of segments) refuseSegment(segment)
  const path = `/v1/${segments.map((segment) => encodeURIComponent(segment)).join('/')}`
  const url = new URL(address + path)
  if (url.href !== address + path) throw invalid('does not come out as it went in')
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value))
  return url
}

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

function refuseSegment(segment: string): void {
  if (segment === '') throw invalid('has an empty segment')
  if (segment === '.' || segment === '..') throw invalid('has a "." or ".." segment')
  if (/[\\/]/.test(segment)) throw invalid('has a slash or a backslash in a segment')
  if (CONTROL.test(segment)) throw invalid('has a control character')
  if (!segment.isWellFormed()) throw invalid('is not well-formed text')
}

function invalid(what: string): KeyringError {
  return new KeyringError('ERR_VAULT_PATH_INVALID', `A path to Vault ${what}.`)
}
