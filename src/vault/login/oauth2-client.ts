/** How a client shows the token endpoint who it is: by a secret in one of two places, or by an assertion that it signs. */
import { toBase64, utf8 } from '../../core/bytes.ts'
import type { OAuth2Settings } from '../../core/login-settings.ts'
import { signAssertion } from './client-assertion.ts'
import { credentialText, malformed } from './credential.ts'
import { privateKeyIn } from '../../core/pem.ts'
import type { LoginParts } from './method.ts'

export interface ClientAuthentication {
  readonly headers: Readonly<Record<string, string>>
  readonly fields: Readonly<Record<string, string>>
}

const OPTION = 'oauth2_private_key'
const ASSERTED = { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' }

export async function clientAuthentication(
  { client, clientId, issuer }: OAuth2Settings,
  endpoint: string,
  parts: LoginParts,
): Promise<ClientAuthentication> {
  if (client.auth === 'private_key_jwt') {
    const text = await credentialText(client.key, OPTION, parts)
    const key = text.startsWith('{') ? { jwk: text } : privateKeyIn(text)
    if (typeof key === 'string') throw malformed(OPTION, key)
    const assertion = await signAssertion({ key, clientId, audience: issuer ?? endpoint, now: parts.clock.now() })
    if (assertion === null) throw malformed(OPTION, 'is no private key of RSA (2048 bits or more), P-256 or Ed25519')
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
