/** How a client shows the token endpoint who it is: by a secret in one of two places, or by an assertion that it signs. */
import { toBase64, utf8 } from '../../core/bytes.ts'
import type { OAuth2Settings } from '../../core/login-settings.ts'
import { credentialText } from './credential.ts'
import type { LoginParts } from './method.ts'

export interface ClientAuthentication {
  readonly headers: Readonly<Record<string, string>>
  readonly fields: Readonly<Record<string, string>>
}

const ASSERTED = { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' }

export async function clientAuthentication(
  { client, clientId, issuer }: OAuth2Settings,
  endpoint: string,
  parts: LoginParts,
): Promise<ClientAuthentication> {
  if (client.auth === 'private_key_jwt') {
    const key = await credentialText(client.key, 'oauth2_private_key', parts)
    const { signAssertion } = await import('./client-assertion.ts')
    const assertion = await signAssertion({ key, clientId, audience: issuer ?? endpoint, now: parts.clock.now() })
    return { headers: {}, fields: { client_id: clientId, ...ASSERTED, client_assertion: assertion } }
  }
  const secret = client.secret.reveal()
  if (client.auth === 'client_secret_post')
    return { headers: {}, fields: { client_id: clientId, client_secret: secret } }
  const pair = toBase64(utf8(`${formEncoded(clientId)}:${formEncoded(secret)}`))
  return { headers: { authorization: `Basic ${pair}` }, fields: {} }
}

/** RFC 6749 section 2.3.1 encodes both before they are joined, because a secret may have a colon. */
const formEncoded = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1)
