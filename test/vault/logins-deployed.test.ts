/** Every login, from the settings of a deployment to its first key: the Node server, and the bundles of the Worker and of the two functions, before a real OpenBao. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { startNode } from '../conformance/driver.ts'
import { deployLambda } from '../support/lambda/deployment.ts'
import type { Given, PreparedLogins } from '../support/login-cases.ts'
import { prepareLogins } from '../support/login-cases.ts'
import { loginEnv } from '../support/logins.ts'
import type { Moto } from '../support/moto.ts'
import { startMoto } from '../support/moto.ts'
import type { Instance, RawWorkerd } from '../support/raw-workerd.ts'
import { startWorkerd } from '../support/raw-workerd.ts'
import type { TlsVault } from '../support/tls-vault.ts'
import { startTlsVault } from '../support/tls-vault.ts'
import type { FaultyProxy } from '../support/vault.ts'
import { faultyProxy } from '../support/vault.ts'

const openbao = inject('openbao')
const TOKEN = 'ek_of_no_importance'
const BINDING = 'KEYRING_VAULT_MTLS'

interface Expected {
  /** What is asked of Vault before the first read. */
  readonly login: readonly string[]
  /** What is asked of it by a login that is refused. Absent = the same. */
  readonly refused?: readonly string[]
  readonly code: string
}

const one = (path: string, code: string): Expected => ({ login: [path], code })
const OF_PROVIDER = { login: ['auth/idp/login'], refused: [], code: 'ERR_OAUTH2_CLIENT_REFUSED' }
const IN_NAMESPACE = ['sys/health', 'auth/userpass/login/edge', 'auth/token/lookup-self']

const EXPECTED: Readonly<Record<string, Expected>> = {
  userpass: one('auth/userpass/login/edge', 'ERR_VAULT_LOGIN_REFUSED'),
  'userpass, in a namespace': {
    login: IN_NAMESPACE,
    refused: IN_NAMESPACE.slice(0, 2),
    code: 'ERR_VAULT_NAMESPACE_NOT_FOUND',
  },
  'userpass, in a namespace of its own': {
    login: IN_NAMESPACE,
    refused: IN_NAMESPACE.slice(0, 2),
    code: 'ERR_VAULT_LOGIN_DENIED',
  },
  approle: one('auth/approle/login', 'ERR_VAULT_LOGIN_REFUSED'),
  'approle, wrapped': {
    login: ['sys/wrapping/lookup', 'sys/wrapping/unwrap', 'auth/approle/login'],
    refused: ['sys/wrapping/lookup'],
    code: 'ERR_WRAP_TOKEN_SPENT',
  },
  cert: one('auth/cert/login', 'ERR_VAULT_LOGIN_CERTIFICATE_REFUSED'),
  kubernetes: one('auth/kubernetes/login', 'ERR_VAULT_LOGIN_CLAIMS_REFUSED'),
  jwt: one('auth/jwt/login', 'ERR_VAULT_LOGIN_CLAIMS_REFUSED'),
  'oauth2, client_secret_basic': OF_PROVIDER,
  'oauth2, client_secret_post': one('auth/idp/login', 'ERR_VAULT_LOGIN_CLAIMS_REFUSED'),
  'oauth2, private_key_jwt': OF_PROVIDER,
  aws_iam: one('auth/aws/login', 'ERR_VAULT_LOGIN_REFUSED'),
}
const READS = ['secret/metadata/keyring', 'secret/data/keyring']

const LOGINS = Object.entries(EXPECTED)
const KINDS = ['right', 'wrong'] as const
type Kind = (typeof KINDS)[number]

/** What a deployment is started with. */
interface Plan extends Instance {
  /** Paths that Vault was asked for. */
  readonly seen: () => readonly string[]
  /** How often the identity provider was asked for a token. */
  readonly tokens: () => number
}

interface Deployed extends Pick<Plan, 'tokens'> {
  readonly url: string
  /** Paths that it has asked Vault for. */
  readonly asked: () => readonly string[]
  readonly stop: () => Promise<void>
}

const ADMIN = [{ name: 'admin', sha256: createHash('sha256').update(TOKEN).digest('hex'), grants: ['admin'] }]

async function ask(url: string, method: string, path: string) {
  const response = await fetch(url + path, { method, headers: { authorization: `Bearer ${TOKEN}` } })
  const text = await response.text()
  return { status: response.status, body: text === '' ? null : (JSON.parse(text) as unknown) }
}
const sync = ({ url }: Deployed) => ask(url, 'POST', '/keyring/vault/sync')

