/** aws_iam: signed questions that moto verifies, and keys from wherever a platform has them. */
import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { awsVault } from '../support/aws-vault.ts'
import { loginRunners } from '../support/login-runners.ts'
import { NEVER, loginMethod, loginVault, passDeadlines, refusal } from '../support/logins.ts'
import { startMoto } from '../support/moto.ts'

const moto = await startMoto()
const address = moto?.address ?? ''

const options = (more = {}) => ({
  auth_method: 'aws_iam',
  aws_login_path: 'cloud',
  aws_auth_role: 'edge',
  aws_auth_region: 'eu-west-1',
  aws_sts_endpoint_url: address,
  aws_access_key_id: moto?.account.id ?? '',
  aws_secret_access_key: moto?.account.secret ?? '',
  ...more,
})

const { aws_access_key_id: _id, aws_secret_access_key: _secret, ...bare } = options()
const matching = (pattern: RegExp) => expect.stringMatching(pattern) as string

/** A Vault that asks moto. */
function vaultAt(serverId = '') {
  const { answer, ...aws } = awsVault(serverId)
  return { ...aws, vault: loginVault('http://vault.test', '', answer) }
}

const LOGIN_REFUSED = 'ERR_VAULT_LOGIN_REFUSED 400'

describe.skipIf(moto === null)('aws_iam', () => {
  const runners = loginRunners()
  afterAll(() => moto?.close())

  describe.each(runners)('on $name', (on) => {
    it('is verified by STS, as who the keys are', async () => {
      const { vault, seen } = vaultAt()
      const { token } = await on.login(options(), vault)
      expect(token.reveal()).toBe(moto?.account.arn)
      expect(vault.asked).toEqual(['auth/cloud/login'])
      expect(seen).toMatchObject([{ role: 'edge', url: `${address}/` }])
      expect(seen[0]?.headers['authorization']).toMatch(/\/eu-west-1\/sts\/aws4_request/)
    })

    it('sends no role when none is named', async () => {
      const { aws_auth_role: _role, ...rest } = options()
      const { vault, seen } = vaultAt()
      await on.login(rest, vault)
      expect(seen).toMatchObject([{ role: undefined }])
    })

    it('signs the id of the server', async () => {
      const named = options({ aws_iam_server_id: 'vault.example' })
      expect(await on.login(named, vaultAt('vault.example').vault)).toBeDefined()
      const other = vaultAt('other.example')
      expect(await refusal(on.login(named, other.vault))).toBe(LOGIN_REFUSED)
      expect(await refusal(on.login(options(), other.vault))).toBe(LOGIN_REFUSED)
      expect(other.refusals).toEqual([/expected "other.example"/, /missing header/].map(matching))
    })

    it('is refused by STS with another secret or unknown keys', async () => {
      const { vault, refusals } = vaultAt()
      const wrong = [{ aws_secret_access_key: 'wrong' }, { aws_access_key_id: 'AKIAUNKNOWNUNKNOWN00' }]
      for (const more of wrong) expect(await refusal(on.login(options(more), vault))).toBe(LOGIN_REFUSED)
      expect(refusals).toEqual([/GetCallerIdentity/, /GetCallerIdentity/].map(matching))
    })

    it('takes another role before, with the name of the session', async () => {
      const more = { aws_assume_role_arn: moto?.role ?? '', aws_role_session_name: 'from-the-edge' }
      const { token } = await on.login(options(more), vaultAt().vault)
      expect(token.reveal()).toMatch(/:assumed-role\/login\/from-the-edge$/)
    })

    it('is refused before Vault is asked when the role may not be taken, or STS is away', async () => {
      const { vault } = vaultAt()
      const closed = options({ aws_assume_role_arn: moto?.closedRole ?? '' })
      expect(await refusal(on.login(closed, vault))).toBe('ERR_AWS_ROLE_REFUSED')
      const away = options({ aws_assume_role_arn: moto?.role ?? '', aws_sts_endpoint_url: 'http://127.0.0.1:9' })
      expect(await refusal(on.login(away, vault))).toBe('ERR_AWS_UNAVAILABLE unknown')
      expect(vault.asked).toEqual([])
    })

    it('with temporary keys of the environment signs the session too', async () => {
      const { vault, seen } = vaultAt()
      const env = {
        AWS_ACCESS_KEY_ID: moto?.session.id ?? '',
        AWS_SECRET_ACCESS_KEY: moto?.session.secret ?? '',
        AWS_SESSION_TOKEN: moto?.session.token ?? '',
      }
      expect((await on.login(bare, vault, { env })).token.reveal()).toBe(moto?.session.arn)
      expect(seen[0]?.headers).toMatchObject({
        'x-amz-security-token': moto?.session.token,
        authorization: expect.stringContaining('x-amz-security-token'),
      })
    })
  })

  describe('with the keys of the platform', () => {
    let services: Server
    let base = ''
    let answer: (request: IncomingMessage) => { status?: number; body: string }
    beforeAll(async () => {
      services = createServer((request, response) => {
        const { status = 200, body } = answer(request)
        response.writeHead(status).end(body)
      })
      await new Promise<void>((resolve) => services.listen(0, '127.0.0.1', resolve))
      base = `http://127.0.0.1:${(services.address() as AddressInfo).port}`
    })
    afterAll(() => services.close())

    const keys = () =>
      JSON.stringify({
        AccessKeyId: moto?.session.id,
        SecretAccessKey: moto?.session.secret,
        Token: moto?.session.token,
        Code: 'Success',
      })
    const login = (env: Record<string, string>, parts = {}) =>
      loginMethod(bare, parts, env).login(vaultAt().vault, NEVER)

    it("of a cluster's service account come from STS for its token, unsigned; the token is read anew", async () => {
      const tokens = ['one', 'two']
      const sent: unknown[] = []
      const { id, secret, token } = moto?.session ?? { id: '', secret: '', token: '' }
      const xml = `<AccessKeyId>${id}</AccessKeyId><SecretAccessKey>${secret}</SecretAccessKey><SessionToken>${token}</SessionToken>`
      const parts = {
        readFile: async (path: string) => `${path}:${tokens.shift()}\n`,
        fetch: async (request: Request) => {
          const fields = Object.fromEntries(new URLSearchParams(await request.text()))
          sent.push({ ...fields, url: request.url, authorization: request.headers.get('authorization') })
          return new Response(xml)
        },
      }
      const env = {
        AWS_WEB_IDENTITY_TOKEN_FILE: '/token',
        AWS_ROLE_ARN: 'arn:aws:iam::1:role/pod',
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `${base}/keys`,
      }
      expect((await login(env, parts)).token.reveal()).toBe(moto?.session.arn)
      expect((await login({ ...env, AWS_ROLE_SESSION_NAME: 'pod-7' }, parts)).token.reveal()).toBe(moto?.session.arn)
      const asked = {
        Version: '2011-06-15',
        Action: 'AssumeRoleWithWebIdentity',
        RoleArn: 'arn:aws:iam::1:role/pod',
        DurationSeconds: '900',
        url: `${address}/`,
        authorization: null,
      }
      expect(sent).toEqual([
        { ...asked, RoleSessionName: 'edge-keyring', WebIdentityToken: '/token:one' },
        { ...asked, RoleSessionName: 'pod-7', WebIdentityToken: '/token:two' },
      ])
    })

    it("of a cluster's service account are refused by STS, or its token cannot be read", async () => {
      const env = { AWS_WEB_IDENTITY_TOKEN_FILE: '/token', AWS_ROLE_ARN: moto?.role ?? '' }
      const answering = (status: number) => ({
        readFile: async () => 'token',
        fetch: async () => new Response('<Error>token</Error>', { status }),
      })
      expect(await refusal(login(env, answering(403)))).toBe('ERR_AWS_ROLE_REFUSED')
      expect(await refusal(login(env, answering(503)))).toBe('ERR_AWS_UNAVAILABLE')
      const unreadable = { readFile: () => Promise.reject(Object.assign(new Error('x'), { code: 'EACCES' })) }
      expect(await refusal(login(env, unreadable))).toBe('ERR_LOGIN_CREDENTIAL_UNREADABLE AWS_WEB_IDENTITY_TOKEN_FILE')
    })

    it('of the container come with its authorization', async () => {
      answer = ({ headers, url }) =>
        headers.authorization === 'key-of-the-task' && url === '/keys'
          ? { body: keys() }
          : { status: 403, body: keys() }
      const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${base}/keys` }
      const authorized = { ...env, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'key-of-the-task' }
      expect((await login(authorized)).token.reveal()).toBe(moto?.session.arn)
      expect(await refusal(login(env))).toBe('ERR_AWS_CREDENTIALS_UNAVAILABLE')
    })

    it('of the instance come by version 2 of its metadata alone', async () => {
      const asked: string[] = []
      answer = ({ method, url, headers }) => {
        asked.push(`${method} ${url}`)
        if (method === 'PUT') return { body: 'imds-session' }
        if (headers['x-aws-ec2-metadata-token'] !== 'imds-session') return { status: 401, body: '' }
        return { body: url?.endsWith('/edge-role') ? keys() : 'edge-role\n' }
      }
      const issued = await login({ AWS_EC2_METADATA_SERVICE_ENDPOINT: `${base}/` })
      expect(issued.token.reveal()).toBe(moto?.session.arn)
      const roles = '/latest/meta-data/iam/security-credentials/'
      expect(asked).toEqual(['PUT /latest/api/token', `GET ${roles}`, `GET ${roles}edge-role`])
    })

    it.each([
      ['no role', () => ({ body: '' })],
      [
        'a role that would be another path',
        ({ method, url }: IncomingMessage) => ({ body: method === 'PUT' ? 't' : url?.endsWith('/') ? '../x' : keys() }),
      ],
      ['no JSON', ({ url }: IncomingMessage) => ({ body: url?.endsWith('/r') ? '<xml/>' : 'r' })],
      ['too much', () => ({ body: 'x'.repeat(300_000) })],
      ['a redirect', () => ({ status: 302, body: '' })],
    ])('of the instance are not believed with %s', async (_name, odd) => {
      answer = odd
      const vault = { AWS_EC2_METADATA_SERVICE_ENDPOINT: base }
      expect(await refusal(login(vault))).toBe('ERR_AWS_CREDENTIALS_UNAVAILABLE')
    })

    it('of a service that does not answer are waited for one second', async () => {
      const waits = passDeadlines()
      const silent = {
        fetch: ({ signal }: Request) =>
          new Promise<never>((_resolve, reject) =>
            signal.addEventListener('abort', () => reject(new Error('aborted'))),
          ),
      }
      const late = login({ AWS_EC2_METADATA_SERVICE_ENDPOINT: base }, silent)
      expect([await refusal(late), waits]).toEqual(['ERR_AWS_CREDENTIALS_UNAVAILABLE', [1000]])
    })

    it('are one credential as long as they come from there; own keys are what they are', async () => {
      const credential = (env: Record<string, string>, more = {}) =>
        loginMethod({ ...bare, ...more }, {}, env).credential(NEVER)
      const lambda = (id: string) => ({ AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: 'k', AWS_SESSION_TOKEN: id })
      expect(await credential(lambda('A'))).toBe(await credential(lambda('B')))
      const role = (name: string) => ({
        AWS_WEB_IDENTITY_TOKEN_FILE: '/t',
        AWS_ROLE_ARN: `arn:aws:iam::1:role/${name}`,
      })
      expect(await credential(role('a'))).not.toBe(await credential(role('b')))
      expect(await credential({}, { aws_assume_role_arn: moto?.role ?? '' })).not.toBe(await credential({}))
      const own = (secret: string) => loginMethod(options({ aws_secret_access_key: secret })).credential(NEVER)
      expect(await own('a')).not.toBe(await own('b'))
    })
  })
})
