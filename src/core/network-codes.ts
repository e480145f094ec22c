/** The codes by which Node tells of trouble of the network; workerd has none, so that `network-codes.workers.ts` stands here in a Worker. */

/** Of a system call, a parser, TLS, and undici, as far as they are about the other side. */
export const CODES: readonly RegExp[] = [
  /^(E(?!RR_)[A-Z0-9_]+|HPE_[A-Z0-9_]+|Z_[A-Z0-9_]+)$/,
  /^(ERR_(TLS|SSL|OSSL)_[A-Z0-9_]+|ERR_STREAM_PREMATURE_CLOSE)$/,
  /^(DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|CERT_|CRL_|ERROR_IN_|INVALID_CA$|INVALID_PURPOSE$|PATH_LENGTH_EXCEEDED$|HOSTNAME_MISMATCH$|UNSPECIFIED$)/,
  /^UND_ERR_(SOCKET|INFO|RESPONSE|(CONNECT|HEADERS|BODY)_TIMEOUT|HEADERS_OVERFLOW|RES_[A-Z_]+|PRX_[A-Z]+)$/,
]
