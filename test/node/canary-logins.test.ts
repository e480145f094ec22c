/** A canary in every credential of every login, before a Vault that echoes what it gets and one that lets everybody in. */
import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { startNode } from '../conformance/driver.ts'
import { selfSigned } from '../support/certificates.ts'

const API_TOKEN = 'ek_canary_logins_of_no_importance'
const ISSUED = 'hvs.canary-issued-token-0001'
const WRAPPED = 'canary-secret-id-in-the-wrapping-0002'
const ACCESS = `${part({ alg: 'none' })}.${part({ sub: 'edge' })}.canary-access-token-0003`
const HEADER = 'canary-header-value-0004'

function part(json: object): string {
  return Buffer.from(JSON.stringify(json)).toString('base64url')
}
const jwt = (name: string): string => `${part({ alg: 'none' })}.${part({ sub: 'edge' })}.${name}`

type Env = Readonly<Record<string, string>>
type Mode = 'echoes' | 'admits'

/** Vault and identity provider in one. What it gets is kept: signatures and assertions are credentials too. */
class Counterpart {
  mode: Mode = 'admits'
  status = 400
  readonly got: string[] = []
  readonly server: Server = createServer((incoming, outgoing) => {
    void this.#answer(incoming).then(({ status, body }) =>
      outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
    )
  })

  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async #answer(incoming: IncomingMessage): Promise<{ status: number; body: object }> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const path = incoming.url ?? ''
    this.got.push(text)
    if (path.startsWith('/v1/sys/health')) return { status: 200, body: HEALTH }
    const all = `${JSON.stringify(incoming.headers)} ${text}`
    if (this.mode === 'echoes')
      return { status: this.status, body: { errors: [all], error: all, error_description: all } }
    if (path === '/token') return { status: 200, body: { access_token: ACCESS, token_type: 'Bearer', expires_in: 300 } }
    if (path.endsWith('/lookup'))
      return { status: 200, body: { data: { creation_path: 'auth/approle/role/edge/secret-id' } } }
    if (path.endsWith('/unwrap')) return { status: 200, body: { data: { secret_id: WRAPPED } } }
    if (path.includes('/login')) return { status: 200, body: { auth: AUTH } }
    return { status: 403, body: { errors: [`1 error occurred:\n\t* permission denied ${all}`] } }
  }
}
const HEALTH = { initialized: true, sealed: false, standby: false, server_time_utc: 1, version: '1.0' }
const AUTH = { client_token: ISSUED, lease_duration: 3600, renewable: true, token_type: 'service', num_uses: 0 }

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const middleOf = (pem: string): string => pem.split('\n')[1] ?? ''

