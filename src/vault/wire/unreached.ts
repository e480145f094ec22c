/**
 * From a Vault that was not reached to an error: a fetch has thrown, or the platform's proxy has answered in Vault's place. Each
 * platform has shapes of its own, so the shape tells the platform, and the remedy names what can be set there.
 */
import { isStale, troubleOnNode } from '#platform/vault/wire/shapes'
import type { KeyringError } from '../../core/errors.ts'
import { WORKERS_TRUST, networkTrouble } from '../../core/network.ts'
import type { Destination, Trouble } from './errors.ts'
import { POSSIBLY, troubleError } from './errors.ts'

/** workerd has one message for a connection that was refused or cut, a name that does not resolve, and a refused client certificate. */
const LOST_ON_WORKERD = /^Network connection lost/
const lostOnWorkerd = ({ isTls }: Destination): Trouble => ({
  code: 'ERR_VAULT_UNREACHABLE',
  step: 'connect',
  what: 'cannot be reached, or closed the connection',
  remedy: `Check host and port in KEYRING_VAULT_HOST, and that Vault runs${isTls ? `; ${POSSIBLY}` : ''}.`,
})

/** workerd keeps the reason in its own log: a name does not resolve, it does not accept a certificate, or has none that Vault would. */
const HIDDEN = /^internal error/
const hidden = ({ isTls }: Destination): Trouble => ({
  code: 'ERR_VAULT_UNREACHABLE',
  step: 'unknown',
  what: 'cannot be reached; the runtime does not say why',
  remedy: `Check host name and port in KEYRING_VAULT_HOST${isTls ? `. ${WORKERS_TRUST}; ${POSSIBLY}` : ''}.`,
})

export interface Unreached {
  readonly error: KeyringError
  /** A kept connection may have been dead already: a read may be sent once more without a pause. */
  readonly isStale: boolean
}

/** `null` = no trouble of the network: a defect, which goes on as it is. */
export function fromThrown(target: Destination, thrown: unknown): Unreached | null {
  const read = readThrown(target, thrown)
  return read && { error: troubleError(read, target, { reason: read.reason }), isStale: read.isStale }
}

type Read = Trouble & Pick<Unreached, 'isStale'> & { readonly reason: string }

function readThrown(target: Destination, thrown: unknown): Read | null {
  const network = networkTrouble(thrown)
  if (network === null) return null
  const { code, text } = network
  const shown = code ?? text
  const trouble = troubleOnNode(thrown, shown, target) ?? troubleOf(shown, target)
  return { ...trouble, reason: code ?? 'unknown', isStale: isStale(shown) }
}

function troubleOf(reason: string, target: Destination): Trouble {
  if (LOST_ON_WORKERD.test(reason)) return lostOnWorkerd(target)
  if (HIDDEN.test(reason)) return hidden(target)
  return OF_TLS.test(reason) ? TLS : UNKNOWN
}

const OF_TLS = /SSL|TLS|^UNSPECIFIED$/
const TLS: Trouble = { code: 'ERR_VAULT_TLS_FAILED', step: 'tls', what: 'cannot agree on TLS' }
const UNKNOWN: Trouble = { code: 'ERR_VAULT_UNREACHABLE', step: 'connect', what: 'cannot be reached' }

/** Of another host than Vault: the step that failed, and the rest of a sentence that begins with its name. `null` = a defect. */
export const unansweredBy = (thrown: unknown): Pick<Read, 'step' | 'what' | 'reason'> | null =>
  readThrown({ host: '', path: '', isTls: true }, thrown)

/** Cloudflare gives these answers of its own in the place of an origin's: https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/ */
const PROXY: Readonly<Record<number, Trouble>> = {
  520: {
    code: 'ERR_VAULT_UNREACHABLE',
    step: 'connect',
    what: 'gave the platform no answer that it understands',
    remedy:
      'Check KEYRING_VAULT_HOST. The binding KEYRING_VAULT_MTLS cannot reach a host that Cloudflare itself proxies: use a name that is not proxied.',
  },
  521: {
    code: 'ERR_VAULT_UNREACHABLE',
    step: 'connect',
    what: 'refuses connections of the platform',
    remedy: 'Check the port in KEYRING_VAULT_HOST, that Vault runs, and that its firewall admits Cloudflare.',
  },
  524: { code: 'ERR_VAULT_TIMEOUT', step: 'read', what: 'did not answer the platform in time' },
  525: {
    code: 'ERR_VAULT_TLS_FAILED',
    step: 'tls',
    what: 'and the platform cannot agree on TLS (525)',
    remedy: `Check that the port in KEYRING_VAULT_HOST speaks TLS 1.2 or newer; ${POSSIBLY}.`,
  },
  526: {
    code: 'ERR_VAULT_TLS_UNTRUSTED',
    step: 'tls',
    what: 'has a certificate that the platform does not accept (526): not trusted, without its whole chain, expired or for another host',
    remedy: `${WORKERS_TRUST}.`,
  },
  530: {
    code: 'ERR_VAULT_UNREACHABLE',
    step: 'dns',
    what: 'has a host name that the platform cannot resolve, or a tunnel that is not connected (530)',
    remedy: 'Check the host name in KEYRING_VAULT_HOST and, with a tunnel, that cloudflared runs.',
  },
}

/** `null` = the answer is not of a platform's proxy. @param hasVaultBody Vault itself has answered, whatever the status. */
export function fromProxy(target: Destination, status: number, hasVaultBody: boolean): KeyringError | null {
  if (status < 520 || status > 530 || hasVaultBody) return null
  const trouble: Trouble = PROXY[status] ?? {
    code: 'ERR_VAULT_UNREACHABLE',
    step: 'connect',
    what: `cannot be reached by the platform (${status})`,
    remedy: 'Check host and port in KEYRING_VAULT_HOST, routes and firewalls.',
  }
  return troubleError(trouble, target, { vaultStatus: status })
}

/** Go answers plain http on a TLS port like this. */
export const fromPlaintextToTls = (target: Destination, status: number, text: string): KeyringError | null =>
  status === 400 && text.includes('HTTP request to an HTTPS server')
    ? troubleError({ code: 'ERR_VAULT_PLAINTEXT_TO_TLS', step: 'tls', what: 'expects TLS' }, target, {
        vaultStatus: status,
      })
    : null
