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
  return new KeyringError(code, `Vault at ${target.host} ${what}.`, {
    facts: { host: target.host, path: target.path, ...facts },
  })
}

interface Answer {
  readonly status: number
  /** `errors[]`; `null` = the body is not Vault's JSON. */
  readonly texts: readonly string[] | null
}

const has = ({ texts }: Answer, part: string): boolean => texts?.some((text) => text.includes(part)) ?? false

/** The first that fits. Texts differ between servers and releases: parts of them are looked for, never equality. */
const KNOWN: readonly {
  readonly code: KeyringErrorCode
  readonly what: string
  readonly fits: (answer: Answer) => boolean
}[] = [
  {
    code: 'ERR_VAULT_UNREACHABLE',
    what: 'cannot be reached by the platform',
    fits: ({ status, texts }) => status >= 520 && texts === null,
  },
  {
    code: 'ERR_VAULT_ANSWER_INVALID',
    what: 'answered with a body that is not of its API',
    fits: ({ texts }) => texts === null,
  },
  {
    code: 'ERR_VAULT_DENIED',
    what: 'refused the token',
    fits: (answer) => answer.status === 403 || has(answer, 'missing client token'),
  },
  {
    code: 'ERR_VAULT_MOUNT_NOT_FOUND',
    what: 'has no such mount',
    fits: (answer) => has(answer, 'no handler for route'),
  },
  {
    code: 'ERR_VAULT_NAMESPACE_NOT_FOUND',
    what: 'has no such namespace',
    fits: (answer) => has(answer, 'namespace not found'),
  },
  { code: 'ERR_VAULT_RATE_LIMITED', what: 'limits the rate of requests', fits: ({ status }) => status === 429 },
  { code: 'ERR_VAULT_SEALED', what: 'is sealed', fits: (answer) => has(answer, 'Vault is sealed') },
  { code: 'ERR_VAULT_UNAVAILABLE', what: 'cannot answer now', fits: ({ status }) => status >= 500 || status === 412 },
  { code: 'ERR_VAULT_REQUEST_REFUSED', what: 'refused the request', fits: () => true },
]

/** An answer that is no success and no plain 404. */
export function fromStatus(target: Target, answer: Answer, retryAfterSeconds: number | null): KeyringError {
  const { code, what } = KNOWN.find(({ fits }) => fits(answer)) ?? {
    code: 'ERR_VAULT_REQUEST_REFUSED',
    what: 'refused the request',
  }
  return vaultError(code, target, what, {
    vaultStatus: answer.status,
    ...(retryAfterSeconds !== null && { retryAfterSeconds }),
  })
}

/** Go's answer to plain http on a TLS port. */
export const isPlaintextToTls = (status: number, text: string): boolean =>
  status === 400 && text.includes('HTTP request to an HTTPS server')

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
  if (UNTRUSTED.has(reason))
    return vaultError('ERR_VAULT_TLS_UNTRUSTED', target, 'has a certificate that is not trusted here', {
      step: 'tls',
      reason,
    })
  if (reason === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return vaultError('ERR_VAULT_TLS_HOST_MISMATCH', target, 'has a certificate for another host', {
      step: 'tls',
      reason,
    })
  const step =
    reason === 'ENOTFOUND' || reason === 'EAI_AGAIN'
      ? 'dns'
      : reason.includes('SSL') || reason === 'EPROTO'
        ? 'tls'
        : 'connect'
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
