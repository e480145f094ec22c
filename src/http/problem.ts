/** One error, one document: RFC 9457, with `message` beside it on Kong's paths. */
import type { KeyringError, KeyringErrorCode } from '../core/errors.ts'
import type { Reply } from './reply.ts'

type ReplyHeaders = Readonly<Record<string, string>>

/** The status of each code; a new code does not compile without one. */
export const STATUS = {
  ERR_CONFIG_INVALID: 503,
  ERR_UNAUTHENTICATED: 401,
  ERR_FORBIDDEN: 403,
  ERR_ROUTE_NOT_FOUND: 404,
  ERR_METHOD_NOT_ALLOWED: 405,
  ERR_MEDIA_TYPE: 415,
  ERR_BODY_TOO_LARGE: 413,
  ERR_BODY_MALFORMED: 400,
  ERR_REQUEST_INVALID: 400,
  ERR_INTERNAL: 500,
  ERR_KEYRING_NOT_FOUND: 404,
  ERR_KEY_NOT_FOUND: 404,
  ERR_KEY_UNVERIFIED: 503,
  ERR_KEY_MISMATCH: 422,
  ERR_KEY_ACTIVE: 409,
  ERR_KEY_IN_USE: 409,
  ERR_NO_ACTIVE_KEY: 409,
  ERR_CIPHERTEXT_INVALID: 400,
  ERR_DECRYPT_FAILED: 422,
  ERR_TEXT_INVALID: 422,
  ERR_ACTIVE_UNUSABLE: 409,
  ERR_SOURCE_CHANGED: 409,
  ERR_SOURCE_RECREATED: 409,
  ERR_SOURCE_NOT_FOUND: 404,
  ERR_SYNC_CONTENDED: 503,
  ERR_RECORD_INVALID: 500,
  ERR_RECORD_ROLLED_BACK: 500,
  ERR_RECORD_OUTDATED: 503,
  ERR_REPLICA_INVALID: 503,
  ERR_RECORD_TOO_LARGE: 507,
  ERR_WRAPPING_KEY_MISSING: 500,
  ERR_WRAPPING_KEY_WRONG: 500,
  ERR_STORE_UNAVAILABLE: 503,
  ERR_AUTHORITY_UNAVAILABLE: 503,
  ERR_AUDIT_UNAVAILABLE: 503,
  ERR_VAULT_UNREACHABLE: 502,
  ERR_VAULT_TIMEOUT: 504,
  ERR_VAULT_TLS_UNTRUSTED: 502,
  ERR_VAULT_TLS_HOST_MISMATCH: 502,
  ERR_VAULT_TLS_EXPIRED: 502,
  ERR_VAULT_TLS_CLIENT_CERT: 502,
  ERR_VAULT_TLS_TO_PLAINTEXT: 502,
  ERR_VAULT_TLS_FAILED: 502,
  ERR_VAULT_PLAINTEXT_TO_TLS: 502,
  ERR_VAULT_REDIRECTED: 502,
  ERR_VAULT_SEALED: 503,
  ERR_VAULT_NOT_INITIALIZED: 503,
  ERR_VAULT_STANDBY: 503,
  ERR_VAULT_UNAVAILABLE: 502,
  ERR_VAULT_RATE_LIMITED: 503,
  ERR_VAULT_DENIED: 502,
  ERR_VAULT_LOGIN_REFUSED: 502,
  ERR_VAULT_LOGIN_DENIED: 502,
  ERR_VAULT_LOGIN_FAILED: 502,
  ERR_VAULT_LOGIN_ROOT_POLICY: 502,
  ERR_VAULT_LOGIN_ADDRESS_REFUSED: 502,
  ERR_VAULT_LOGIN_CERTIFICATE_REFUSED: 502,
  ERR_VAULT_LOGIN_ROLE_UNKNOWN: 502,
  ERR_VAULT_LOGIN_CLAIMS_REFUSED: 502,
  ERR_VAULT_LOGIN_MFA: 502,
  ERR_VAULT_NAMESPACE_IGNORED: 502,
  ERR_VAULT_MOUNT_NOT_FOUND: 502,
  ERR_VAULT_NAMESPACE_NOT_FOUND: 502,
  ERR_VAULT_KV_VERSION: 502,
  ERR_VAULT_KV_LAYOUT: 502,
  ERR_VAULT_REQUEST_REFUSED: 502,
  ERR_VAULT_ANSWER_INVALID: 502,
  ERR_VAULT_PATH_INVALID: 500,
  ERR_CREDENTIAL_MALFORMED: 400,
  ERR_LEASE_HELD: 503,
  ERR_LOGIN_CREDENTIAL_UNREADABLE: 503,
  ERR_LOGIN_CREDENTIAL_MALFORMED: 503,
  ERR_WRAP_TOKEN_SPENT: 502,
  ERR_WRAP_PATH_MISMATCH: 502,
  ERR_WRAP_RESULT_LOST: 502,
  ERR_OAUTH2_UNAVAILABLE: 502,
  ERR_OAUTH2_CLIENT_REFUSED: 502,
  ERR_OAUTH2_TARGET_REFUSED: 502,
  ERR_OAUTH2_REQUEST_REFUSED: 502,
  ERR_OAUTH2_ANSWER_INVALID: 502,
  ERR_OAUTH2_ISSUER_MISMATCH: 502,
  ERR_OAUTH2_TOKEN_OPAQUE: 502,
  ERR_IDENTITY_TOKEN_UNAVAILABLE: 502,
  ERR_AWS_CREDENTIALS_UNAVAILABLE: 502,
  ERR_AWS_UNAVAILABLE: 502,
  ERR_AWS_ROLE_REFUSED: 502,
} as const satisfies Record<KeyringErrorCode, number>

const TITLE: Partial<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  507: 'Insufficient Storage',
}

export function problem(path: string, error: KeyringError, request: string, headers: ReplyHeaders): Reply {
  const { code, message, remedy, facts } = error
  const status = STATUS[code]
  const title = TITLE[status] ?? 'Internal Server Error'
  const document = { ...facts, type: 'about:blank', title, status, detail: message, code, remedy, request }
  const all = { ...headers, ...headersOf(status, error) }
  // Without a credential every path is answered alike: with Kong's word too, in the document of all others.
  if (status === 401) return { status, headers: all, body: { message: title, ...document } }
  return isKongPath(path)
    ? { status, headers: { ...all, 'content-type': 'application/json' }, body: { message, ...document } }
    : { status, headers: all, body: document }
}

function headersOf(status: number, { facts }: KeyringError): Record<string, string> {
  const { retryAfterSeconds } = facts
  return {
    'content-type': 'application/problem+json',
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
  }
}

/** Paths of Kong's Admin API answer with `message`, as Kong does; all others are the native surface. */
const isKongPath = (path: string): boolean => path === '/keyring' || path.startsWith('/keyring/')
