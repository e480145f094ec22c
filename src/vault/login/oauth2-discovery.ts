/** Finds the token endpoint of an issuer, by OpenID Connect Discovery or RFC 8414. */
import * as z from 'zod/mini'
import { parseJson } from '../../core/body.ts'
import type { LoginParts } from './method.ts'
import { oauthError, refusedBy } from './oauth2-errors.ts'
import { askOutside, isSafeUrl } from './outside.ts'

/** Its host is shown. */
const endpoint = z.string().check(z.refine((url) => url.length <= 1024))
const metadata = z.object({ issuer: z.string(), token_endpoint: endpoint })

/** The document must name the very issuer that was asked for (RFC 8414 section 3.3). */
export async function discoverTokenEndpoint(issuer: string, parts: LoginParts, signal: AbortSignal): Promise<string> {
  const [first, second] = documents(issuer)
  const ask = (url: string) => askOutside(parts, { url, headers: { accept: 'application/json' } }, signal)
  const tried = await ask(first)
  const answer = tried.status === 404 ? await ask(second) : tried
  const found = answer.status === 200 ? z.safeParse(metadata, parseJson(answer.text)).data : undefined
  if (found === undefined) throw refusedBy(issuer, answer, 'description of a token endpoint')
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
