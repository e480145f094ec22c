/** What an identity provider may answer, and how long it is waited for. */
import { describe, expect, it } from 'vitest'
import type { Fetch } from '../../src/core/ports.ts'
import { NEVER, loginMethod, loginVault, passDeadlines, refusal } from '../support/logins.ts'

const options = {
  auth_method: 'oauth2',
  oauth2_token_endpoint: 'https://idp.example/token',
  oauth2_client_id: 'client',
  oauth2_client_secret: 'secret',
}
const { oauth2_token_endpoint: _endpoint, ...byIssuer } = options

const refused = (fetch: Fetch, more: Record<string, string> = options) =>
  refusal(loginMethod(more, { fetch }).login(loginVault('http://127.0.0.1:9'), NEVER))

const json =
  (status: number, body: unknown): Fetch =>
  async () =>
    Response.json(body, { status })

describe('a token endpoint', () => {
  it.each([
    [400, { error: 'invalid_client' }, 'ERR_OAUTH2_CLIENT_REFUSED invalid_client'],
    [401, {}, 'ERR_OAUTH2_CLIENT_REFUSED'],
    [400, { error: 'unauthorized_client' }, 'ERR_OAUTH2_CLIENT_REFUSED unauthorized_client'],
    [400, { error: 'unsupported_grant_type' }, 'ERR_OAUTH2_CLIENT_REFUSED unsupported_grant_type'],
    [400, { error: 'invalid_target' }, 'ERR_OAUTH2_TARGET_REFUSED invalid_target'],
    [400, { error: 'invalid_scope' }, 'ERR_OAUTH2_TARGET_REFUSED invalid_scope'],
    [403, { error: 'access_denied' }, 'ERR_OAUTH2_TARGET_REFUSED access_denied'],
    [400, { error: 'invalid_request' }, 'ERR_OAUTH2_REQUEST_REFUSED'],
    [400, { error: 'constructor' }, 'ERR_OAUTH2_REQUEST_REFUSED'],
    [400, { error: { a: 1 } }, 'ERR_OAUTH2_REQUEST_REFUSED'],
    [302, {}, 'ERR_OAUTH2_REQUEST_REFUSED'],
    [408, {}, 'ERR_OAUTH2_UNAVAILABLE'],
    [429, {}, 'ERR_OAUTH2_UNAVAILABLE'],
    [503, { error: 'invalid_client' }, 'ERR_OAUTH2_UNAVAILABLE'],
    [200, {}, 'ERR_OAUTH2_ANSWER_INVALID'],
    [200, { access_token: '' }, 'ERR_OAUTH2_ANSWER_INVALID'],
    [200, { access_token: ['a.b.c'] }, 'ERR_OAUTH2_ANSWER_INVALID'],
    [200, { access_token: 'opaque' }, 'ERR_OAUTH2_TOKEN_OPAQUE'],
    [200, { access_token: 'a.b.c.d.e' }, 'ERR_OAUTH2_TOKEN_OPAQUE'],
  ])('that answers %i %j', async (status, body, expected) => {
    expect(await refused(json(status, body))).toBe(expected)
  })

  it('that answers a page, or without end, is not believed', async () => {
    expect(await refused(async () => new Response('<html>Welcome</html>'))).toBe('ERR_OAUTH2_UNAVAILABLE')
    const endless = () => new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) })
    expect(await refused(async () => new Response(endless()))).toBe('ERR_OAUTH2_UNAVAILABLE')
  })

  it('is asked once, without following redirects, and waited for 5 seconds', async () => {
    const [waits, requests] = [passDeadlines(), [] as Request[]]
    const fetch: Fetch = (request) => {
      requests.push(request)
      return new Promise((_resolve, reject) =>
        request.signal.addEventListener('abort', () => reject(new Error('late'))),
      )
    }
    const method = loginMethod(options, { fetch })
    expect(await refusal(method.login(loginVault('http://127.0.0.1:9'), NEVER))).toBe('ERR_OAUTH2_UNAVAILABLE')
    expect([waits, requests.length, requests[0]?.redirect]).toEqual([[5000], 1, 'manual'])
  })

  it.each([
    [
      'SELF_SIGNED_CERT_IN_CHAIN',
      'tls',
      'has a certificate of an authority that is not trusted here',
      /KEYRING_VAULT_OAUTH2_CACERT/,
    ],
    ['CERT_HAS_EXPIRED', 'tls', 'has a certificate, or one in its chain, that has expired', /dates/],
    ['ENOTFOUND', 'dns', 'has a host name that cannot be resolved', /TOKEN_ENDPOINT/],
    ['ECONNREFUSED', 'connect', 'refuses connections', /TOKEN_ENDPOINT/],
  ])('that cannot be reached is said to be so, with the step that failed: %s', async (code, step, what, remedy) => {
    const fetch = () =>
      Promise.reject(new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code }) }))
    const login = loginMethod(options, { fetch }).login(loginVault('http://127.0.0.1:9'), NEVER)
    await expect(login).rejects.toMatchObject({
      code: 'ERR_OAUTH2_UNAVAILABLE',
      message: expect.stringContaining(`The identity provider at idp.example ${what}`),
      remedy: expect.stringMatching(remedy),
      facts: { step, reason: code },
    })
  })

  it('is not what a defect of ours is taken for', async () => {
    const defect = new TypeError('x is not a function')
    const login = loginMethod(options, { fetch: () => Promise.reject(defect) }).login(
      loginVault('http://127.0.0.1:9'),
      NEVER,
    )
    await expect(login).rejects.toBe(defect)
  })

  it('is not waited for when the caller has gone', async () => {
    const asked: string[] = []
    const fetch: Fetch = async ({ url, signal }) => {
      asked.push(url)
      signal.throwIfAborted()
      return Response.json({})
    }
    const gone = AbortSignal.abort()
    const login = loginMethod(options, { fetch }).login(loginVault('http://127.0.0.1:9'), gone)
    expect(await refusal(login)).toBe('ERR_OAUTH2_UNAVAILABLE')
  })

  it('is sent what is configured, each value of a list once', async () => {
    const forms: URLSearchParams[] = []
    const more = {
      oauth2_scopes: 'a,b',
      oauth2_audiences: 'one two',
      oauth2_resource: 'urn:x urn:y',
      oauth2_parameters: '{"tenant":"t&u"}',
    }
    await refused(
      async (request) => {
        forms.push(new URLSearchParams(await request.text()))
        return Response.json({})
      },
      { ...options, ...more },
    )
    expect([...(forms[0] ?? [])]).toEqual([
      ['grant_type', 'client_credentials'],
      ['scope', 'a b'],
      ['audience', 'one'],
      ['audience', 'two'],
      ['resource', 'urn:x'],
      ['resource', 'urn:y'],
      ['tenant', 't&u'],
    ])
  })
})

