/** Finds the token endpoint of an issuer, by OpenID Connect Discovery or RFC 8414. */
import * as z from 'zod/mini'
import { parseJson } from '../../core/body.ts'
import type { LoginParts } from './method.ts'
import { oauthError, refusedBy } from './oauth2-errors.ts'
import { askOutside, isSafeUrl } from './outside.ts'

const metadata = z.object({ issuer: z.string(), token_endpoint: z.string() })

/** The document must name the very issuer that was asked for (RFC 8414 section 3.3). */
export async function discoverTokenEndpoint(issuer: string, parts: LoginParts, signal: AbortSignal): Promise<string> {
  const [openid, oauth] = documents(issuer)
  const get = (url: string) => askOutside(parts, { url, headers: { accept: 'application/json' } }, signal)
  const first = await get(openid)
  const answer = first.status === 404 ? await get(oauth) : first
  if (answer.status !== 200) throw refusedBy(issuer, answer)
  const found = z.safeParse(metadata, parseJson(answer.text)).data
  if (found === undefined) throw oauthError('ERR_OAUTH2_ANSWER_INVALID', issuer, 'describes no token endpoint')
  if (found.issuer !== issuer)
    throw oauthError('ERR_OAUTH2_ISSUER_MISMATCH', issuer, 'describes itself as another issuer')
  if (!isSafeUrl(found.token_endpoint))
    throw oauthError('ERR_OAUTH2_ANSWER_INVALID', issuer, 'has a token endpoint without https')
  return found.token_endpoint
}

/** OpenID Connect puts the well-known path behind the issuer's own, RFC 8414 before it. */
function documents(issuer: string): [string, string] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ]
}
