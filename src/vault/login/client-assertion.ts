/** `private_key_jwt` (RFC 7523 section 2.2, OpenID Connect Core section 9). */
import { toBase64url, utf8 } from '../../core/bytes.ts'
import type { PemBlock } from '../../core/pem.ts'
import { pkcs8Of } from './pkcs8.ts'

/** An assertion lives for so many seconds. */
const LIFE = 60

/** RFC 7518 section 3.3 asks for so many bits of RSA, and WebCrypto does not look. */
const LEAST_BITS = 2048

/** Each is what WebCrypto takes to read a key and to sign with it, and signs in the form that JWS has. */
const ALGORITHMS = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  ES256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  EdDSA: { name: 'Ed25519' },
} as const

type Algorithm = keyof typeof ALGORITHMS

interface SigningKey {
  readonly alg: Algorithm
  readonly key: CryptoKey
  /** A JWK may have an id, by which the provider finds the public one. */
  readonly kid?: string | undefined
}

export interface Assertion {
  /** The JSON of a JWK, or a block of PEM. */
  readonly key: PemBlock | { readonly jwk: string }
  readonly clientId: string
  readonly audience: string
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Each assertion has an id of its own, because servers refuse one that they have seen. @returns `null` = the key is not one of these kinds. */
export async function signAssertion({ key: given, clientId, audience, now }: Assertion): Promise<string | null> {
  const signing = await ('jwk' in given ? fromJwk(given.jwk) : fromPem(given)).catch(() => null)
  if (signing === null || isShort(signing.key)) return null
  const iat = Math.floor(now / 1000)
  const claims = { jti: crypto.randomUUID(), iss: clientId, sub: clientId, aud: audience, iat, exp: iat + LIFE }
  return signed(signing, claims)
}

/** The compact form of RFC 7515 section 7.1. */
async function signed({ alg, key, kid }: SigningKey, claims: object): Promise<string> {
  const payload = [{ alg, typ: 'JWT', kid }, claims].map((part) => toBase64url(utf8(JSON.stringify(part)))).join('.')
  const signature = await crypto.subtle.sign(ALGORITHMS[alg], key, utf8(payload))
  return `${payload}.${toBase64url(new Uint8Array(signature))}`
}

const isShort = ({ algorithm }: CryptoKey): boolean =>
  'modulusLength' in algorithm && Number(algorithm.modulusLength) < LEAST_BITS

async function fromJwk(text: string): Promise<SigningKey> {
  const jwk = JSON.parse(text) as JsonWebKey & { readonly kid?: string }
  const alg = jwk.kty === 'RSA' ? 'RS256' : jwk.crv === 'Ed25519' ? 'EdDSA' : 'ES256'
  const key = await crypto.subtle.importKey('jwk', { ...jwk, alg }, ALGORITHMS[alg], false, ['sign'])
  return { alg, key, kid: jwk.kid }
}

/** PKCS #8 begins with it: a sequence of nothing but the object identifier 1.3.101.112. */
const ED25519 = '48,5,6,3,43,101,112'

/** WebCrypto refuses a key of another kind than it is told, but that workerd takes any for Ed25519. */
async function fromPem(block: PemBlock): Promise<SigningKey> {
  const der = pkcs8Of(block)
  const read = async (alg: Algorithm): Promise<SigningKey> => ({
    alg,
    key: await crypto.subtle.importKey('pkcs8', der, ALGORITHMS[alg], false, ['sign']),
  })
  return der.subarray(0, 16).join().includes(ED25519) ? read('EdDSA') : read('ES256').catch(() => read('RS256'))
}
