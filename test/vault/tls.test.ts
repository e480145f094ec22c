/** A real OpenBao with a listener for each TLS case. All certificates are made for the run: test material. */
import { execFile } from 'node:child_process'
import { readFileSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { vaultFetch } from '../../functions/node-shared/vault-fetch.ts'
import type { Clock } from '../../src/core/ports.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import type { Pair } from '../support/certificates.ts'
import { authority } from '../support/certificates.ts'
import type { LambdaSyncing, SyncingFunction } from '../support/lambda/syncing.ts'
import { lambdaSyncing } from '../support/lambda/syncing.ts'
import { configOf, keyString, syncing } from '../support/syncing.ts'
import type { TcpProxy } from '../support/tcp-proxy.ts'
import { tcpProxy } from '../support/tcp-proxy.ts'
import type { Listener, TlsVault } from '../support/tls-vault.ts'
import { startTlsVault } from '../support/tls-vault.ts'
import { vaultClient } from '../support/vault.ts'

const openbao = inject('openbao') ?? null
const run = promisify(execFile)
const blocksOf = (pem: string): string[] => pem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n/g) ?? []

/** @param clock where waits take no time unless given one; a function has its own. */
type Open = (
  settings: Record<string, string>,
  clock?: Clock,
) => Promise<Pick<SyncingFunction, 'sync' | 'refusal' | 'close'>>