describe('an issuer', () => {
  const issuer = 'https://idp.example/tenant'
  const withIssuer = { ...byIssuer, oauth2_issuer: issuer }

  it('is asked for its document by OpenID Connect, then by RFC 8414', async () => {
    const asked: string[] = []
    const fetch: Fetch = async ({ url }) => {
      asked.push(url)
      if (url.includes('openid')) return new Response('', { status: 404 })
      if (url.includes('well-known')) return Response.json({ issuer, token_endpoint: 'https://idp.example/t' })
      return Response.json({ access_token: 'opaque' })
    }
    expect(await refused(fetch, withIssuer)).toBe('ERR_OAUTH2_TOKEN_OPAQUE')
    expect(asked).toEqual([
      'https://idp.example/tenant/.well-known/openid-configuration',
      'https://idp.example/.well-known/oauth-authorization-server/tenant',
      'https://idp.example/t',
    ])
  })

  it.each([
    ['another issuer', { issuer: `${issuer}/`, token_endpoint: 'https://x/' }, 'ERR_OAUTH2_ISSUER_MISMATCH'],
    ['an endpoint without https', { issuer, token_endpoint: 'http://idp.example/t' }, 'ERR_OAUTH2_ANSWER_INVALID'],
    ['an endpoint behind a name', { issuer, token_endpoint: 'http://127.0.0.1:1@e.x/' }, 'ERR_OAUTH2_ANSWER_INVALID'],
    ['an endpoint of files', { issuer, token_endpoint: 'file:///etc/passwd' }, 'ERR_OAUTH2_ANSWER_INVALID'],
    ['no endpoint', { issuer }, 'ERR_OAUTH2_ANSWER_INVALID'],
    ['no form', null, 'ERR_OAUTH2_UNAVAILABLE'],
  ])('is not believed when its document has %s', async (_name, body, expected) => {
    expect(await refused(json(200, body), withIssuer)).toBe(expected)
  })

  it('is not asked where the endpoint is named', async () => {
    const asked: string[] = []
    await refused(
      async ({ url }) => {
        asked.push(url)
        return Response.json({})
      },
      { ...options, oauth2_issuer: issuer },
    )
    expect(asked).toEqual(['https://idp.example/token'])
  })
})
