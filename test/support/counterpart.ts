/** Vault, identity provider, platform and STS in one: it echoes all that it ever got, from one step on, or lets everybody in. */
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'

/** 'login' = of Vault, after identity provider, STS and unwrapping did their part; 'reads' = what comes after it. */
export interface Echo {
  readonly at: 'everything' | 'login' | 'reads'
  readonly status: number
}

export interface Counterpart {
  readonly address: string
  /** All requests so far, with their headers. */
  readonly got: readonly string[]
  close(): Promise<void>
}

/** Canaries in what is issued. */
export const ISSUED = {
  token: 'hvs.canary-issued-token-1001',
  accessor: 'canary-issued-accessor-1002',
  secretId: 'canary-wrapped-secret-id-1003',
  accessToken: `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.canary-access-token-1004`,
  identityToken: `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.canary-identity-token-1008`,
  awsSecret: 'canary-assumed-secret-1005',
  awsSession: 'canary-assumed-session-1006',
  imdsSession: 'canary-imds-session-1009',
  platformSecret: 'canary-platform-secret-1010',
  platformSession: 'canary-platform-session-1011',
  key: 'canary-key-string-1007-0123456789abcdef',
}

const STATE = { created_time: '2026-01-01T00:00:00Z', deletion_time: '', destroyed: false }
const TOKEN = { policies: ['reads'], renewable: true, token_type: 'service', num_uses: 0 }
const STS = `<AccessKeyId>ASIATESTTESTTESTTEST</AccessKeyId><SecretAccessKey>${ISSUED.awsSecret}</SecretAccessKey><SessionToken>${ISSUED.awsSession}</SessionToken>`
const KEYS = {
  AccessKeyId: 'ASIATESTTESTTESTTEST',
  SecretAccessKey: ISSUED.platformSecret,
  Token: ISSUED.platformSession,
}
const HEALTH = { initialized: true, sealed: false, standby: false, server_time_utc: 1, version: '1.0' }

const ANSWERS: readonly (readonly [RegExp, object | string])[] = [
  [/^\/token$/, { access_token: ISSUED.accessToken, token_type: 'Bearer', expires_in: 300 }],
  [/^\/identity$/, { value: ISSUED.identityToken }],
  [/^\/sts$/, STS],
  [/^\/(?:keys|latest\/meta-data\/iam\/security-credentials\/edge)$/, KEYS],
  [/^\/latest\/meta-data\/iam\/security-credentials\/$/, 'edge'],
  [/^\/latest\/api\/token$/, ISSUED.imdsSession],
  [/^\/v1\/sys\/health/, HEALTH],
  [/\/wrapping\/lookup$/, { data: { creation_path: 'auth/approle/role/edge/secret-id' } }],
  [/\/wrapping\/unwrap$/, { data: { secret_id: ISSUED.secretId } }],
  [/\/login/, { auth: { ...TOKEN, client_token: ISSUED.token, accessor: ISSUED.accessor, lease_duration: 3600 } }],
  [/\/lookup-self$/, { data: { ...TOKEN, id: ISSUED.token, accessor: ISSUED.accessor, ttl: 3600 } }],
  [/\/metadata\//, { data: { created_time: STATE.created_time, current_version: 1, versions: { 1: STATE } } }],
  [/\/data\//, { data: { data: { id: 'k1', key: ISSUED.key }, metadata: { ...STATE, version: 1 } } }],
]

const ECHOED: Readonly<Record<Echo['at'], RegExp>> = {
  everything: /^(?!\/v1\/sys\/health)/,
  login: /\/login/,
  reads: /^\/v1\/(?:secret\/|auth\/token\/|sys\/(?!health|wrapping))/,
}

/** @param echo `null` = lets everybody in. @param tls `null` = plain. */
export async function startCounterpart(echo: Echo | null, tls: ServerOptions | null): Promise<Counterpart> {
  const got: string[] = []
  const reply = async (request: IncomingMessage, response: ServerResponse) => {
    got.push(await textOf(request))
    const issuer = `${tls === null ? 'http' : 'https'}://${request.headers.host}`
    const { status, body } = answer(request.url ?? '/', got, echo, issuer)
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
  const listener: RequestListener = (request, response) => void reply(request, response)
  const server = tls === null ? createServer(listener) : createTlsServer(tls, listener)
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  return {
    address: `${tls === null ? 'http' : 'https'}://localhost:${(server.address() as AddressInfo).port}`,
    got,
    close: () => new Promise<void>((resolve) => (server.close(() => resolve()), server.closeAllConnections())),
  }
}

function answer(
  path: string,
  got: readonly string[],
  echo: Echo | null,
  issuer: string,
): { status: number; body: object | string } {
  const all = got.join('\n')
  if (echo !== null && ECHOED[echo.at].test(path))
    return { status: echo.status, body: { errors: [all], error: all, error_description: all } }
  if (path === '/.well-known/openid-configuration')
    return { status: 200, body: { issuer, token_endpoint: `${issuer}/token` } }
  const body = ANSWERS.find(([of]) => of.test(path.split('?')[0] ?? ''))?.[1]
  return body === undefined ? { status: 403, body: { errors: [`permission denied ${all}`] } } : { status: 200, body }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return [request.url, ...request.rawHeaders, Buffer.concat(chunks).toString()].join('\n')
}
