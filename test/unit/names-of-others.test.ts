/** Names that others put into an environment: what Vault's and OpenBao's own clients read, and what Kubernetes gives to pods. */
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { readSettings } from '../../functions/node-shared/settings.ts'
import { withoutOthers } from '../../src/config/others.ts'
import { authority } from '../support/certificates.ts'

type Env = Readonly<Record<string, string>>

const BASE = {
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  KEYRING_DATABASE: 'keyring.sqlite',
  KEYRING_API_TOKENS: JSON.stringify([{ name: 'ci', sha256: 'ab'.repeat(32), grants: ['read'] }]),
}
const root = await authority('Authority')
const { cert: CERTIFICATE, key: KEY } = await root.issue('edge')

const read = (env: Env) => readSettings({ ...BASE, ...env }, 'node', withoutOthers)
const problemsOf = (env: Env): string[] => {
  const parsed = read(env)
  return parsed.ok ? [] : parsed.problems.map(({ name, message }) => `${name}: ${message}`)
}
function accepted(env: Env) {
  const parsed = read(env)
  if (!parsed.ok || !parsed.config?.vault) throw new Error(inspect(parsed))
  return { vault: parsed.config.vault, notices: parsed.notices }
}

/** All names of OpenBao's `api` package and of its command line, with `BAO_` or `VAULT_` in front, and Vault's `HEADERS`. */
const OF_CLIENTS: Readonly<Record<string, string>> = {
  ADDR: 'https://other.example',
  AGENT_ADDR: 'http://127.0.0.1:8100',
  CACERT: CERTIFICATE,
  CACERT_BYTES: CERTIFICATE,
  CAPATH: '/etc/ssl/vault',
  CLIENT_CERT: CERTIFICATE,
  CLIENT_CERT_BYTES: CERTIFICATE,
  CLIENT_KEY: KEY,
  CLIENT_KEY_BYTES: KEY,
  CLIENT_TIMEOUT: '30s',
  DISABLE_REDIRECTS: 'true',
  HEADERS: '{"a":"b"}',
  HTTP_PROXY: 'http://proxy.example',
  MAX_RETRIES: '5',
  MFA: 'method:123456',
  NAMESPACE: 'team',
  PROXY_ADDR: 'http://proxy.example',
  RATE_LIMIT: '10:20',
  SKIP_VERIFY: 'true',
  SRV_LOOKUP: 'true',
  TLS_SERVER_NAME: 'vault.example',
  TOKEN: 'hvs.other',
  TOKEN_PATH: '/home/me/.vault-token',
  WRAP_TTL: '60s',
  CLI_NO_COLOR: '1',
  DETAILED: 'true',
  EXPERIMENTS: 'x',
  FORMAT: 'json',
  LICENSE: 'x',
  LICENSE_PATH: '/x',
  LOG_FORMAT: 'json',
  LOG_LEVEL: 'debug',
}
/** They go together. */
const PAIRED: Readonly<Record<string, string>> = { CLIENT_CERT: 'CLIENT_KEY', CLIENT_KEY: 'CLIENT_CERT' }
const CLIENTS = ['BAO', 'VAULT'].flatMap((client) => Object.keys(OF_CLIENTS).map((name) => [client, name] as const))

