/** One error, one document: RFC 9457, with `message` beside it on Kong's paths. */
import type { KeyringError, KeyringErrorCode } from '../core/errors.ts'
import type { Reply } from './reply.ts'

type ReplyHeaders = Readonly<Record<string, string>>

/** Whoever was asked behind us is at fault: 502. A type weighs nothing, and half of all codes are these. */
type BadGateway =
  | 'ERR_VAULT_UNREACHABLE'
  | 'ERR_VAULT_TLS_UNTRUSTED'
  | 'ERR_VAULT_TLS_HOST_MISMATCH'
  | 'ERR_VAULT_TLS_EXPIRED'
  | 'ERR_VAULT_TLS_CLIENT_CERT'
  | 'ERR_VAULT_TLS_TO_PLAINTEXT'
  | 'ERR_VAULT_TLS_FAILED'
  | 'ERR_VAULT_PLAINTEXT_TO_TLS'
  | 'ERR_VAULT_REDIRECTED'
  | 'ERR_VAULT_UNAVAILABLE'
  | 'ERR_VAULT_DENIED'
  | 'ERR_VAULT_LOGIN_REFUSED'
  | 'ERR_VAULT_LOGIN_DENIED'
  | 'ERR_VAULT_LOGIN_FAILED'
  | 'ERR_VAULT_LOGIN_ROOT_POLICY'
  | 'ERR_VAULT_LOGIN_ADDRESS_REFUSED'
  | 'ERR_VAULT_LOGIN_CERTIFICATE_REFUSED'
  | 'ERR_VAULT_LOGIN_ROLE_UNKNOWN'
  | 'ERR_VAULT_LOGIN_CLAIMS_REFUSED'
  | 'ERR_VAULT_LOGIN_MFA'
  | 'ERR_VAULT_NAMESPACE_IGNORED'
  | 'ERR_VAULT_MOUNT_NOT_FOUND'
  | 'ERR_VAULT_NAMESPACE_NOT_FOUND'
  | 'ERR_VAULT_KV_VERSION'
  | 'ERR_VAULT_KV_LAYOUT'
  | 'ERR_VAULT_REQUEST_REFUSED'
  | 'ERR_VAULT_ANSWER_INVALID'
  | 'ERR_WRAP_TOKEN_SPENT'
  | 'ERR_WRAP_PATH_MISMATCH'
  | 'ERR_WRAP_RESULT_LOST'
  | 'ERR_OAUTH2_UNAVAILABLE'
  | 'ERR_OAUTH2_CLIENT_REFUSED'
  | 'ERR_OAUTH2_TARGET_REFUSED'
  | 'ERR_OAUTH2_REQUEST_REFUSED'
  | 'ERR_OAUTH2_ANSWER_INVALID'
  | 'ERR_OAUTH2_ISSUER_MISMATCH'
  | 'ERR_OAUTH2_TOKEN_OPAQUE'
  | 'ERR_IDENTITY_TOKEN_UNAVAILABLE'
  | 'ERR_AWS_CREDENTIALS_UNAVAILABLE'
  | 'ERR_AWS_UNAVAILABLE'
  | 'ERR_AWS_ROLE_REFUSED'

/** The status of each other code; a new code does not compile without one. */
const STATUS = {
  ERR_CONFIG_INVALID: 503,
  ERR_UNAUTHENTICATED: 401,
  ERR_FORBIDDEN: 403,
  ERR_ROUTE_NOT_FOUND: 404,
  ERR_METHOD_NOT_ALLOWED: 405,
  ERR_MEDIA_TYPE: 415,
  ERR_BODY_TOO_LARGE: 413,
  ERR_BODY_MALFORMED: 400,
  ERR_REQUEST_INVALID: 400,
  ERR_RATE_LIMITED: 429,
  ERR_INTERNAL: 500,
  ERR_KEYRING_NOT_FOUND: 404,
  ERR_KEY_NOT_FOUND: 404,
  ERR_KEY_UNVERIFIED: 503,
  ERR_SNAPSHOT_STALE: 503,
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
  ERR_ROTATION_REFUSED: 409,
  ERR_SYNC_CONTENDED: 503,
  ERR_REFERENCE_INVALID: 400,
  ERR_REFERENCE_VAULT_UNKNOWN: 404,
  ERR_SECRET_NOT_FOUND: 404,
  ERR_SECRET_FORBIDDEN: 403,
  ERR_SECRET_UNUSABLE: 422,
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
  ERR_VAULT_TIMEOUT: 504,
  ERR_VAULT_SEALED: 503,
  ERR_VAULT_NOT_INITIALIZED: 503,
  ERR_VAULT_STANDBY: 503,
  ERR_VAULT_RATE_LIMITED: 503,
  ERR_VAULT_PATH_INVALID: 500,
  ERR_CREDENTIAL_MALFORMED: 400,
  ERR_LEASE_HELD: 503,
  ERR_LOGIN_CREDENTIAL_UNREADABLE: 503,
  ERR_LOGIN_CREDENTIAL_MALFORMED: 503,
} as const satisfies Record<Exclude<KeyringErrorCode, BadGateway>, number>

export const statusOf = (code: KeyringErrorCode): number => (STATUS as Partial<Record<string, number>>)[code] ?? 502

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
  429: 'Too Many Requests',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  507: 'Insufficient Storage',
}

export function problem(path: string, error: KeyringError, request: string, headers: ReplyHeaders): Reply {
  const { code, message, remedy, facts } = error
  const status = statusOf(code)
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
const isKongPath = (path: string): boolean => /^\/(?:keyring|vaults)(?:\/|$)/.test(path)
