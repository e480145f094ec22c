/** The ways in which Node tells why a server was not reached; workerd has none of them, so that `shapes.workers.ts` stands here in a Worker. */
import type { Destination, Trouble } from './errors.ts'
import { POSSIBLY } from './errors.ts'

interface Shape extends Trouble {
  readonly fits: RegExp
}

/** The first one that fits counts. */
const SHAPES: readonly Shape[] = [
  {
    fits: /^DEPTH_ZERO_SELF_SIGNED_CERT$/,
    code: 'ERR_VAULT_TLS_UNTRUSTED',
    step: 'tls',
    what: 'has a self-signed certificate that is not trusted here',
    remedy: 'Set KEYRING_VAULT_CACERT to that certificate, or give Vault one that an authority has signed.',
  },
  {
    fits: /^UNABLE_TO_/,
    code: 'ERR_VAULT_TLS_UNTRUSTED',
    step: 'tls',
    what: 'has a certificate of an authority to which it does not send the chain, or that is not trusted here',
    remedy:
      "Put the certificate and every intermediate into Vault's tls_cert_file, and set KEYRING_VAULT_CACERT to the authority. A server in dev mode makes a new certificate at each start: do not use it over TLS.",
  },
  {
    fits: /^(CERT_HAS_EXPIRED|CERT_NOT_YET_VALID)$/,
    code: 'ERR_VAULT_TLS_EXPIRED',
    step: 'tls',
    what: 'has a certificate, or one in its chain, that has expired or is not valid yet',
  },
  {
    fits: /^(ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/,
    code: 'ERR_VAULT_TLS_HOST_MISMATCH',
    step: 'tls',
    what: 'has a certificate for another host',
  },
  {
    fits: /^(SELF_SIGNED_CERT_IN_CHAIN|INVALID_|CERT_|ERROR_IN_CERT_|PATH_LENGTH_EXCEEDED)/,
    code: 'ERR_VAULT_TLS_UNTRUSTED',
    step: 'tls',
    what: 'has a certificate of an authority that is not trusted here',
    remedy: "Set KEYRING_VAULT_CACERT to the authority's certificate.",
  },
  {
    fits: /_ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/,
    code: 'ERR_VAULT_TLS_CLIENT_CERT',
    step: 'tls',
    what: 'asks for a client certificate, or does not accept the one it got',
  },
  {
    fits: /^(EPROTO|ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG|ERR_SSL_HTTP_REQUEST)$/,
    code: 'ERR_VAULT_TLS_TO_PLAINTEXT',
    step: 'tls',
    what: 'does not speak TLS at this port',
  },
  {
    fits: /^UND_ERR_RES_EXCEEDED_MAX_SIZE$/,
    code: 'ERR_VAULT_ANSWER_INVALID',
    step: 'read',
    what: 'sent more than an answer may have',
  },
  {
    fits: /^(ENOTFOUND|EAI_|ENODATA|ESERVFAIL)/,
    code: 'ERR_VAULT_UNREACHABLE',
    step: 'dns',
    what: 'has a host name that cannot be resolved',
    remedy: 'Check the host name in KEYRING_VAULT_HOST, and the name server.',
  },
  {
    fits: /^ECONNREFUSED$/,
    code: 'ERR_VAULT_UNREACHABLE',
    step: 'connect',
    what: 'refuses connections',
    remedy: 'Check host and port in KEYRING_VAULT_HOST, and that Vault runs and listens there.',
  },
  {
    fits: /^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/,
    code: 'ERR_VAULT_UNREACHABLE',
    step: 'connect',
    what: 'does not answer connections',
    remedy: 'Check host and port in KEYRING_VAULT_HOST, routes and firewalls.',
  },
]

/** With these the connection was there, or seemed to be, and ended without an answer. */
const LOST = /^(UND_ERR_SOCKET|ECONNRESET|EPIPE)$/
const closed = ({ isTls }: Destination): Trouble => ({
  code: 'ERR_VAULT_UNREACHABLE',
  step: 'connect',
  what: 'closed the connection before it answered',
  remedy: `Check that Vault, and what is in front of it, runs${isTls ? `; ${POSSIBLY}` : ''}.`,
})

/** A proxy on the way has failed, which whoever knows the proxy says. Nothing has come to whoever was asked. */
export class ProxyTrouble extends Error {
  readonly code = 'EPROXY'
  readonly trouble: Trouble

  constructor(trouble: Trouble) {
    super(trouble.what)
    this.trouble = trouble
  }
}

/** A kept connection may have been dead already. */
export const isStale = (reason: string): boolean => LOST.test(reason)

/** `null` = Node has no word of its own for it. */
export function troubleOnNode(thrown: unknown, reason: string, target: Destination): Trouble | null {
  if (thrown instanceof ProxyTrouble) return thrown.trouble
  return LOST.test(reason) ? closed(target) : (SHAPES.find(({ fits }) => fits.test(reason)) ?? null)
}
