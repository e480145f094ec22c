/** `oauth2`: an access token for this client from an identity provider (RFC 6749 section 4.4), then a login with it as JWT. */
import * as z from 'zod/mini'
import { parseJson } from '../../core/body.ts'
import type { OAuth2Settings } from '../../core/login-settings.ts'
import { Secret } from '../../core/secret.ts'
import { hasJwtForm, credentialText } from './credential.ts'
import type { LoginMethod, LoginParts } from './method.ts'
import { clientAuthentication } from './oauth2-client.ts'
import { discoverTokenEndpoint } from './oauth2-discovery.ts'
import { oauthError, refusedBy } from './oauth2-errors.ts'
import { askOutside } from './outside.ts'
import { inRole, loginPath } from './path.ts'

const tokenReply = z.object({ access_token: z.string().check(z.refine((token) => token !== '')) })

export function oauth2Login(settings: OAuth2Settings, parts: LoginParts): LoginMethod {
  const { mount, role, client, issuer, tokenEndpoint, clientId } = settings
  return {
    method: 'oauth2',
    mount,
    role,
    credential: async () => {
      const own = client.auth === 'private_key_jwt' ? client.key : client.secret
      const text = own instanceof Secret ? own.reveal() : await credentialText(own, 'oauth2_private_key', parts)
      return JSON.stringify([issuer, tokenEndpoint, clientId, text])
    },
    login: async (vault, signal) => {
      const jwt = await accessToken(settings, parts, signal)
      return vault.login(loginPath(mount), { ...inRole(role), jwt }, signal)
    },
  }
}

async function accessToken(settings: OAuth2Settings, parts: LoginParts, signal: AbortSignal): Promise<string> {
  const endpoint = settings.tokenEndpoint ?? (await discoverTokenEndpoint(settings.issuer ?? '', parts, signal))
  const { headers, fields } = await clientAuthentication(settings, endpoint, parts)
  const body = new URLSearchParams([...grantFields(settings), ...Object.entries(fields)]).toString()
  const request = { url: endpoint, method: 'POST', headers: { ...FORM, ...headers }, body } as const
  const answer = await askOutside(parts, request, signal)
  const token = answer.status === 200 ? z.safeParse(tokenReply, parseJson(answer.text)).data?.access_token : undefined
  if (token === undefined) throw refusedBy(endpoint, answer)
  // Vault would only say that such a token is malformed.
  if (!hasJwtForm(token))
    throw oauthError('ERR_OAUTH2_TOKEN_OPAQUE', endpoint, 'issued an opaque access token, which Vault cannot check')
  return token
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }

/** `resource` is RFC 8707, `audience` what Auth0 and others ask for; both may be repeated. */
function grantFields({ scopes, audiences, resources, parameters }: OAuth2Settings): [string, string][] {
  return [
    ['grant_type', 'client_credentials'],
    ...(scopes.length > 0 ? [['scope', scopes.join(' ')] as [string, string]] : []),
    ...audiences.map((audience): [string, string] => ['audience', audience]),
    ...resources.map((resource): [string, string] => ['resource', resource]),
    ...Object.entries(parameters),
  ]
}
