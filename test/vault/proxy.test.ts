/** A real OpenBao that is reached by a forward proxy alone, whatever is set of TLS: syncs and the doctor go the same way. */
import { setDefaultCACertificates, getCACertificates } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { probeOf } from '../../functions/node-shared/probe.ts'
import { vaultFetch } from '../../functions/node-shared/vault-fetch.ts'
import { createAuthority } from '../../src/app.ts'
import type { Check, Finding } from '../../src/core/findings.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'
import type { Authority, Pair } from '../support/certificates.ts'
import { authority } from '../support/certificates.ts'
import type { ForwardProxy } from '../support/forward-proxy.ts'
import { forwardProxy } from '../support/forward-proxy.ts'
import type { LambdaSyncing } from '../support/lambda/syncing.ts'
import { lambdaSyncing } from '../support/lambda/syncing.ts'
import { configOf, keyString } from '../support/syncing.ts'
import { freePort, startTlsVault } from '../support/tls-vault.ts'
import type { TlsVault } from '../support/tls-vault.ts'
import { vaultClient } from '../support/vault.ts'

const openbao = inject('openbao') ?? null
type Env = Readonly<Record<string, string>>

const CLOCK = { now: () => Date.now(), sleep: async () => {} }
const WITH_PROXY = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'https_proxy', 'http_proxy', 'no_proxy']

/** One process of a deployment; the proxies come from the environment of this one. */
async function using<T>(settings: Env, work: (on: ReturnType<typeof deployment>) => Promise<T>): Promise<T> {
  const on = deployment(settings)
  try {
    return await work(on)
  } finally {
    await on.close()
  }
}

function deployment(settings: Env) {
  const config = configOf(settings)
  const vault = vaultFetch(config.vault)
  const authorityOf = createAuthority(config, {
    cipher: nodeCipher,
    hash: nodeHash,
    clock: CLOCK,
    store: memoryStore(),
    replica: null,
    fetch: vault.fetch,
    readFile: null,
    audit: { note: () => {}, commit: async () => {} },
    probe: probeOf(config.vault, CLOCK),
    vaults: null,
    loadRare: () => rare,
    syncBatch: 900,
    leftMs: () => Number.POSITIVE_INFINITY,
    log: () => {},
  })
  const options = { force: false, adopt: false, token: null }
  return {
    sync: () => authorityOf.call({ call: 'sync', keyring: 'default', options }),
    async findings() {
      const result = await authorityOf.call({ call: 'diagnose', keyring: 'default', login: false })
      if (!result.ok) throw new Error(result.error.message)
      return Object.fromEntries(result.value.findings.map((each) => [each.check, each])) as Record<Check, Finding>
    },
    close: () => vault.close(),
  }
}

const sync = (settings: Env) => using(settings, (on) => on.sync())
const examined = (settings: Env) => using(settings, (on) => on.findings())