describe('every login', () => {
  const counterpart = new Counterpart()
  let certificate: { cert: string; key: string }
  beforeAll(async () => {
    await new Promise<void>((resolve) => counterpart.server.listen(0, '127.0.0.1', resolve))
    certificate = await selfSigned('edge')
  })
  afterAll(() => void counterpart.server.close())

  const logins: Readonly<Record<string, () => { options: Env; secrets: readonly string[] }>> = {
    userpass: () =>
      given({ userpass_username: 'edge', userpass_password: 'canary-password-0005' }, 'userpass_password'),
    approle: () =>
      given(
        { approle_role_id: 'canary-role-id-0006', approle_secret_id: 'canary-secret-id-0007' },
        'approle_role_id',
        'approle_secret_id',
      ),
    'approle, wrapped': () =>
      given(
        {
          approle_role_id: 'edge',
          approle_secret_id: 'canary-wrapping-token-0008',
          approle_response_wrapping: 'on',
          approle_role_name: 'edge',
        },
        'approle_secret_id',
      ),
    kubernetes: () =>
      given({ kube_role: 'edge', kube_api_token: jwt('canary-service-account-0009') }, 'kube_api_token'),
    jwt: () => given({ jwt_role: 'edge', jwt: jwt('canary-jwt-0010') }, 'jwt'),
    oauth2: () => given({ ...client(), oauth2_client_secret: 'canary-client-secret-0011' }, 'oauth2_client_secret'),
    'oauth2, post': () =>
      given(
        { ...client(), oauth2_client_auth: 'client_secret_post', oauth2_client_secret: 'canary-client-secret-0012' },
        'oauth2_client_secret',
      ),
    'oauth2, key': () => ({
      options: { ...client(), oauth2_client_auth: 'private_key_jwt', oauth2_private_key: PEM },
      secrets: [middleOf(PEM)],
    }),
    cert: () => ({
      options: { cert_auth_cert: certificate.cert, cert_auth_cert_key: certificate.key },
      secrets: [middleOf(certificate.key)],
    }),
    aws_iam: () =>
      given(
        {
          aws_auth_region: 'eu-central-1',
          aws_access_key_id: 'AKIACANARY0013ABCDEF',
          aws_secret_access_key: 'canary-aws-secret-0014',
        },
        'aws_secret_access_key',
      ),
  }
  const given = (options: Env, ...secret: string[]) => ({ options, secrets: secret.map((name) => options[name] ?? '') })
  const client = () => ({
    oauth2_role_name: 'edge',
    oauth2_client_id: 'edge',
    oauth2_token_endpoint: `${counterpart.address}/token`,
  })

  it.each(Object.keys(logins))(
    '%s: no credential in an answer, a log, a diagnosis, an inspected object or the store',
    async (name) => {
      const { options, secrets } = logins[name]?.() ?? { options: {}, secrets: [] }
      const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-canary-'))
      const settings = {
        KEYRING_VAULT_HOST: counterpart.address,
        KEYRING_VAULT_MOUNT: 'secret',
        KEYRING_VAULT_PATH: 'keyring',
        KEYRING_VAULT_HEADERS: JSON.stringify({ 'CF-Access-Client-Secret': HEADER }),
        KEYRING_VAULT_AUTH_METHOD: name.split(',')[0] ?? '',
        ...Object.fromEntries(
          Object.entries(options).map(([option, value]) => [`KEYRING_VAULT_${option.toUpperCase()}`, value]),
        ),
        KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
        KEYRING_API_TOKENS: JSON.stringify([
          { name: 'admin', sha256: createHash('sha256').update(API_TOKEN).digest('hex'), grants: ['admin'] },
        ]),
        KEYRING_DATABASE: join(folder, 'keyring.sqlite'),
      }
      counterpart.mode = 'echoes'
      counterpart.got.length = 0
      const seen = [
        inspect(parseConfig(settings, 'node'), { depth: 9, showHidden: true }),
        JSON.stringify(parseConfig(settings, 'node')),
      ]
      const deployments: Awaited<ReturnType<typeof startNode>>[] = []
      const visit = async (mode: Mode, status = 400) => {
        Object.assign(counterpart, { mode, status })
        const deployment = await startNode({ ...settings, KEYRING_DATABASE: join(folder, `${mode}-${status}.sqlite`) })
        deployments.push(deployment)
        const headers = { authorization: `Bearer ${API_TOKEN}` }
        for (const [method, path] of [
          ['POST', '/keyring/vault/sync'],
          ['GET', '/keyrings/default/doctor'],
          ['GET', '/keyrings/default'],
        ] as const)
          seen.push(await (await fetch(deployment.url + path, { method, headers })).text())
        await deployment.stop()
      }
      for (const status of [400, 500]) await visit('echoes', status)
      await visit('admits')
      const files = readdirSync(folder).map((file) => readFileSync(join(folder, file)).toString('latin1'))
      expect(files.length).toBeGreaterThan(2)
      seen.push(...files, ...deployments.map((deployment) => deployment.output()))
      rmSync(folder, { recursive: true })
      const sent = counterpart.got.flatMap((text) => [...signaturesOf(text)])
      if (name === 'aws_iam' || name === 'oauth2, key') expect(sent.length).toBeGreaterThan(0)
      const canaries = [...secrets, ...sent, ISSUED, ACCESS, WRAPPED, HEADER]
      for (const canary of canaries.flatMap(spellings)) expect(seen.filter((text) => text.includes(canary))).toEqual([])
    },
  )
})

/** SigV4 signatures and client assertions, which are made anew for each login. */
function* signaturesOf(text: string): Generator<string> {
  const assertion = new URLSearchParams(text).get('client_assertion')
  if (assertion !== null) yield assertion.split('.')[2] ?? ''
  const headers = /"iam_request_headers":"([^"]+)"/.exec(text)?.[1]
  if (headers === undefined) return
  const signature = /Signature=([0-9a-f]{64})/.exec(Buffer.from(headers, 'base64').toString())?.[1]
  if (signature !== undefined) yield signature
}

const spellings = (text: string): string[] =>
  [
    text,
    ...(['base64', 'base64url', 'hex'] as const).map((form) => Buffer.from(text).toString(form).replace(/=+$/, '')),
  ].filter(Boolean)
