/** A canary in every credential of the logins, and in what is made of them, looked for in everything that may be printed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { exportPKCS8, generateKeyPair } from 'jose'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { METHOD_NAMES } from '../../src/config/login-methods.ts'
import type { Fetch } from '../../src/core/ports.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { openLogin } from '../../src/vault/login/open.ts'
import { NEVER, loginParts, loginSettings, loginVault, memoryItems } from '../support/logins.ts'

const CANARY = 'c4n4ry'
const jwt = (name: string) => `${CANARY}-${name}.${CANARY}-claims.${CANARY}-signature`
let folder = ''
let pem = ''
const file = (name: string) => join(folder, name)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'logins-'))
  writeFileSync(file('jwt'), jwt('file'))
  writeFileSync(file('odd'), `${CANARY} with spaces and ä`)
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  pem = await exportPKCS8(privateKey)
})
afterAll(() => rmSync(folder, { recursive: true }))

const approle = { auth_method: 'approle', approle_role_id: `${CANARY}-role-id` }
const oauth2 = {
  auth_method: 'oauth2',
  oauth2_token_endpoint: 'https://idp.example/token',
  oauth2_client_id: 'client',
}
const aws = {
  auth_method: 'aws_iam',
  aws_auth_region: 'eu-west-1',
  aws_access_key_id: 'AKIATESTTESTTESTTEST',
  aws_secret_access_key: `${CANARY}-aws-secret`,
  aws_iam_server_id: 'vault.example',
}

const METHODS: Readonly<Record<string, () => Record<string, string>>> = {
  userpass: () => ({ auth_method: 'userpass', userpass_username: 'ann', userpass_password: `${CANARY}-password` }),
  approle: () => ({ ...approle, approle_secret_id: `${CANARY}-secret-id` }),
  'approle, wrapped': () => ({
    ...approle,
    approle_secret_id: `${CANARY}-wrapping-token`,
    approle_response_wrapping: 'on',
    approle_role_name: 'app',
  }),
  'approle, odd file': () => ({ ...approle, approle_secret_id_file: file('odd') }),
  kubernetes: () => ({ auth_method: 'kubernetes', kube_api_token_file: file('jwt') }),
  'kubernetes, opaque': () => ({ auth_method: 'kubernetes', kube_api_token: `${CANARY}-opaque` }),
  jwt: () => ({ auth_method: 'jwt', jwt: jwt('value') }),
  'jwt, of the platform': () => ({ auth_method: 'jwt', jwt_source: 'github', jwt_audience: 'vault' }),
  cert: () => ({ auth_method: 'cert', cert_auth_cert: file('jwt'), cert_auth_cert_key: `-----BEGIN ${CANARY}-key` }),
  'oauth2, basic': () => ({ ...oauth2, oauth2_client_secret: `${CANARY}-client-secret` }),
  'oauth2, post': () => ({
    ...oauth2,
    oauth2_client_secret: `${CANARY}-client-secret`,
    oauth2_client_auth: 'client_secret_post',
  }),
  'oauth2, key': () => ({ ...oauth2, oauth2_private_key: pem }),
  'oauth2, odd key': () => ({ ...oauth2, oauth2_private_key: file('odd') }),
  'oauth2, odd JWK': () => ({ ...oauth2, oauth2_private_key: `{"d":"${CANARY}-jwk"}` }),
  aws_iam: () => aws,
  'aws_iam, other role': () => ({ ...aws, aws_assume_role_arn: 'arn:aws:iam::123456789012:role/login' }),
}

const PLATFORM = {
  ACTIONS_ID_TOKEN_REQUEST_URL: 'https://actions.example/token',
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: `${CANARY}-job`,
}

/** Whoever is asked says back what it was sent, as an error or as an answer. */
const ECHOES: Readonly<Record<string, (sent: string) => Response>> = {
  refusal: (sent) => Response.json({ error: sent, error_description: sent, errors: [sent] }, { status: 400 }),
  denial: (sent) =>
    Response.json({ error: 'invalid_client', error_description: sent, errors: [sent] }, { status: 403 }),
  failure: (sent) => new Response(sent, { status: 500 }),
  answer: (sent) => Response.json({ access_token: sent, data: { creation_path: sent, secret_id: sent }, auth: {} }),
  token: () =>
    Response.json({ access_token: jwt('access'), value: jwt('identity'), auth: { client_token: `${CANARY}-token` } }),
  xml: () => new Response(`<AccessKeyId>${CANARY}</AccessKeyId>`),
  wrapped: () =>
    Response.json({ data: { creation_path: 'auth/approle/role/app/secret-id', secret_id: `${CANARY}-sid` } }),
}

/** What was made of the credentials, as it went out. */
const made = (sent: string): string[] =>
  [...sent.matchAll(/Signature=([0-9a-f]{64})|client_assertion=([\w.-]+)|Basic ([\w+/=]+)/g)].flatMap(([, ...found]) =>
    found.filter((each) => each !== undefined),
  )

it('has a case of every method', () => {
  const cases = new Set(Object.keys(METHODS).map((name) => name.split(',')[0]))
  expect(METHOD_NAMES.filter((name) => name !== 'token' && !cases.has(name))).toEqual([])
})

it.each(Object.keys(METHODS).flatMap((name) => Object.keys(ECHOES).map((echo) => [name, echo] as const)))(
  'leaks nothing: %s, answered by a %s',
  async (name, echo) => {
    const secrets = new Set([CANARY, ...pem.split('\n').slice(1, -2)])
    const send: Fetch = async (request) => {
      const headers = [...request.headers].map(([header, value]) => `${header}: ${value}`)
      const sent = [request.url, ...headers, await request.text()].join('\n')
      const inside = /"iam_request_headers":"([^"]+)"/.exec(sent)?.[1]
      for (const secret of made(sent + atob(inside ?? ''))) secrets.add(secret)
      return ECHOES[echo]?.(sent) ?? new Response()
    }
    const before = secrets.size
    const settings = loginSettings(METHODS[name]?.() ?? {}, PLATFORM)
    if (settings.method === 'token') throw new Error('A token is no login.')
    const [parts, vault] = [
      loginParts({ fetch: send, items: memoryItems() }),
      loginVault('http://vault.example', '', send),
    ]
    const method = openLogin(settings, parts)
    const ended: unknown = await method.login(vault, NEVER).catch((error: unknown) => error)
    if (ended instanceof Error && !(ended instanceof KeyringError)) throw ended
    // Signatures, assertions and encoded pairs were found in what went out.
    if (/^aws|key$|basic$/.test(name)) expect([name, secrets.size > before || / odd /.test(name)]).toEqual([name, true])
    await Promise.resolve(method.credential(NEVER)).catch(() => null)
    const seen = [settings, method, ended].flatMap((each) => [
      inspect(each, { depth: 9, showHidden: true }),
      JSON.stringify(each),
      each instanceof Error ? `${each.message} ${each.stack}` : '',
    ])
    for (const secret of secrets) expect([secret, seen.filter((text) => text.includes(secret))]).toEqual([secret, []])
  },
)
