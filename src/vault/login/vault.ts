/** Vault as logins see it, and what is done to a token that it issued: it is renewed, revoked, and looked at once for its namespace. */
import * as z from 'zod/mini'
import { KeyringError } from '../../core/errors.ts'
import { placeOf } from '../../core/printable.ts'
import { Secret } from '../../core/secret.ts'
import type { Destination } from '../wire/errors.ts'
import { vaultError } from '../wire/errors.ts'
import { fromLogin } from './errors.ts'
import type { IssuedToken, LoginVault } from './method.ts'
import { namespacePath } from '../wire/namespaces.ts'
import { authReply, lookupReply } from '../wire/schema.ts'
import type { VaultTransport } from '../wire/transport.ts'

const STEP = { step: 'login' }

export interface TokenVault extends LoginVault {
  /** @throws `ERR_VAULT_DENIED` or `ERR_VAULT_REQUEST_REFUSED` when it cannot be renewed; else an outage (`wire/outages.ts`). */
  renew(token: Secret, signal: AbortSignal): Promise<IssuedToken>
  /** Revokes it, best effort. */
  revoke(token: Secret, signal: AbortSignal): Promise<void>
  /** The check costs one request where a namespace is configured, none elsewhere. @throws `ERR_VAULT_NAMESPACE_IGNORED`. */
  checkNamespace(token: Secret, signal: AbortSignal): Promise<'checked' | 'nothing to check'>
}

/** @param given in the namespace of logins, which is given again as `namespace`. */
export function tokenVault(given: VaultTransport, address: string, namespace: string): TokenVault {
  const transport = inLoginNamespace(given, namespace)
  const target = (segments: readonly string[]): Destination => ({
    host: placeOf(address),
    path: `/v1/${segments.join('/')}`,
    isTls: address.startsWith('https:'),
  })
  const expected = namespacePath(namespace)
  return {
    async login(segments, body, signal) {
      const request = { segments, body, token: null, signal, step: 'login', errorOf: fromLogin } as const
      const reply = await transport.post(request)
      return issuedToken(target(segments), reply.body)
    },

    async post(segments, body, token, signal) {
      return (await transport.post({ segments, body, token, signal, step: 'wrap' })).body
    },

    async renew(token, signal) {
      const segments = ['auth', 'token', 'renew-self']
      const request = { segments, body: {}, token: token.reveal(), signal, step: 'renewal' } as const
      return issuedToken(target(segments), (await transport.post(request)).body)
    },

    async revoke(token, signal) {
      const segments = ['auth', 'token', 'revoke-self']
      const request = { segments, body: {}, token: token.reveal(), signal, step: 'question' } as const
      await transport.post(request).catch(onlyOurs)
    },

    async checkNamespace(token, signal) {
      if (expected === null) return 'nothing to check'
      const segments = ['auth', 'token', 'lookup-self']
      const reply = await transport.get({ segments, token: token.reveal(), signal }).catch(onlyOurs)
      const parsed = z.safeParse(lookupReply, reply?.body)
      if (parsed.success && parsed.data.data.namespace_path !== expected)
        throw vaultError(
          'ERR_VAULT_NAMESPACE_IGNORED',
          target(segments),
          'issued a token of another namespace than the one asked for',
          STEP,
        )
      return 'checked'
    },
  }
}

/** Which setting is wrong when there is no such namespace. */
function inLoginNamespace(transport: VaultTransport, namespace: string): VaultTransport {
  const blame = (error: unknown): never => {
    if (!(error instanceof KeyringError) || error.code !== 'ERR_VAULT_NAMESPACE_NOT_FOUND') throw error
    throw new KeyringError(error.code, `The namespace of the login, "${namespace}", is not there.`, {
      facts: { ...error.facts, step: 'login', namespace },
      remedy: 'Check KEYRING_VAULT_LOGIN_NAMESPACE or, where that is not set, KEYRING_VAULT_NAMESPACE.',
    })
  }
  return {
    get: (request) => transport.get(request).catch(blame),
    post: (request) => transport.post(request).catch(blame),
  }
}

function onlyOurs(error: unknown): void {
  if (!(error instanceof KeyringError)) throw error
}

function issuedToken(target: Destination, body: unknown): IssuedToken {
  const parsed = z.safeParse(authReply, body)
  if (!parsed.success)
    throw vaultError('ERR_VAULT_ANSWER_INVALID', target, 'answered a login in a form that is not of its API', STEP)
  const { client_token: text, mfa_requirement: mfa, lease_duration: ttlSeconds, renewable, ...auth } = parsed.data.auth
  if (mfa !== null && mfa !== undefined)
    throw vaultError('ERR_VAULT_LOGIN_MFA', target, 'asks for a second factor at this login', STEP)
  const type = auth.token_type === 'batch' ? 'batch' : 'service'
  return { token: new Secret(text), ttlSeconds, renewable, type, uses: auth.num_uses ?? 0 }
}
