/** What Vault, or the way to it, answered: one error that says what to do. Foreign texts are matched, never passed on. */
import type { Facts, KeyringErrorCode } from '../core/errors.ts'
import { KeyringError } from '../core/errors.ts'

/** Where a request went, as far as people may know. */
export interface Target {
  readonly host: string
  /** Without the query. */
  readonly path: string
}

export function vaultError(code: KeyringErrorCode, target: Target, what: string, facts: Facts = {}): KeyringError {
  return new KeyringError(code, `Vault at ${target.host} ${what}.`, { facts: { host: target.host, path: target.path, ...facts } })
}

/** An answer that is no success and no plain 404. `texts` null = the body is not Vault's JSON. */
export function fromStatus(target: Target, status: number, texts: readonly string[] | null, retryAfterSeconds: number | null): KeyringError {
  const has = (part: string) => texts?.some((text) => text.includes(part)) ?? false
  const error = (code: KeyringErrorCode, what: string, facts: Facts = {}) => vaultError(code, target, what, { status, ...facts })
  if (status >= 520 && texts === null) return error('ERR_VAULT_UNREACHABLE', 'cannot be reached by the platform', { step: 'connect' })
  if (texts === null) return error('ERR_VAULT_ANSWER_INVALID', `answered ${status} with a body that is not Vault's`)
  if (status === 403 || has('missing client token')) return error('ERR_VAULT_DENIED', `refused the token for ${target.path}`)
  if (status === 404 && has('no handler for route')) return error('ERR_VAULT_MOUNT_NOT_FOUND', 'has no such mount')
  if (status === 404 && has('namespace not found')) return error('ERR_VAULT_NAMESPACE_NOT_FOUND', 'has no such namespace')
  if (status === 429) return error('ERR_VAULT_RATE_LIMITED', 'limits the rate of requests', retryAfterSeconds === null ? {} : { retryAfterSeconds })
  if (status === 503 && has('Vault is sealed')) return error('ERR_VAULT_SEALED', 'is sealed')
  if (status >= 500 || status === 412) return error('ERR_VAULT_UNAVAILABLE', `answered ${status}`)
  return error('ERR_VAULT_REQUEST_REFUSED', `refused the request for ${target.path} with ${status}`)
}

/** Go's answer to plain http on a TLS port. */
export const isPlaintextToTls = (status: number, text: string): boolean => status === 400 && text.includes('HTTP request to an HTTPS server')

const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
])

/** A fetch that threw: the platform's error code tells the step that failed. */
export function fromThrown(target: Target, thrown: unknown): KeyringError {
  const reason = reasonOf(thrown)
  if (UNTRUSTED.has(reason)) return vaultError('ERR_VAULT_TLS_UNTRUSTED', target, 'has a certificate that is not trusted here', { step: 'tls', reason })
  if (reason === 'ERR_TLS_CERT_ALTNAME_INVALID') return vaultError('ERR_VAULT_TLS_HOST_MISMATCH', target, 'has a certificate for another host', { step: 'tls', reason })
  const step = reason === 'ENOTFOUND' || reason === 'EAI_AGAIN' ? 'dns' : reason.includes('SSL') || reason === 'EPROTO' ? 'tls' : 'connect'
  return vaultError('ERR_VAULT_UNREACHABLE', target, 'cannot be reached', { step, reason })
}

/** The first code among the error, its cause and the errors that it gathers. */
function reasonOf(thrown: unknown, depth = 0): string {
  if (typeof thrown !== 'object' || thrown === null || depth > 4) return 'unknown'
  const { code, cause, errors } = thrown as { code?: unknown; cause?: unknown; errors?: unknown }
  if (typeof code === 'string' && /^[A-Z0-9_]{1,60}$/.test(code)) return code
  const inner = Array.isArray(errors) ? errors[0] : cause
  return reasonOf(inner, depth + 1)
}