describe.skipIf(openbao === null)('a deployment with a login', () => {
  const proxies: FaultyProxy[] = []
  const plans = new Map<string, Plan>()
  let vault: TlsVault
  let moto: Moto | null
  let prepared: PreparedLogins
  let workers: RawWorkerd<string>

  beforeAll(async () => {
    ;[vault, moto] = await Promise.all([startTlsVault(openbao?.binary ?? ''), startMoto()])
    prepared = await prepareLogins(vault, moto)
    for (const name of Object.keys(prepared.cases))
      for (const kind of KINDS) plans.set(idOf(name, kind), await plan(name, kind))
    workers = await startWorkerd(Object.fromEntries(plans), vault.root.cert)
  }, 60_000)
  afterAll(async () => {
    await workers.close()
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await prepared.close()
    await moto?.close()
    await vault.close()
  })

  async function proxyTo(address: string): Promise<FaultyProxy> {
    const proxy = await faultyProxy(address)
    proxies.push(proxy)
    return proxy
  }

  async function plan(name: string, kind: Kind): Promise<Plan> {
    const given = await prepared.cases[name]?.[kind]()
    if (given === undefined) throw new Error(`Nothing is prepared for ${name}.`)
    const [{ address, ...way }, provider] = await Promise.all([wayOf(given), proxyTo(prepared.provider.issuer)])
    const endpoint = given.options['auth_method'] === 'oauth2' && { oauth2_token_endpoint: `${provider.address}/token` }
    const env = {
      KEYRING_VAULT_HOST: address,
      KEYRING_API_TOKENS: JSON.stringify(ADMIN),
      KEYRING_SYNC_PERIOD: '0',
    }
    return { settings: loginEnv({ ...given.options, ...endpoint }, env), ...way, tokens: () => provider.seen.length }
  }

  /** Who presents a certificate does not come through a proxy: there Vault itself keeps count. */
  async function wayOf({ presents: pair }: Given): Promise<Omit<Plan, 'settings' | 'tokens'> & { address: string }> {
    if (pair === undefined) {
      const { address, seen } = await proxyTo(prepared.address)
      return { address, seen: () => seen.map(({ path }) => path.replace(/^\/v1\/|\?.*$/g, '')) }
    }
    const presents = { binding: BINDING, port: vault.port.mutual, pair }
    return { address: vault.address.mutual, presents, seen: () => vault.audited() }
  }

  /** With its certificate in the settings, where a platform has no binding that presents it. */
  const withCertificate = ({ settings, presents }: Plan): Instance['settings'] =>
    presents === undefined
      ? settings
      : {
          ...settings,
          KEYRING_VAULT_CACERT: vault.root.cert,
          KEYRING_VAULT_CERT_AUTH_CERT: presents.pair.cert,
          KEYRING_VAULT_CERT_AUTH_CERT_KEY: presents.pair.key,
        }

  /** It syncs when it starts. */
  async function onNode(name: string, kind: Kind): Promise<Deployed> {
    const made = await plan(name, kind)
    const { seen, tokens } = made
    const before = seen().length
    const node = await startNode(withCertificate(made))
    return { url: node.url, stop: () => node.stop(), tokens, asked: () => seen().slice(before) }
  }

  async function onLambda(name: string, kind: Kind): Promise<Deployed> {
    const made = await plan(name, kind)
    const { seen, tokens } = made
    const before = seen().length
    const lambda = await deployLambda(withCertificate(made))
    const { url } = await lambda.startHttp()
    const deployed = { url, stop: () => lambda.stop(), tokens, asked: () => seen().slice(before) }
    if (kind === 'right') expect(await sync(deployed)).toEqual({ status: 204, body: null })
    return deployed
  }

  async function onWorkerd(name: string, kind: Kind): Promise<Deployed> {
    const made = plans.get(idOf(name, kind))
    if (made === undefined) throw new Error(`Nothing is prepared for ${name}.`)
    const { seen, tokens } = made
    const before = seen().length
    const url = workers.url[idOf(name, kind)] ?? ''
    const deployed = { url, stop: async () => {}, tokens, asked: () => seen().slice(before) }
    if (kind === 'right') expect(await sync(deployed)).toEqual({ status: 204, body: null })
    return deployed
  }

  describe.each([
    { platform: 'Node', start: onNode },
    { platform: 'workerd', start: onWorkerd },
    { platform: 'Lambda', start: onLambda },
  ])('on $platform', ({ start }) => {
    it.for(LOGINS)(
      'has its key with as few requests as can be, and syncs with one then: %s',
      async ([name, { login }], { skip }) => {
        skip(name === 'aws_iam' && moto === null)
        const on = await start(name, 'right')
        onTestFinished(on.stop)
        const first = [...login, ...READS]
        expect(on.asked()).toEqual(first)
        expect(await sync(on)).toEqual({ status: 204, body: null })
        expect(on.asked()).toEqual([...first, READS[0]])
        expect(await ask(on.url, 'GET', '/keyring')).toMatchObject({ status: 200, body: { ids: ['k1'], active: 'k1' } })
      },
    )

    it.for(LOGINS)(
      'is refused with a code, and does not try again: %s',
      async ([name, { login, refused = login, code }], { skip }) => {
        skip(name === 'aws_iam' && moto === null)
        const on = await start(name, 'wrong')
        onTestFinished(on.stop)
        for (const _time of [1, 2]) expect(await sync(on)).toMatchObject({ status: 502, body: { code } })
        expect([on.asked(), on.tokens()]).toEqual([refused, name.startsWith('oauth2') ? 1 : 0])
      },
    )
  })
})

/** Of a service of workerd. */
const idOf = (name: string, kind: Kind): string => `${name.replaceAll(/[^a-z0-9_]+/g, '-')}-${kind}`
