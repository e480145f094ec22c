/** How Node tells of trouble of the network: by codes, and by its fetch. workerd does neither, so that `network-codes.workers.ts` stands here in a Worker. */

/** Of a system call, a parser, TLS, and undici, as far as they are about the other side. */
const CODES: readonly RegExp[] = [
  /^(E(?!RR_)[A-Z0-9_]+|HPE_[A-Z0-9_]+|Z_[A-Z0-9_]+)$/,
  /^(ERR_(TLS|SSL|OSSL)_[A-Z0-9_]+|ERR_STREAM_PREMATURE_CLOSE)$/,
  /^(DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|CERT_|CRL_|ERROR_IN_|INVALID_CA$|INVALID_PURPOSE$|PATH_LENGTH_EXCEEDED$|HOSTNAME_MISMATCH$|UNSPECIFIED$)/,
  /^UND_ERR_(SOCKET|INFO|RESPONSE|(CONNECT|HEADERS|BODY)_TIMEOUT|HEADERS_OVERFLOW|RES_[A-Z_]+|PRX_[A-Z]+)$/,
]

/** The runtime's fetch wraps what the network did, in words where it has no code: an answer that was cut, a port that it does not use. */
export const isOfFetch = ({ message, cause }: Error): boolean =>
  /^(fetch failed|terminated)$/.test(message) && cause instanceof Error && cause.name === 'Error'

export interface Coded {
  readonly code: string
  /** Of a file. */
  readonly path?: unknown
}

/** The first with a code among the error, its cause and the errors that it gathers. */
export function codedIn(thrown: unknown, depth = 0): Coded | null {
  if (typeof thrown !== 'object' || thrown === null || depth > 4) return null
  const { code, path, cause, errors } = thrown as Partial<Record<'code' | 'path' | 'cause' | 'errors', unknown>>
  if (typeof code === 'string' && /^[A-Z0-9_]{1,60}$/.test(code)) return { code, path }
  return codedIn(Array.isArray(errors) ? errors[0] : cause, depth + 1)
}

export const isOfNetwork = ({ code, path }: Coded): boolean =>
  path === undefined && CODES.some((each) => each.test(code))