describe.skipIf(openbao === null)('Vault over TLS', () => {
  let vault: TlsVault
  let lambda: LambdaSyncing
  let client: Pair
  let rogue: Pair
  let otherName: Pair

  beforeAll(async () => {
    ;[vault, lambda] = await Promise.all([startTlsVault(openbao?.binary ?? ''), lambdaSyncing()])
    client = await vault.root.issue('edge')
    otherName = await vault.root.issue('somebody else')
    rogue = await (await authority('Rogue authority')).issue('edge')
    const root = vaultClient(vault.address.plain, vault.token)
    const secrets = await root.mount('secret')
    await secrets.write('keyring', { id: 'a', key: keyString('a') })
    const post = async (path: string, body: object) => {
      const { status } = await root.request('POST', path, { body })
      if (status >= 300) throw new Error(`${path} answered ${status}`)
    }
    await post('sys/auth/cert', { type: 'cert' })
    const roles = { edge: ['default'], rooted: ['root'] }
    for (const [role, policies] of Object.entries(roles))
      await post(`auth/cert/certs/${role}`, {
        certificate: vault.root.cert,
        allowed_common_names: ['edge'],
        token_policies: policies,
      })
  })
  afterAll(async () => {
    await lambda.close()
    await vault.close()
  })

  const ca = () => join(vault.folder, 'ca.pem')
  const at = (listener: Listener, more: Record<string, string> = {}) => ({
    KEYRING_VAULT_HOST: vault.address[listener],
    KEYRING_VAULT_TOKEN: vault.token,
    KEYRING_VAULT_CACERT: ca(),
    ...more,
  })
  const presenting = ({ cert, key }: Pair) => ({ KEYRING_VAULT_CLIENT_CERT: cert, KEYRING_VAULT_CLIENT_KEY: key })

  function fetcher(settings: Record<string, string>) {
    const made = vaultFetch(configOf(settings).vault)
    return { fetch: (request: Request) => made.fetch(request), close: () => made.close() }
  }

  const onNode: Open = (settings, clock) => syncing(settings, memoryStore(), clock)
  const onLambda: Open = (settings) => lambda.open(settings)

  describe.each([
    { platform: 'Node', open: onNode },
    { platform: "Lambda, by the sync function's bundle", open: onLambda },
  ])('on $platform', ({ open }) => {
    /** Opens, works, closes. */
    async function using<T>(
      settings: Record<string, string>,
      work: (on: Awaited<ReturnType<Open>>) => Promise<T>,
      clock?: Clock,
    ): Promise<T> {
      const on = await open(settings, clock)
      try {
        return await work(on)
      } finally {
        await on.close()
      }
    }
    const refusal = (settings: Record<string, string>, clock?: Clock) => using(settings, (on) => on.refusal(), clock)
    const works = (settings: Record<string, string>) => using(settings, async (on) => (await on.sync()).requests > 0)

    describe('a fault has a code, the step that failed and a remedy that names the setting', () => {
      const plainAt = (listener: Listener) => ({
        KEYRING_VAULT_HOST: vault.address[listener].replace('https:', 'http:'),
      })
      const CASES: readonly [string, () => Record<string, string>, string, string, RegExp][] = [
        [
          'HTTP to an HTTPS port',
          () => at('good', plainAt('good')),
          'ERR_VAULT_PLAINTEXT_TO_TLS',
          'tls',
          /https:\/\/ in KEYRING_VAULT_HOST/,
        ],
        ['a self-signed certificate', () => at('selfSigned'), 'ERR_VAULT_TLS_UNTRUSTED', 'tls', /KEYRING_VAULT_CACERT/],
        [
          'an unknown authority',
          () => at('good', { KEYRING_VAULT_CACERT: '' }),
          'ERR_VAULT_TLS_UNTRUSTED',
          'tls',
          /KEYRING_VAULT_CACERT/,
        ],
        [
          'an incomplete chain',
          () => at('incomplete'),
          'ERR_VAULT_TLS_UNTRUSTED',
          'tls',
          /every intermediate into Vault's tls_cert_file.*KEYRING_VAULT_CACERT.*dev mode/,
        ],
        [
          'another host in the certificate',
          () => at('wrongHost'),
          'ERR_VAULT_TLS_HOST_MISMATCH',
          'tls',
          /KEYRING_VAULT_HOST.*KEYRING_VAULT_TLS_SERVER_NAME/,
        ],
        ['an expired certificate', () => at('expired'), 'ERR_VAULT_TLS_EXPIRED', 'tls', /KEYRING_VAULT_CACERT/],
        [
          'TLS to a plain port',
          () => at('plain', { KEYRING_VAULT_HOST: vault.address.plain.replace('http:', 'https:') }),
          'ERR_VAULT_TLS_TO_PLAINTEXT',
          'tls',
          /KEYRING_VAULT_HOST/,
        ],
        [
          'a host name that is none',
          () => at('good', { KEYRING_VAULT_HOST: 'https://nowhere.invalid:8200' }),
          'ERR_VAULT_UNREACHABLE',
          'dns',
          /host name in KEYRING_VAULT_HOST/,
        ],
      ]
      it.each(CASES)('%s', async (_name, settings, code, step, remedy) => {
        const error = await refusal(settings())
        expect(error).toMatchObject({ code, facts: { step }, remedy: expect.stringMatching(remedy) })
        expect(error.message).toMatch(/^Vault at [\w.]+:\d+ .*\.$/)
      })

      it('nobody listening', async () => {
        const closed = await tcpProxy(vault.port.good)
        await closed.close()
        expect(await refusal(at('good', { KEYRING_VAULT_HOST: `https://localhost:${closed.port}` }))).toMatchObject({
          code: 'ERR_VAULT_UNREACHABLE',
          facts: { step: 'connect', reason: 'ECONNREFUSED' },
        })
      })

      it.each([
        ['no client certificate', () => ({})],
        ['one of a rogue authority', () => presenting(rogue)],
      ])('%s where one is required: possibly that, since it looks like a lost connection', async (_name, more) => {
        const error = await refusal(at('mutual', more()))
        expect(['ERR_VAULT_UNREACHABLE', 'ERR_VAULT_TLS_CLIENT_CERT']).toContain(error.code)
        expect(error.remedy).toMatch(/KEYRING_VAULT_CLIENT_CERT.*KEYRING_VAULT_CLIENT_KEY/)
        if (error.code === 'ERR_VAULT_UNREACHABLE') expect(error.remedy).toContain('possibly')
      })
    })

    describe('is trusted', () => {
      it('through a file, a text, and the names of Vault, OpenBao and Kong', async () => {
        const unnamed = { KEYRING_VAULT_CACERT: '' }
        for (const more of [{}, { KEYRING_VAULT_CACERT: vault.root.cert }, { ...unnamed, VAULT_CACERT: ca() }])
          expect(await works(at('good', more))).toBe(true)
        expect(await works(at('good', { ...unnamed, BAO_CACERT: ca() }))).toBe(true)
        expect(await works(at('good', { ...unnamed, KONG_LUA_SSL_TRUSTED_CERTIFICATE: `system,${ca()}` }))).toBe(true)
      })

      it('through a list, whose members may be bundles', async () => {
        const other = await authority('Another authority')
        const bundle = vault.write('bundle.pem', `# of two\n${other.cert}\n${vault.root.cert}`)
        expect(
          await works(at('good', { KEYRING_VAULT_CACERT: `${vault.write('other.pem', other.cert)}, ${bundle}` })),
        ).toBe(true)
      })

      it("through an intermediate, or the server's own certificate, as it is by bao and curl", async () => {
        const [leaf = '', intermediate = ''] = blocksOf(readFileSync(join(vault.folder, 'good.pem'), 'utf8'))
        for (const anchor of [leaf, intermediate]) {
          expect(await works(at('good', { KEYRING_VAULT_CACERT: anchor }))).toBe(true)
          expect(await works(at('incomplete', { KEYRING_VAULT_CACERT: anchor }))).toBe(true)
          expect(await works(at('mutual', { ...presenting(client), KEYRING_VAULT_CACERT: intermediate }))).toBe(true)
        }
        expect(await refusal(at('selfSigned', { KEYRING_VAULT_CACERT: leaf }))).toMatchObject({
          code: 'ERR_VAULT_TLS_UNTRUSTED',
        })
        expect(await refusal(at('wrongHost', { KEYRING_VAULT_CACERT: intermediate }))).toMatchObject({
          code: 'ERR_VAULT_TLS_HOST_MISMATCH',
        })
        expect(await refusal(at('expired', { KEYRING_VAULT_CACERT: intermediate }))).toMatchObject({
          code: 'ERR_VAULT_TLS_EXPIRED',
        })
      })

      it('under another name, when the certificate carries that', async () => {
        expect(await works(at('wrongHost', { KEYRING_VAULT_TLS_SERVER_NAME: 'vault.example' }))).toBe(true)
        expect(await refusal(at('good', { KEYRING_VAULT_TLS_SERVER_NAME: 'vault.example' }))).toMatchObject({
          code: 'ERR_VAULT_TLS_HOST_MISMATCH',
        })
      })
    })

    describe('files that change while it runs', () => {
      const touch = (path: string, seconds: number) => utimesSync(path, seconds, seconds)

      it('an authority is read again, and the connection made anew', async () => {
        const path = vault.write('changing.pem', (await authority('Old authority')).cert)
        await using(at('good', { KEYRING_VAULT_CACERT: path }), async (on) => {
          expect(await on.refusal()).toMatchObject({ code: 'ERR_VAULT_TLS_UNTRUSTED' })
          vault.write('changing.pem', vault.root.cert)
          touch(path, 2000)
          await on.sync()
          vault.write('changing.pem', (await authority('New authority')).cert)
          touch(path, 3000)
          expect(await on.refusal()).toMatchObject({ code: 'ERR_VAULT_TLS_UNTRUSTED' })
        })
      })

      it('a new certificate waits for its key: what was in use stays in use', async () => {
        const [cert, key] = [vault.write('turn.pem', client.cert), vault.write('turn.key', client.key)]
        const settings = at('mutual', { KEYRING_VAULT_CLIENT_CERT: cert, KEYRING_VAULT_CLIENT_KEY: key })
        await using(settings, async (on) => {
          await on.sync()
          vault.write('turn.pem', rogue.cert)
          touch(cert, 4000)
          await on.sync()
          vault.write('turn.key', rogue.key)
          expect((await on.refusal()).remedy).toContain('KEYRING_VAULT_CLIENT_CERT')
        })
      })
    })

    it('a file that is gone at the first request is named by its setting', async () => {
      const path = vault.write('passing.pem', vault.root.cert)
      await using(at('good', { KEYRING_VAULT_CACERT: path }), async (on) => {
        rmSync(path)
        expect(await on.refusal()).toMatchObject({
          code: 'ERR_CONFIG_INVALID',
          message: 'KEYRING_VAULT_CACERT names a file that cannot be read (ENOENT).',
        })
      })
    })

    describe('connections', () => {
      let proxy: TcpProxy
      beforeAll(async () => {
        proxy = await tcpProxy(vault.port.good)
      })
      afterAll(() => proxy.close())

      it('twenty reads, one after the other, take one; a connection that died unseen costs one more and no error', async () => {
        await using(at('good', { KEYRING_VAULT_HOST: `https://localhost:${proxy.port}` }), async (on) => {
          for (let read = 0; read < 20; read += 1) await on.sync()
          expect(proxy.connections).toBe(1)
          proxy.killOpen()
          await on.sync()
          expect(proxy.connections).toBe(2)
        })
      })
    })

    it('an identity provider is trusted for nothing of Vault, and its TLS trouble is named as its own', async () => {
      const token = { KEYRING_VAULT_TOKEN: '', KEYRING_VAULT_AUTH_METHOD: 'oauth2', KEYRING_VAULT_JWT_ROLE: 'edge' }
      const oauth2 = (endpoint: string) => ({
        ...token,
        KEYRING_VAULT_OAUTH2_TOKEN_ENDPOINT: endpoint,
        KEYRING_VAULT_OAUTH2_CLIENT_ID: 'edge',
        KEYRING_VAULT_OAUTH2_CLIENT_SECRET: 'of-no-importance',
      })
      const asking = (endpoint: string) =>
        refusal(at('good', { ...presenting(client), ...oauth2(endpoint) }), systemClock)
      const error = await asking(`${vault.address.mutual}/token`)
      expect(error).toMatchObject({
        code: 'ERR_OAUTH2_UNAVAILABLE',
        facts: { step: 'tls', reason: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', host: `localhost:${vault.port.mutual}` },
      })
      expect(error.message).toMatch(
        /^The identity provider at \S+ has a certificate of an authority .* not trusted here\.$/,
      )
      expect(error.remedy).toMatch(/certificate.*authority.*KEYRING_VAULT_OAUTH2_CACERT/)
      const [inTheClear, nobody] = [vault.address.plain.replace('http:', 'https:'), 'https://nowhere.invalid']
      expect(await asking(inTheClear)).toMatchObject({ facts: { step: 'tls' } })
      expect(await asking(nobody)).toMatchObject({ facts: { step: 'dns', reason: 'ENOTFOUND' } })
    })

    it('sealed is said over TLS too', async () => {
      await vaultClient(vault.address.plain, vault.token).seal()
      expect(await refusal(at('good'))).toMatchObject({
        code: 'ERR_VAULT_SEALED',
        facts: { step: 'read' },
        remedy: expect.stringContaining('Unseal'),
      })
      await vaultClient(vault.address.plain, vault.token).unseal(vault.unsealKey)
    })
  })

  it('another host than Vault is shown no certificate, and trusted for nothing of it', async () => {
    const { fetch, close } = fetcher(at('good', presenting(client)))
    expect((await fetch(new Request(`${vault.address.good}/v1/sys/health`))).status).toBe(200)
    await expect(fetch(new Request(`${vault.address.mutual}/v1/sys/health`))).rejects.toMatchObject({
      code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    })
    await close()
  })

  describe('the login cert', () => {
    const login = async (pair: Pair | null, body: object, listener: Listener = 'good') => {
      const { fetch, close } = fetcher(at(listener, pair === null ? {} : presenting(pair)))
      const url = `${vault.address[listener]}/v1/auth/cert/login`
      const response = await fetch(new Request(url, { method: 'POST', body: JSON.stringify(body) }))
      const answer = { status: response.status, body: (await response.json()) as object }
      await close()
      return answer
    }
    const error = (text: string) => ({ status: 400, body: { errors: [expect.stringContaining(text)] } })

    it('over real mTLS gives a token, also where every connection must present a certificate', async () => {
      for (const listener of ['good', 'mutual'] as const)
        expect(await login(client, { name: 'edge' }, listener)).toMatchObject({
          status: 200,
          body: { auth: { metadata: { common_name: 'edge' } } },
        })
    })

    it('is refused without a certificate, with a rogue one, under another name, and for the root policy', async () => {
      expect(await login(null, { name: 'edge' })).toMatchObject(error('no client certificate found'))
      expect(await login(rogue, { name: 'edge' })).toMatchObject(error('invalid certificate'))
      expect(await login(otherName, { name: 'edge' })).toMatchObject(error('no chain matching all constraints'))
      expect(await login(client, { name: 'rooted' })).toMatchObject(error('auth methods cannot create root tokens'))
    })
  })

  describe('undici', () => {
    const loads = async (settings: Record<string, string>, env: Record<string, string> = {}) => {
      const script = join(import.meta.dirname, 'children/modules.ts')
      const { stdout } = await run(process.execPath, [script], { env: { ...settings, ...env } })
      return JSON.parse(stdout) as { status: number; loaded: readonly boolean[] }
    }

    it('is loaded at the first request and not before, whatever is set', async () => {
      const bare = { KEYRING_VAULT_CACERT: '' }
      const once = { status: 200, loaded: [false, true] }
      expect(await loads(at('plain', bare))).toEqual(once)
      expect(await loads(at('good', bare), { NODE_EXTRA_CA_CERTS: ca() })).toEqual(once)
      expect(await loads(at('good'))).toEqual(once)
    })

    it('takes the authorities of the operating system for "system"', async () => {
      const system = at('good', { KEYRING_VAULT_CACERT: 'system' })
      expect(await loads(system, { SSL_CERT_FILE: ca() })).toMatchObject({ status: 200 })
    })
  })
})
