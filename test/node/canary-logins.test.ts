/** A canary in every credential of every login, before servers that echo all they got, at each step of it, and ones that let in. */
import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openInstance } from '../../functions/node/instance.ts'
import { parseConfig } from '../../src/config/config.ts'
import { startNode } from '../conformance/driver.ts'
import type { Authority, Pair } from '../support/certificates.ts'
import { authority } from '../support/certificates.ts'
import type { Counterpart, Echo } from '../support/counterpart.ts'
import { ISSUED, startCounterpart } from '../support/counterpart.ts'

type Env = Readonly<Record<string, string>>

const API_TOKEN = 'ek_canary_logins_of_no_importance'
const HEADER = 'canary-header-value-0001'
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-canary-'))
const printed: string[] = []
let root: Authority
let server: Pair
let client: Pair
beforeAll(async () => {
  for (const [name, text] of Object.entries(FILED)) writeFileSync(join(folder, name), text)
  root = await authority('Vault authority')
  server = await root.issue('vault', { hosts: ['localhost'] })
  client = await root.issue('edge')
  for (const method of ['error', 'warn', 'log', 'info'] as const)
    vi.spyOn(console, method).mockImplementation((...words) => void printed.push(inspect(words, { depth: 9 })))
})
afterAll(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

const fileOf = (name: keyof typeof FILED): string => join(folder, name)
const jwt = (name: string): string => `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.${name}`
const oauth2 = (at: string): Env => ({ OAUTH2_CLIENT_ID: 'edge', OAUTH2_TOKEN_ENDPOINT: `${at}/token` })
const AWS = { AWS_ACCESS_KEY_ID: 'AKIATESTTESTTESTTEST', AWS_SECRET_ACCESS_KEY: 'canary-aws-secret-0010' }
const SESSION = { ...AWS, AWS_SESSION_TOKEN: 'canary-session-token-0011' }
const FILED = {
  'approle, file': 'canary-filed-secret-id-0013',
  'kubernetes, file': jwt('canary-filed-service-account-0014'),
  'jwt, file': jwt('canary-filed-jwt-0015'),
  'aws_iam, service account': jwt('canary-filed-web-identity-0018'),
} as const
const ROLE_ID = { APPROLE_ROLE_ID: 'canary-role-id-0003' }

/** Settings behind `KEYRING_VAULT_`. @param at address of the counterpart. */
const LOGINS: Readonly<Record<string, (at: string) => Env>> = {
  userpass: () => ({ USERPASS_USERNAME: 'edge', USERPASS_PASSWORD: 'canary pass:word-0002' }),
  approle: () => ({ ...ROLE_ID, APPROLE_SECRET_ID: 'canary-secret-id-0004' }),
  'approle, wrapped': () => ({
    ...ROLE_ID,
    APPROLE_SECRET_ID: 'canary-wrapping-token-0005',
    APPROLE_RESPONSE_WRAPPING: 'on',
    APPROLE_ROLE_NAME: 'edge',
  }),
  'approle, file': () => ({ ...ROLE_ID, APPROLE_SECRET_ID_FILE: fileOf('approle, file') }),
  kubernetes: () => ({ KUBE_API_TOKEN: jwt('canary-service-account-0006') }),
  'kubernetes, file': () => ({ KUBE_API_TOKEN_FILE: fileOf('kubernetes, file') }),
  jwt: () => ({ JWT: jwt('canary-jwt-0007') }),
  'jwt, file': () => ({ JWT_FILE: fileOf('jwt, file') }),
  'jwt, of the platform': () => ({ JWT_SOURCE: 'github', JWT_AUDIENCE: 'vault' }),
  'oauth2, basic': (at) => ({ ...oauth2(at), OAUTH2_CLIENT_SECRET: 'canary:client secret-0008' }),
  'oauth2, post': (at) => ({
    ...oauth2(at),
    OAUTH2_CLIENT_AUTH: 'client_secret_post',
    OAUTH2_CLIENT_SECRET: 'canary:client secret-0009',
  }),
  'oauth2, discovered': (at) => ({
    OAUTH2_CLIENT_ID: 'edge',
    OAUTH2_ISSUER: at,
    OAUTH2_CLIENT_SECRET: 'canary:client secret-0016',
  }),
  'oauth2, key': (at) => ({ ...oauth2(at), OAUTH2_CLIENT_AUTH: 'private_key_jwt', OAUTH2_PRIVATE_KEY: PEM }),
  cert: () => ({ CACERT: root.cert, CERT_AUTH_CERT: client.cert, CERT_AUTH_CERT_KEY: client.key }),
  'aws_iam, keys': () => ({ AWS_AUTH_REGION: 'eu-west-1', ...AWS }),
  'aws_iam, session': () => ({ AWS_AUTH_REGION: 'eu-west-1' }),
  'aws_iam, service account': (at) => ({ AWS_AUTH_REGION: 'eu-west-1', AWS_STS_ENDPOINT_URL: `${at}/sts` }),
  'aws_iam, container': () => ({ AWS_AUTH_REGION: 'eu-west-1' }),
  'aws_iam, instance': () => ({ AWS_AUTH_REGION: 'eu-west-1' }),
  'aws_iam, another role': (at) => ({
    AWS_AUTH_REGION: 'eu-west-1',
    ...AWS,
    AWS_STS_ENDPOINT_URL: `${at}/sts`,
    AWS_ASSUME_ROLE_ARN: 'arn:aws:iam::123456789012:role/login',
  }),
}

/** What the platform puts into the environment. */
const PLATFORM: Readonly<Record<string, (at: string) => Env>> = {
  'aws_iam, session': () => SESSION,
  'aws_iam, service account': () => ({
    AWS_WEB_IDENTITY_TOKEN_FILE: fileOf('aws_iam, service account'),
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/pod',
  }),
  'aws_iam, container': (at) => ({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${at}/keys`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'canary-task-token-0017',
  }),
  'aws_iam, instance': (at) => ({ AWS_EC2_METADATA_SERVICE_ENDPOINT: at }),
  'jwt, of the platform': (at) => ({
    ACTIONS_ID_TOKEN_REQUEST_URL: `${at}/identity?v=2`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'canary-job-token-0012',
  }),
}

const settingsOf = (name: string, at: string): Env => ({
  KEYRING_VAULT_HOST: at,
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_VAULT_HEADERS: JSON.stringify({ 'CF-Access-Client-Secret': HEADER }),
  KEYRING_VAULT_AUTH_METHOD: name.split(',')[0] ?? '',
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  KEYRING_API_TOKENS: JSON.stringify([
    { name: 'admin', sha256: createHash('sha256').update(API_TOKEN).digest('hex'), grants: ['admin'] },
  ]),
  ...PLATFORM[name]?.(at),
  ...Object.fromEntries(Object.entries(LOGINS[name]?.(at) ?? {}).map(([key, text]) => [`KEYRING_VAULT_${key}`, text])),
})

/** As it is, in a form, in hex, and at any place of a base64 or base64url text. */
function spellings(text: string): string[] {
  const inForm = new URLSearchParams([['', text]]).toString().slice(1)
  return [...new Set([text, inForm])].flatMap((each) => [each, Buffer.from(each).toString('hex'), ...folded(each)])
}

const folded = (text: string): string[] =>
  [0, 1, 2].flatMap((at) => {
    const bytes = Buffer.concat([Buffer.alloc(at), Buffer.from(text)])
    const [from, to] = [Math.ceil((at * 4) / 3), Math.floor((bytes.length * 4) / 3)]
    return (['base64', 'base64url'] as const).map((form) => bytes.toString(form).slice(from, to))
  })

/** Signatures, also of assertions, which are made anew for each login. */
function madeIn(got: readonly string[]): string[] {
  const all = got.join('\n')
  const inside = [...all.matchAll(/"iam_request_headers":"([^"]+)"/g)].map(([, found = '']) => atob(found))
  const made = [all, ...inside]
    .join('\n')
    .matchAll(/Signature=([0-9a-f]{64})|client_assertion=[\w-]+\.[\w-]+\.([\w-]+)/g)
  return [...made].map(([, signature, assertion]) => signature ?? assertion ?? '')
}

const filedOf = (name: string): string[] => (Object.hasOwn(FILED, name) ? [FILED[name as keyof typeof FILED]] : [])
const middleOf = (pem: string): string => pem.split('\n')[1] ?? ''
const PATHS = [
  ['POST', '/keyring/vault/sync'],
  ['GET', '/keyrings/default/doctor'],
  ['GET', '/keyrings/default'],
  ['GET', '/keyring'],
] as const
const headers = { authorization: `Bearer ${API_TOKEN}` }
/** Every byte, also of the log of writes. */
const stored = (data: string): string[] => readdirSync(data).map((file) => readFileSync(join(data, file), 'latin1'))

function counterpartOf(name: string, echo: Echo | null): Promise<Counterpart> {
  const tls = { ...server, ca: root.cert, requestCert: true, rejectUnauthorized: true }
  return startCounterpart(echo, name === 'cert' ? tls : null)
}

async function visit(name: string, echo: Echo | null) {
  const counterpart = await counterpartOf(name, echo)
  const parsed = parseConfig(settingsOf(name, counterpart.address), 'node')
  if (!parsed.ok || parsed.config === null) throw new Error(inspect(parsed))
  const seen = [inspect(parsed, { depth: 9, showHidden: true }), JSON.stringify(parsed)]
  const auditStream = new Writable({ write: (chunk, _encoding, done) => (seen.push(String(chunk)), done()) })
  const data = mkdtempSync(join(folder, 'data-'))
  const instance = openInstance(parsed.config, { database: join(data, 'keyring.sqlite'), auditFile: null, auditStream })
  const statuses: number[] = []
  for (const [method, path] of PATHS) {
    const response = await instance.app.fetch(new Request(`http://localhost${path}`, { method, headers }))
    statuses.push(response.status)
    seen.push(inspect(response.headers), await response.text())
  }
  const kept = stored(data)
  await instance.close()
  await counterpart.close()
  return { seen, kept: [...kept, ...stored(data)], got: counterpart.got, synced: statuses[0] ?? 0 }
}

/** What a process answers and prints, from its first sync on. */
async function processOf(name: string) {
  const counterpart = await counterpartOf(name, { at: 'login', status: 400 })
  const deployment = await startNode(settingsOf(name, counterpart.address))
  const seen: string[] = []
  for (const [method, path] of PATHS) seen.push(await (await fetch(deployment.url + path, { method, headers })).text())
  await deployment.stop()
  await counterpart.close()
  return { seen: [...seen, deployment.output()], got: counterpart.got, kept: [] }
}

/** What comes after a login is the same for all, and a 500 is asked again after seconds: once is enough. */
const echoesFor = (name: string): Echo[] =>
  (['everything', 'login', 'reads'] as const)
    .flatMap((at) => [400, 403, 500].map((status): Echo => ({ at, status })))
    .filter(({ at, status }) => at !== 'reads' || status !== 500 || name === 'approle, wrapped')

describe.concurrent('no credential in an answer, a log, a diagnosis, an inspected object or the store', () => {
  it.each(Object.keys(LOGINS))('%s', async (name) => {
    const refused = await Promise.all(echoesFor(name).map((echo) => visit(name, echo)))
    const [admitted, process] = [await visit(name, null), await processOf(name)]
    expect([refused.filter(({ synced }) => synced < 400), admitted.synced]).toEqual([[], 204])
    // There was something to leak: a token, a keyring and, out of a wrapping token, a secret id.
    const holds = (kind: string) => admitted.kept.some((text) => text.includes(kind))
    expect(['token/', 'ekr1 ', 'login/wrapped/'].map(holds)).toEqual([true, true, name === 'approle, wrapped'])

    const visits = [...refused, admitted, process]
    const got = visits.flatMap((each) => each.got).join('\n')
    const made = madeIn([got])
    expect(made.length > 0).toBe(/^aws_iam|key$/.test(name))
    const own = [...Object.values(settingsOf(name, '')), ...filedOf(name)].filter((text) => /^[\w.-]*canary/.test(text))
    const sent = own.filter((text) => !text.includes('aws-secret'))
    for (const text of sent) expect(spellings(text).some((each) => got.includes(each))).toBe(true)
    const canaries = [...own, ...made, ...Object.values(ISSUED), HEADER, middleOf(PEM), middleOf(client.key)]
    const seen = [...visits.flatMap((each) => [...each.seen, ...each.kept]), ...printed]
    for (const canary of canaries.flatMap(spellings))
      expect([canary, seen.filter((text) => text.includes(canary))]).toEqual([canary, []])
  })
})
