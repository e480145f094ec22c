/** Logins to a real OpenBao with the JWT that a platform gives to what runs on it. */
import type { IncomingMessage } from 'node:http'
import type { JWTPayload } from 'jose'
import { SignJWT, exportSPKI, generateKeyPair } from 'jose'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Listening } from '../support/listen.ts'
import { listen } from '../support/listen.ts'
import { NEVER, loginMethod, loginVault, passDeadlines, refusal } from '../support/logins.ts'
import { vaultClient } from '../support/vault.ts'

const shared = inject('openbao')
const address = shared?.address ?? ''
const admin = vaultClient(address, shared?.token ?? '')
const AUDIENCE = 'https://vault.example'

async function must(path: string, body: object): Promise<void> {
  const answer = await admin.request('POST', path, { body })
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
}

type Reply = string | { readonly status: number; readonly body: string }

describe.skipIf(shared === null)('with the identity that a platform gives', () => {
  let sign: (claims: JWTPayload) => Promise<string>
  let services: Listening
  let host = ''
  /** What the service was asked. */
  const asked: string[] = []
  let answer: (request: IncomingMessage, audience: string) => Reply | Promise<Reply>

  beforeAll(async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    sign = (claims) =>
      new SignJWT({ sub: 'edge', aud: AUDIENCE, ...claims })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(privateKey)
    await must('sys/auth/platform', { type: 'jwt' })
    await must('auth/platform/config', { jwt_validation_pubkeys: [await exportSPKI(publicKey)] })
    await must('auth/platform/role/edge', {
      role_type: 'jwt',
      user_claim: 'sub',
      bound_audiences: [AUDIENCE],
      token_policies: ['default'],
    })
    services = await listen(async (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://service')
      asked.push(pathname)
      const audience = searchParams.get('audience') ?? searchParams.get('resource') ?? ''
      const sent = await answer(request, audience)
      const { status, body } = typeof sent === 'string' ? { status: 200, body: sent } : sent
      response.writeHead(status, { location: '/elsewhere' }).end(body)
    })
    host = new URL(services.url).host
  })
  afterAll(() => services.close())

  /** As the platform's own clients find it: https://docs.github.com, learn.microsoft.com, docs.cloud.google.com. */
  const platform = (name: string): Record<string, string> => {
    if (name === 'google') return { GCE_METADATA_HOST: host }
    if (name === 'github')
      return {
        ACTIONS_ID_TOKEN_REQUEST_URL: `http://${host}/idtoken?api-version=2.0`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'job',
      }
    return { IDENTITY_ENDPOINT: `http://${host}/msi/token`, IDENTITY_HEADER: 'of-the-app' }
  }
  const method = (source: string, parts = {}, more = {}) => {
    const options = { auth_method: 'jwt', jwt_auth_path: 'platform', jwt_role: 'edge', jwt_source: source }
    return loginMethod({ ...options, jwt_audience: AUDIENCE, ...more }, parts, platform(source))
  }
  const login = (...how: Parameters<typeof method>) => method(...how).login(loginVault(address), NEVER)

  it.each([
    ['google', 'metadata-flavor', 'Google', (jwt: string) => `${jwt}\n`],
    ['azure', 'x-identity-header', 'of-the-app', (jwt: string) => JSON.stringify({ access_token: jwt })],
    ['github', 'authorization', 'bearer job', (jwt: string) => JSON.stringify({ count: 9, value: jwt })],
  ])('%s, a JWT for the audience asked for is taken, with its header alone', async (source, header, value, wrap) => {
    answer = async ({ headers }, aud) =>
      headers[header] === value ? wrap(await sign({ aud })) : { status: 403, body: '' }
    const issued = await login(source)
    const { status, body } = await vaultClient(address, issued.token.reveal()).request('GET', 'auth/token/lookup-self')
    expect([status, body]).toMatchObject([
      200,
      { data: { path: 'auth/platform/login', display_name: 'platform-edge' } },
    ])
    const other = login(source, {}, { jwt_audience: 'https://other.example' })
    expect(await refusal(other)).toBe('ERR_VAULT_LOGIN_CLAIMS_REFUSED 400')
  })

  it('of a virtual machine of Azure, a JWT comes from instance metadata', async () => {
    const seen: string[] = []
    const parts = {
      fetch: async (request: Request) => {
        seen.push(request.url.split('?')[0] ?? '', request.headers.get('metadata') ?? '')
        return Response.json({ access_token: await sign({}) })
      },
    }
    const options = { auth_method: 'jwt', jwt_auth_path: 'platform', jwt_role: 'edge', jwt_source: 'azure' }
    const vm = loginMethod({ ...options, jwt_audience: AUDIENCE }, parts)
    expect(await vm.login(loginVault(address), NEVER)).toBeDefined()
    expect(seen).toEqual(['http://169.254.169.254/metadata/identity/oauth2/token', 'true'])
  })

  it('is asked for once by a look and the login that follows, and anew a minute later', async () => {
    const clock = { time: Date.now(), now: () => clock.time, sleep: () => new Promise<never>(() => {}) }
    answer = () => sign({})
    asked.length = 0
    const edge = method('google', { clock })
    await edge.credential(NEVER)
    await edge.login(loginVault(address), NEVER)
    expect(asked).toHaveLength(1)
    clock.time += 60_000
    await edge.credential(NEVER)
    expect(asked).toHaveLength(2)
  })

  it('is one credential as long as the platform names the same subject', async () => {
    const credential = async (claims: JWTPayload) => {
      answer = () => sign(claims)
      return method('google').credential(NEVER)
    }
    expect(await credential({ jti: 'a' })).toBe(await credential({ jti: 'b' }))
    expect(await credential({ sub: 'other' })).not.toBe(await credential({}))
  })

  it.each([
    ['an error', async () => ({ status: 500, body: JSON.stringify({ value: await sign({}) }) })],
    ['a redirect', async () => ({ status: 302, body: JSON.stringify({ value: await sign({}) }) })],
    ['another form', async () => JSON.stringify({ token: await sign({}) })],
    ['no JSON', async () => sign({})],
    ['null', () => 'null'],
    ['an opaque token', () => JSON.stringify({ value: 'opaque' })],
    ['something that is no text', () => JSON.stringify({ value: { a: 1 } })],
    ['too much', () => JSON.stringify({ value: 'x'.repeat(300_000) })],
  ])('is not believed with %s, and Vault is not asked', async (_name, odd) => {
    answer = odd
    asked.length = 0
    const vault = loginVault(address)
    const ended = await refusal(method('github').login(vault, NEVER))
    expect([ended, asked, vault.asked]).toEqual(['ERR_IDENTITY_TOKEN_UNAVAILABLE', ['/idtoken'], []])
  })

  it('of a service that does not answer is waited for five seconds', async () => {
    const waits = passDeadlines()
    const silent = ({ signal }: Request) =>
      new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
    const late = login('google', { fetch: silent })
    expect([await refusal(late), waits]).toEqual(['ERR_IDENTITY_TOKEN_UNAVAILABLE', [5000]])
  })
})