describe.skipIf(openbao === null)('Vault behind a proxy', () => {
  let vault: TlsVault
  let lambda: LambdaSyncing
  let client: Pair
  let ofProxy: Authority
  const proxies: ForwardProxy[] = []
  const opened = async (options: Partial<Parameters<typeof forwardProxy>[0]> = {}) => {
    const to = {
      'vault.example:8200': vault.port.wrongHost,
      'far.example:8200': vault.port.mutual,
      'plain.example:8200': vault.port.plain,
    }
    const proxy = await forwardProxy({ to, ...options })
    proxies.push(proxy)
    return proxy
  }

  beforeAll(async () => {
    ;[vault, lambda] = await Promise.all([startTlsVault(openbao?.binary ?? ''), lambdaSyncing()])
    client = await vault.root.issue('edge')
    ofProxy = await authority('Authority of the proxy')
    const secrets = await vaultClient(vault.address.plain, vault.token).mount('secret')
    await secrets.write('keyring', { id: 'a', key: keyString('a') })
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await Promise.all(proxies.splice(0).map((each) => each.close()))
  })
  afterAll(async () => {
    await lambda.close()
    await vault.close()
  })

  /** As the environment of the process has it. */
  function stub(env: Env): void {
    for (const name of WITH_PROXY) vi.stubEnv(name, env[name])
  }
  const at = (host: string, more: Env = {}): Env => ({
    KEYRING_VAULT_HOST: host,
    KEYRING_VAULT_TOKEN: vault.token,
    KEYRING_VAULT_CACERT: vault.root.cert,
    KEYRING_VAULT_ALLOW_HTTP: 'true',
    ...more,
  })
  const presenting = (more: Env = {}): Env => ({
    KEYRING_VAULT_CLIENT_CERT: client.cert,
    KEYRING_VAULT_CLIENT_KEY: client.key,
    KEYRING_VAULT_TLS_SERVER_NAME: 'localhost',
    ...more,
  })
  const WAYS: readonly [string, string, () => Env][] = [
    ['an authority', 'vault.example:8200', () => at('https://vault.example:8200')],
    ['a client certificate and a server name', 'far.example:8200', () => at('https://far.example:8200', presenting())],
    ['plain http', 'plain.example:8200', () => at('http://plain.example:8200', { KEYRING_VAULT_CACERT: '' })],
  ]

  describe.each(WAYS)('with %s', (_name, host, settings) => {
    const through = (proxy: string): Env => ({ HTTPS_PROXY: proxy, HTTP_PROXY: proxy })

    it('is synced, and the doctor finds all well and names the proxy', async () => {
      const proxy = await opened()
      stub(through(proxy.address))
      expect(await sync(settings())).toMatchObject({ ok: true })
      expect(new Set(proxy.asked)).toEqual(new Set([host]))
      const { dns, tcp, tls, secret } = await examined(settings())
      expect(dns).toMatchObject({ outcome: 'ok', detail: expect.stringContaining(`the proxy ${proxy.address} (HTTP`) })
      expect([tcp.outcome, secret.outcome]).toEqual(['ok', 'ok'])
      expect(tls.detail).toMatch(host.startsWith('plain') ? /plain http/ : /the chain and the name hold/)
    })

    it('is synced by the sync function of Lambda', async () => {
      const proxy = await opened({ credentials: 'edge:s3cret' })
      const on = await lambda.open({ ...settings(), ...through(`http://edge:s3cret@127.0.0.1:${proxy.port}`) })
      expect((await on.sync()).requests).toBeGreaterThan(0)
      expect(new Set(proxy.asked)).toEqual(new Set([host]))
      await on.close()
    })

    it('is synced with user and password, which nothing shows; without them the proxy is named and what to do', async () => {
      const proxy = await opened({ credentials: 'edge:s3cret/@' })
      stub(through(`http://edge:s3cret%2F%40@127.0.0.1:${proxy.port}`))
      expect(await sync(settings())).toMatchObject({ ok: true })
      expect(JSON.stringify(await examined(settings()))).not.toMatch(/s3cret|edge:|ZWRnZT/)
      stub(through(`http://edge:wr0ng@127.0.0.1:${proxy.port}`))
      const refused = await sync(settings())
      expect(refused).toMatchObject({
        error: {
          code: 'ERR_VAULT_UNREACHABLE',
          message: `Vault at ${host} is not reached: the proxy ${proxy.address} asks for user and password, or refuses those it gets (407).`,
          remedy: expect.stringMatching(/^Give them in HTTPS?_PROXY, as http:\/\/<user>:<password>@.*NO_PROXY/),
          facts: { step: 'connect', reason: 'EPROXY' },
        },
      })
      expect(JSON.stringify([refused, await examined(settings())])).not.toMatch(/wr0ng|edge:|ZWRnZT/)
    })

    it('takes one connection for many syncs', async () => {
      const proxy = await opened()
      stub(through(proxy.address))
      await using(settings(), async (on) => {
        for (let count = 0; count < 20; count += 1) expect(await on.sync()).toMatchObject({ ok: true })
      })
      if (!host.startsWith('plain')) expect(proxy.asked).toEqual([host])
    })

    it('is not reached where the proxy does not run, has no address, or hangs up: that is said of the proxy', async () => {
      const port = await freePort()
      stub(through(`http://127.0.0.1:${port}`))
      const message = (what: string) => expect.stringContaining(`Vault at ${host} is not reached: the proxy ${what}`)
      const remedy = expect.stringMatching(/^Check HTTPS?_PROXY.*NO_PROXY/)
      const down = {
        code: 'ERR_VAULT_UNREACHABLE',
        message: message(`http://127.0.0.1:${port} refuses connections.`),
        remedy,
      }
      expect(await sync(settings())).toMatchObject({ error: down })
      expect((await examined(settings())).tcp).toMatchObject({ outcome: 'failed', detail: down.message, remedy })
      stub(through('nowhere.invalid:3128'))
      const nameless = message('http://nowhere.invalid:3128 has a host name that cannot be resolved.')
      expect(await sync(settings())).toMatchObject({ error: { code: 'ERR_VAULT_UNREACHABLE', message: nameless } })
      expect((await examined(settings())).dns).toMatchObject({ outcome: 'failed', detail: nameless, remedy })
    })
  })

  it.each([403, 502, 503])(
    'says that the proxy does not connect to it (%d), not that Vault has no name',
    async (status) => {
      const proxy = await opened({ to: {}, status })
      stub({ HTTPS_PROXY: proxy.address })
      const said = new RegExp(
        `^Vault at vault\\.example:8200 is not reached.* the proxy ${proxy.address} .*\\(${status}\\)\\.$`,
      )
      const message = expect.stringMatching(said)
      const remedy = expect.stringMatching(/proxy.*NO_PROXY/)
      const settings = at('https://vault.example:8200')
      expect(await sync(settings)).toMatchObject({ error: { code: 'ERR_VAULT_UNREACHABLE', message, remedy } })
      const { dns, tcp } = await examined(settings)
      expect([dns.outcome, tcp]).toMatchObject(['ok', { outcome: 'failed', detail: message, remedy }])
    },
  )

  it('says so of a proxy that hangs up', async () => {
    const proxy = await opened({ to: {}, status: 0 })
    stub({ HTTPS_PROXY: proxy.address })
    const message = `Vault at vault.example:8200 is not reached: the proxy ${proxy.address} closed the connection before it answered.`
    const settings = at('https://vault.example:8200')
    expect(await sync(settings)).toMatchObject({ error: { code: 'ERR_VAULT_UNREACHABLE', message } })
    expect((await examined(settings)).tcp).toMatchObject({ outcome: 'failed', detail: message })
  })

  it('says of TLS what is wrong with Vault, through the proxy too', async () => {
    const proxy = await opened({ to: { 'other.example:8200': vault.port.wrongHost } })
    stub({ HTTPS_PROXY: proxy.address })
    const settings = at('https://other.example:8200')
    expect(await sync(settings)).toMatchObject({ error: { code: 'ERR_VAULT_TLS_HOST_MISMATCH' } })
    expect((await examined(settings)).tls).toMatchObject({ outcome: 'failed', code: 'ERR_VAULT_TLS_HOST_MISMATCH' })
  })

  it('shows a proxy that speaks TLS no certificate, and trusts it for what the runtime trusts', async () => {
    const own = await ofProxy.issue('proxy', { hosts: ['127.0.0.1'] })
    const proxy = await opened({ tls: { ...own, ca: vault.root.cert } })
    stub({ HTTPS_PROXY: proxy.address })
    const settings = at('https://far.example:8200', presenting())
    const untrusted = `the proxy ${proxy.address} has a certificate of an authority`
    expect(await sync(settings)).toMatchObject({ error: { message: expect.stringContaining(untrusted) } })
    const before = getCACertificates('default')
    setDefaultCACertificates([...before, ofProxy.cert])
    const result = await sync(settings)
    const found = await examined(settings)
    setDefaultCACertificates(before)
    expect(result).toMatchObject({ ok: true })
    expect(found.tls).toMatchObject({ outcome: 'ok' })
    expect(new Set(proxy.presented)).toEqual(new Set(['']))
  })

  it('is the way to an identity provider too, and what the proxy does not reach is said of that', async () => {
    const to = { 'vault.example:8200': vault.port.wrongHost, 'vault.example:9999': vault.port.wrongHost }
    const proxy = await opened({ to })
    stub({ HTTPS_PROXY: proxy.address })
    const asking = (endpoint: string) =>
      sync(
        at('https://vault.example:8200', {
          KEYRING_VAULT_TOKEN: '',
          KEYRING_VAULT_AUTH_METHOD: 'oauth2',
          KEYRING_VAULT_JWT_ROLE: 'edge',
          KEYRING_VAULT_OAUTH2_TOKEN_ENDPOINT: endpoint,
          KEYRING_VAULT_OAUTH2_CLIENT_ID: 'edge',
          KEYRING_VAULT_OAUTH2_CLIENT_SECRET: 'of-no-importance',
          KEYRING_VAULT_OAUTH2_CACERT: vault.root.cert,
        }),
      )
    // A Vault gives no token there, but it answers.
    expect(await asking('https://vault.example:9999/token')).toMatchObject({
      error: { code: 'ERR_OAUTH2_REQUEST_REFUSED', facts: { host: 'vault.example:9999', providerStatus: 404 } },
    })
    expect(await asking('https://idp.example/token')).toMatchObject({
      error: {
        code: 'ERR_OAUTH2_UNAVAILABLE',
        message: `The identity provider at idp.example is not reached by the proxy ${proxy.address} (502).`,
      },
    })
    expect(proxy.asked).toEqual(['vault.example:9999', 'idp.example:443'])
  })

  it('goes straight to what NO_PROXY has, and to this machine', async () => {
    const port = await freePort()
    stub({ HTTPS_PROXY: `http://127.0.0.1:${port}`, HTTP_PROXY: `http://127.0.0.1:${port}` })
    const straight = at(vault.address.good)
    expect(await sync(straight)).toMatchObject({ ok: true })
    expect((await examined(straight)).dns.detail).toMatch(/^localhost is .*127\.0\.0\.1/)
    stub({ HTTPS_PROXY: `http://127.0.0.1:${port}`, NO_PROXY: 'other.example, .example' })
    expect(await sync(at('https://vault.example:8200'))).toMatchObject({
      error: { facts: { step: 'dns', reason: 'ENOTFOUND' } },
    })
  })

  it('names the variable whose proxy is none, and not its text', async () => {
    for (const text of [
      'socks5://edge:s3cret@127.0.0.1:1080',
      'http://edge:s3cret%zz@127.0.0.1:1',
      'http://:s3cret@:x',
    ]) {
      stub({ HTTPS_PROXY: text })
      const settings = at('https://vault.example:8200')
      const [result, found] = [await sync(settings), await examined(settings)]
      expect(result).toMatchObject({
        error: {
          code: 'ERR_CONFIG_INVALID',
          message: 'HTTPS_PROXY is not the address of an HTTP proxy.',
          facts: { setting: 'HTTPS_PROXY' },
        },
      })
      expect(found.dns).toMatchObject({ outcome: 'failed', code: 'ERR_CONFIG_INVALID' })
      expect(JSON.stringify([result, found])).not.toContain('s3cret')
    }
  })
})