describe('a name that Vault’s own clients read', () => {
  it.each(CLIENTS)('%s_%s is read, refused, or answered by one notice', (client, name) => {
    const ours = { VAULT_ADDR: 'https://vault.example', VAULT_TOKEN: 'hvs.x' }
    const names = [name, PAIRED[name] ?? name].map((each) => [`${client}_${each}`, OF_CLIENTS[each] ?? ''])
    const env = { ...ours, ...Object.fromEntries(names) }
    const parsed = read(env)
    if (!parsed.ok)
      return expect([name, parsed.problems]).toMatchObject(['SKIP_VERIFY', [{ name: `${client}_${name}` }]])
    const isRead = shownOf(env) !== shownOf(ours)
    const told = parsed.notices.filter((notice) => notice.includes(`${client}_${name} is not used here: `))
    expect([isRead, parsed.notices.length, told.length]).toEqual(isRead ? [true, 0, 0] : [false, 1, 1])
  })

  /** All that is made of it, the secret of the login too. */
  const shownOf = (env: Env): string => inspect([accepted(env).vault, tokenOf(env)], { depth: 9 })
  const tokenOf = (env: Env): string => {
    const { auth } = accepted(env).vault
    return auth.method === 'token' ? auth.token.reveal() : ''
  }

  it('goes by the setting’s own name, then by OpenBao’s, then by Vault’s', () => {
    const VAULT = { VAULT_ADDR: 'https://v.example', VAULT_NAMESPACE: 'v', VAULT_TOKEN: 'v', VAULT_CLIENT_TIMEOUT: '1' }
    const BAO = { BAO_ADDR: 'https://b.example', BAO_NAMESPACE: 'b', BAO_TOKEN: 'b', BAO_CLIENT_TIMEOUT: '2' }
    const OWN = { KEYRING_VAULT_NAMESPACE: 'o', KEYRING_VAULT_TIMEOUT_MS: '3000' }
    const shown = (env: Env) => {
      const { address, namespace, loginNamespace, timeoutMs } = accepted(env).vault
      return [address, namespace, loginNamespace, timeoutMs, tokenOf(env)]
    }
    expect(shown(VAULT)).toEqual(['https://v.example', 'v', 'v', 1000, 'v'])
    expect(shown({ ...VAULT, ...BAO })).toEqual(['https://b.example', 'b', 'b', 2000, 'b'])
    expect(shown({ ...VAULT, ...BAO, ...OWN })).toEqual(['https://b.example', 'o', 'o', 3000, 'b'])
  })

  it('has a duration as Go writes it, or seconds; what is neither, or too much, is a problem', () => {
    const own = { VAULT_ADDR: 'https://vault.example', VAULT_TOKEN: 'x' }
    for (const [text, ms] of [
      ['10s', 10_000],
      ['10', 10_000],
      ['1m', 60_000],
      ['0.5m1.5s', 31_500],
      ['250ms', 250],
    ] as const)
      expect(accepted({ ...own, BAO_CLIENT_TIMEOUT: text }).vault.timeoutMs).toBe(ms)
    for (const text of ['soon', '10 s', '-1s', '1m1', '2m', '61', '50ms', '1.s.'])
      expect(problemsOf({ ...own, BAO_CLIENT_TIMEOUT: text })).toEqual([
        expect.stringMatching(/^BAO_CLIENT_TIMEOUT: must be a whole number from 100 to 60000/),
      ])
  })

  it('that asks for no verification is refused in every spelling but a plain no', () => {
    const own = { VAULT_ADDR: 'https://vault.example', VAULT_TOKEN: 'x' }
    for (const text of ['1', 't', 'TRUE', 'on', 'yes', 'maybe'])
      expect(problemsOf({ ...own, VAULT_SKIP_VERIFY: text })).toHaveLength(1)
    for (const text of ['', '0', 'f', 'F', 'false', 'FALSE'])
      expect(problemsOf({ ...own, VAULT_SKIP_VERIFY: text })).toEqual([])
  })
})

describe('a link of Kubernetes to a Service', () => {
  const own = { VAULT_ADDR: 'https://vault.example', VAULT_TOKEN: 'x' }
  const linksOf = (name: string, ip: string, port: string): Env => ({
    [`${name}_SERVICE_HOST`]: ip.replace(/[[\]]/g, ''),
    [`${name}_SERVICE_PORT`]: port,
    [`${name}_SERVICE_PORT_HTTP`]: port,
    [`${name}_PORT`]: `tcp://${ip}:${port}`,
    [`${name}_PORT_${port}_TCP`]: `tcp://${ip}:${port}`,
    [`${name}_PORT_${port}_TCP_PROTO`]: 'tcp',
    [`${name}_PORT_${port}_TCP_PORT`]: port,
    [`${name}_PORT_${port}_TCP_ADDR`]: ip.replace(/[[\]]/g, ''),
  })

  it('whose name begins like our settings is ignored, with one notice for all', () => {
    const env = {
      ...linksOf('KEYRING', '10.96.0.12', '8001'),
      ...linksOf('KEYRINGS', '10.96.0.12', '8001'),
      ...linksOf('KEYRING_API', '[fd00::a:1]', '80'),
      ...linksOf('KONG_KEYRING_VAULT', '10.96.0.13', '8200'),
      KEYRING_API_PORT_53_UDP: 'udp://10.96.0.12:53',
      KEYRING_API_PORT_53_UDP_PROTO: 'udp',
    }
    expect(accepted({ ...own, ...env }).notices).toEqual([
      'KEYRING_SERVICE_HOST and 33 more: links of Kubernetes to a Service, not used here; enableServiceLinks: false leaves them out.',
    ])
    expect(accepted({ ...own, KEYRING_PORT: 'tcp://10.0.0.1:80' }).notices).toHaveLength(1)
  })

  it.each([
    ['KEYRING_PORT', '8001'],
    ['KEYRING_PORT', 'tcp://keyring:8001'],
    ['KEYRING_SERVICE_HOST', 'keyring.example'],
    ['KEYRING_SERVICE_HOST', 'hvs.token'],
    ['KEYRING_PORT_80_TCP_PROTO', 'http'],
    ['KEYRING_VALT_HOST', '10.0.0.1'],
    ['KEYRING_DEV_VALT_PORT', '8201'],
    ['KEYRING_DEV_VAULT_PORT', 'tcp://10.0.0.1:8200'],
  ])('is none without its form: %s=%s is a problem', (name, value) => {
    expect(problemsOf({ ...own, [name]: value })).toEqual([expect.stringMatching(`^${name}: `)])
  })
})
