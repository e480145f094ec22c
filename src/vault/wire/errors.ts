/** From what Vault, or the way to it, answered to one error that says what to do. Foreign texts are matched, never passed on. */
import type { Facts, KeyringErrorCode } from '../../core/errors.ts'
import { KeyringError, teach } from '../../core/errors.ts'
import { VAULT_REMEDIES } from '../../core/vault-remedies.ts'
import type { Answered, VaultStep } from './outages.ts'
import { rowOf } from './outages.ts'

teach(VAULT_REMEDIES)

/** Where a request went, as far as people may know. */
export interface Destination {
  /** With the port and the base path. */
  readonly host: string
  /** From /v1 on, without the query. */
  readonly path: string
  readonly isTls: boolean
}

export interface Trouble {
  readonly code: KeyringErrorCode
  /** The step that failed; workerd does not always say which. */
  readonly step: 'unknown' | 'dns' | 'connect' | 'tls' | 'login' | 'read'
  /** The rest of a sentence that begins with "Vault at <host>". */
  readonly what: string
  /** Absent = that of the code. */
  readonly remedy?: string
}

const CLIENT = 'KEYRING_VAULT_CLIENT_CERT and KEYRING_VAULT_CLIENT_KEY (Workers: the binding KEYRING_VAULT_MTLS)'
/** With TLS 1.3 a client's certificate is judged after the handshake, so that a refusal looks like a lost connection. */
export const POSSIBLY = `possibly it asks for a client certificate or does not accept the one it gets: check ${CLIENT}`
export function troubleError({ code, step, what, remedy }: Trouble, { host, path }: Destination, facts: Facts = {}) {
  return new KeyringError(code, `Vault at ${host} ${what}.`, {
    facts: { host, path, step, ...facts },
    ...(remedy !== undefined && { remedy }),
  })
}

export const vaultError = (
  code: KeyringErrorCode,
  target: Destination,
  what: string,
  facts: Facts = {},
): KeyringError => troubleError({ code, step: 'read', what }, target, facts)

export interface ErrorAnswer extends Answered {
  readonly step: VaultStep
}

/** Says what an answer means that is no success, and no plain 404. */
export type ErrorOf = (target: Destination, answer: ErrorAnswer, retryAfterSeconds: number | null) => KeyringError

const has = ({ texts }: ErrorAnswer, ...parts: readonly string[]): boolean =>
  texts?.some((text) => parts.some((part) => text.includes(part))) ?? false

/** Refusals: the first one that fits counts. Texts differ between servers and releases, so that parts of them are looked for, never equality. */
const KNOWN: readonly {
  readonly code: KeyringErrorCode
  readonly what: string
  readonly fits: (answer: ErrorAnswer) => boolean
}[] = [
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
]

export const fromStatus: ErrorOf = (target, answer, retryAfterSeconds) => {
  const { outage } = rowOf(answer)
  if (outage === null && isDenial(answer)) return denial(target, answer)
  const { code, what } = outage ??
    KNOWN.find(({ fits }) => fits(answer)) ?? {
      code: 'ERR_VAULT_REQUEST_REFUSED',
      what: 'refused the request',
    }
  return vaultError(code, target, what, {
    vaultStatus: answer.status,
    ...(retryAfterSeconds !== null && { retryAfterSeconds }),
  })
}

const isDenial = (answer: ErrorAnswer): boolean =>
  answer.texts !== null && (answer.status === 403 || has(answer, 'missing client token'))

/** A token of least privilege is refused alike whatever the mount or path is, so that the first request names both. */
export const CHECK_FIRST = `${VAULT_REMEDIES.ERR_VAULT_MOUNT_NOT_FOUND} If they are right, add`

interface Denial {
  /** A new token helps against `token`, and not against `policy`. */
  readonly denied: 'token' | 'policy'
  readonly what: string
  readonly remedy: string
  /** What Vault says in its own words, where it says more than no. */
  readonly reason?: string | undefined
}

const UNKNOWN = 'invalid token'
const LIVE =
  'Give a live token (KEYRING_VAULT_TOKEN, or in the call that brought this one); a login gets another by itself.'
const CIDRS = 'add the address that requests come from to its token_bound_cidrs, or remove those'

/** The first one that fits counts. Of a token that has ended and of one that may not come from here OpenBao says the same. */
const DENIALS: readonly (Denial & { readonly fits: (answer: ErrorAnswer) => boolean })[] = [
  {
    fits: (answer) => has(answer, 'missing client token'),
    denied: 'policy',
    what: 'got no token',
    remedy: 'Check that nothing in front of Vault takes the header X-Vault-Token away.',
  },
  {
    fits: (answer) => has(answer, UNKNOWN),
    denied: 'token',
    what: 'does not know the token: it has ended, was revoked, or is of another server',
    remedy: LIVE,
    reason: UNKNOWN,
  },
  {
    fits: ({ texts }) => texts?.join() === 'permission denied',
    denied: 'token',
    what: 'does not take the token: it has ended or was revoked, or may not be used from this address',
    remedy: `${LIVE} If it is live, ${CIDRS}.`,
  },
]

function denial(target: Destination, answer: ErrorAnswer): KeyringError {
  const path = target.path.replace('/v1/', '')
  const { denied, what, remedy, reason } = DENIALS.find(({ fits }) => fits(answer)) ?? {
    denied: 'policy',
    what: `does not let the token use ${path}`,
    remedy: `Allow it in the policy of the token, or of the role of the login: path "${path}".`,
    reason: undefined,
  }
  const trouble = { code: 'ERR_VAULT_DENIED', step: 'read', what, remedy } as const
  return troubleError(trouble, target, {
    vaultStatus: answer.status,
    denied,
    ...(reason !== undefined && { reason }),
  })
}

/** A token that was issued a moment ago and is not taken, without a reason, is bound to other addresses. */
export function deniedAnew(error: KeyringError): KeyringError {
  const { code, facts } = error
  if (facts['denied'] !== 'token' || facts['reason'] === UNKNOWN) return error
  const message = `Vault at ${facts['host']} does not take a token that it has just issued: it may not be used from this address.`
  const remedy = `In the role of the login, ${CIDRS}.`
  return new KeyringError(code, message, { facts: { ...facts, denied: 'address' }, remedy })
}
