/** `private_key_jwt` (RFC 7523 section 2.2, OpenID Connect Core section 9). It is a file of its own, so that only who needs it loads jose. */
import { SignJWT } from 'jose'
import { fromBase64 } from '../../core/bytes.ts'
import { malformed } from './credential.ts'

/** An assertion lives for so many seconds. */
const LIFE = 60

const ALGORITHMS = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
} as const

type Algorithm = keyof typeof ALGORITHMS

interface SigningKey {
  readonly alg: Algorithm
  readonly kid: string | undefined
  readonly key: CryptoKey
}

export interface Assertion {
  /** PKCS #8 in PEM, or a JWK. */
  readonly key: string
  readonly clientId: string
  readonly audience: string
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Each assertion has an id of its own, because servers refuse one that they have seen. */
export async function signAssertion({ key: text, clientId, audience, now }: Assertion): Promise<string> {
  const { alg, kid, key } = await importSigningKey(text)
  const seconds = Math.floor(now / 1000)
  return new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg, ...(kid !== undefined && { kid }) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + LIFE)
    .sign(key)
}

async function importSigningKey(text: string): Promise<SigningKey> {
  try {
    return text.startsWith('{') ? await fromJwk(JSON.parse(text) as JsonWebKey & { kid?: string }) : await fromPem(text)
  } catch {
    throw malformed('oauth2_private_key', 'is neither PKCS #8 in PEM nor a JWK, of RSA or P-256')
  }
}

async function fromJwk(jwk: JsonWebKey & { kid?: string }): Promise<SigningKey> {
  const alg = jwk.kty === 'RSA' ? 'RS256' : 'ES256'
  const key = await crypto.subtle.importKey('jwk', { ...jwk, alg }, ALGORITHMS[alg], false, ['sign'])
  return { alg, kid: jwk.kid, key }
}

/** An environment may have brought the line breaks as `\n`. */
async function fromPem(text: string): Promise<SigningKey> {
  const lines = text.replaceAll('\\n', '\n')
  const [, base64 = ''] = /^-----BEGIN PRIVATE KEY-----\s([\s\S]+)-----END PRIVATE KEY-----$/.exec(lines.trim()) ?? []
  const der = fromBase64(base64.replaceAll(/\s/g, ''))
  if (der === null) throw new TypeError('The key is no PEM.')
  const read = async (alg: Algorithm): Promise<SigningKey> => ({
    alg,
    kid: undefined,
    key: await crypto.subtle.importKey('pkcs8', der, ALGORITHMS[alg], false, ['sign']),
  })
  return read('ES256').catch(() => read('RS256'))
}
