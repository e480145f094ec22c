/** A real OAuth2 server on loopback, for tests: three clients, and one resource whose access tokens are JWTs. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import { Provider, errors } from 'oidc-provider'

export const RESOURCE = 'urn:vault'
/** Of the characters that Basic authentication must encode. */
export const SECRET = 'test:client/secret+ %100 & more'

export interface IdentityProvider {
  readonly issuer: string
  readonly tokenEndpoint: string
  readonly jwksUrl: string
  /** Of the clients of these names: PKCS #8 in PEM. */
  readonly keys: Readonly<Record<'es256' | 'rs256' | 'eddsa', string>>
  /** Headers and forms of the token requests so far. */
  readonly seen: { readonly authorization: string | undefined; readonly form: URLSearchParams }[]
  close(): Promise<void>
}

export async function startIdentityProvider(): Promise<IdentityProvider> {
  const [es256, rs256, eddsa, own] = await Promise.all(
    ['ES256', 'RS256', 'EdDSA', 'RS256'].map((alg) => generateKeyPair(alg, { extractable: true })),
  )
  if (es256 === undefined || rs256 === undefined || eddsa === undefined || own === undefined)
    throw new Error('There are no keys.')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const machine = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }
  const asserting = async (alg: string, key: CryptoKey) => ({
    ...machine,
    token_endpoint_auth_method: 'private_key_jwt' as const,
    token_endpoint_auth_signing_alg: alg,
    jwks: { keys: [await exportJWK(key)] },
  })
  const provider = new Provider(issuer, {
    jwks: { keys: [await exportJWK(own.privateKey)] },
    scopes: ['read'],
    ttl: { ClientCredentials: 300 },
    clients: [
      {
        ...machine,
        client_id: 'basic:client',
        client_secret: SECRET,
        token_endpoint_auth_method: 'client_secret_basic',
      },
      { ...machine, client_id: 'post', client_secret: SECRET, token_endpoint_auth_method: 'client_secret_post' },
      { client_id: 'es256', ...(await asserting('ES256', es256.publicKey)) },
      { client_id: 'rs256', ...(await asserting('RS256', rs256.publicKey)) },
      { client_id: 'eddsa', ...(await asserting('EdDSA', eddsa.publicKey)) },
    ],
    enabledJWA: { clientAuthSigningAlgValues: ['ES256', 'RS256', 'EdDSA'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context: unknown, resource: string) => {
          if (resource !== RESOURCE) throw new errors.InvalidTarget()
          const signed = { sign: { alg: 'RS256' as const } }
          return { scope: 'read', audience: 'vault', accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: signed }
        },
      },
    },
  })
  const seen: IdentityProvider['seen'] = []
  provider.use(async (context, next) => {
    await next()
    const { body } = context.oidc ?? {}
    if (context.path === '/token')
      seen.push({
        authorization: context.get('authorization'),
        form: new URLSearchParams(Object.entries(body ?? {})),
      })
  })
  server.on('request', provider.callback())
  return {
    issuer,
    tokenEndpoint: `${issuer}/token`,
    jwksUrl: `${issuer}/jwks`,
    keys: {
      es256: await exportPKCS8(es256.privateKey),
      rs256: await exportPKCS8(rs256.privateKey),
      eddsa: await exportPKCS8(eddsa.privateKey),
    },
    seen,
    close: () => new Promise((resolve) => (server.close(() => resolve()), server.closeAllConnections())),
  }
}
