/** From what a token endpoint answers instead of a token to an error: by the codes of RFC 6749 section 5.2 and RFC 8707, never by its texts. */
import * as z from 'zod/mini'
import { parseJson } from '../../core/body.ts'
import type { Facts, KeyringErrorCode } from '../../core/errors.ts'
import { KeyringError } from '../../core/errors.ts'
import { rowOf } from '../wire/outages.ts'
import type { OutsideAnswer, Unanswered } from './outside.ts'

/** @param what follows "The identity provider at <host>". */
export function oauthError(
  code: KeyringErrorCode,
  endpoint: string,
  what: string,
  facts: Facts = {},
  remedy?: string,
): KeyringError {
  const host = URL.parse(endpoint)?.host ?? ''
  return new KeyringError(code, `The identity provider at ${host} ${what}.`, {
    facts: { host, ...facts },
    ...(remedy !== undefined && { remedy }),
  })
}

const REFUSALS: Readonly<Record<string, readonly [KeyringErrorCode, string]>> = {
  invalid_client: ['ERR_OAUTH2_CLIENT_REFUSED', 'does not accept the client or how it authenticates'],
  unauthorized_client: ['ERR_OAUTH2_CLIENT_REFUSED', 'does not let this client use client credentials'],
  unsupported_grant_type: ['ERR_OAUTH2_CLIENT_REFUSED', 'does not offer client credentials'],
  invalid_target: ['ERR_OAUTH2_TARGET_REFUSED', 'knows no such resource'],
  invalid_scope: ['ERR_OAUTH2_TARGET_REFUSED', 'knows no such scope'],
  access_denied: ['ERR_OAUTH2_TARGET_REFUSED', 'does not let this client have such a token'],
}

const errorReply = z.object({ error: z.string() })

const TRUST =
  'Check its certificate: name, dates, the whole chain. If its authority is one of your own, name that in KEYRING_VAULT_OAUTH2_CACERT (Node and Lambda); Workers trust public ones only.'

/** @param answer one that is no success, or lacks what it is `missing`. */
export function refusedBy(
  endpoint: string,
  answer: OutsideAnswer | Unanswered,
  missing = 'access token',
): KeyringError {
  if (answer.status === null) {
    const { what, facts, remedy } = answer
    return oauthError('ERR_OAUTH2_UNAVAILABLE', endpoint, what, facts, remedy === undefined ? undefined : TRUST)
  }
  const { status, retryAfter: seconds } = answer
  const body = parseJson(answer.text)
  const error = z.safeParse(errorReply, body).data?.error ?? ''
  const texts = typeof body === 'object' && body !== null ? [error] : null
  const { outage } = rowOf({ step: 'identity provider', status, texts })
  if (outage === null) return refusalOf(endpoint, status, error, missing)
  return oauthError(outage.code, endpoint, outage.what, {
    providerStatus: status,
    ...(seconds !== null && { retryAfterSeconds: seconds }),
  })
}

function refusalOf(endpoint: string, status: number, error: string, missing: string): KeyringError {
  const facts = { providerStatus: status }
  const known = Object.hasOwn(REFUSALS, error) ? REFUSALS[error] : undefined
  if (known !== undefined) return oauthError(known[0], endpoint, known[1], { ...facts, reason: error })
  if (status === 401) return oauthError('ERR_OAUTH2_CLIENT_REFUSED', endpoint, 'does not accept the client', facts)
  if (status === 200) return oauthError('ERR_OAUTH2_ANSWER_INVALID', endpoint, `sent no ${missing}`)
  return oauthError('ERR_OAUTH2_REQUEST_REFUSED', endpoint, 'refuses the request for a token', facts)
}
