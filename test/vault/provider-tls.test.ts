/** An identity provider behind TLS with an authority of its own, on the way from its access token to a real OpenBao. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { readSettings } from '../../functions/node-shared/settings.ts'
import type { Authority } from '../support/certificates.ts'
import { authority } from '../support/certificates.ts'
import type { IdentityProvider } from '../support/identity-provider.ts'
import { RESOURCE, SECRET, startIdentityProvider } from '../support/identity-provider.ts'
import { loginEnv } from '../support/logins.ts'
import { opened } from '../support/opened.ts'
import { keyString } from '../support/syncing.ts'
import type { VaultServer } from '../support/vault.ts'
import { vaultClient, vaultTargets } from '../support/vault.ts'

const [, target] = vaultTargets()
type Env = Readonly<Record<string, string>>

/** TLS in front of the provider. */
async function tlsBefore(address: string, ca: Authority, hosts: readonly string[]) {
  const own = await ca.issue('provider', { hosts })
  const server = createServer(own, (incoming, outgoing) => {
    const pass = async () => {
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
      const headers = new Headers(
        Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]),
      )
      for (const name of ['connection', 'content-length', 'host', 'transfer-encoding']) headers.delete(name)
      const body = chunks.length === 0 ? null : Buffer.concat(chunks)
      const answer = await fetch(address + incoming.url, { method: incoming.method ?? 'GET', headers, body })
      outgoing.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
    }
    pass().catch(() => outgoing.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    cert: own.cert,
    endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    close: () => new Promise<void>((resolve) => (server.close(() => resolve()), server.closeAllConnections())),
  }
}

describe.skipIf(!target.isAvailable)('an identity provider with an authority of its own', () => {
  let server: VaultServer
  let provider: IdentityProvider
  let [ca, other] = [] as unknown as [Authority, Authority]
  let [good, misnamed] = [] as unknown as Awaited<ReturnType<typeof tlsBefore>>[]
  const folder = mkdtempSync(join(tmpdir(), 'provider-tls-'))
  const file = join(folder, 'ca.pem')

  beforeAll(async () => {
    ;[server, provider] = await Promise.all([target.open(), startIdentityProvider()])
    ;[ca, other] = await Promise.all([authority('Own'), authority('Other')])
    good = await tlsBefore(provider.issuer, ca, ['127.0.0.1'])
    misnamed = await tlsBefore(provider.issuer, ca, ['provider.example'])
    writeFileSync(file, ca.cert)
    const root = vaultClient(server.address, server.token)
    await root.write('keyring', { id: 'k1', key: keyString('k1') })
    const policy = 'path "secret/*" { capabilities = ["read"] }'
    await root.request('POST', 'sys/policies/acl/reads', { body: { policy } })
    await root.request('POST', 'sys/auth/jwt', { body: { type: 'jwt' } })
    const config = { jwks_url: provider.jwksUrl, bound_issuer: provider.issuer }
    await root.request('POST', 'auth/jwt/config', { body: config })
    const role = { role_type: 'jwt', user_claim: 'client_id', bound_audiences: ['vault'], token_policies: ['reads'] }
    await root.request('POST', 'auth/jwt/role/edge', { body: role })
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await Promise.all([good?.close(), misnamed?.close(), provider.close(), server.close()])
  })

  const settings = (endpoint: string | undefined, more: Env = {}): Env =>
    loginEnv(
      {
        auth_method: 'oauth2',
        oauth2_role_name: 'edge',
        oauth2_token_endpoint: endpoint ?? '',
        oauth2_client_id: 'basic:client',
        oauth2_client_secret: SECRET,
        oauth2_resource: RESOURCE,
        oauth2_scopes: 'read',
        ...more,
      },
      { KEYRING_VAULT_HOST: server.address },
    )

  async function outcome(env: Env) {
    const one = opened(env)
    const result = await one.sync()
    await one.close()
    return result
  }

  it('is trusted by KEYRING_VAULT_OAUTH2_CACERT: PEM, a file, one of several, or its own certificate', async () => {
    for (const oauth2_cacert of [ca.cert, file, `system, ${file}`, good?.cert ?? ''])
      expect(await outcome(settings(good?.endpoint, { oauth2_cacert }))).toMatchObject({ ok: true })
  })

  it.each([
    ['is not trusted without', () => settings(good?.endpoint), /authority/],
    ['is not trusted with another authority', () => settings(good?.endpoint, { oauth2_cacert: other.cert }), /./],
    ['is not trusted by the system', () => settings(good?.endpoint, { oauth2_cacert: 'system' }), /./],
    ['is not taken for another host', () => settings(misnamed?.endpoint, { oauth2_cacert: file }), /another host/],
  ])('%s: that is said, with the setting', async (_name, env, what) => {
    const result = await outcome(env())
    expect(result).toMatchObject({
      ok: false,
      error: {
        code: 'ERR_OAUTH2_UNAVAILABLE',
        message: expect.stringMatching(/^The identity provider at 127\.0\.0\.1:\d+ .*certificate/),
        remedy: expect.stringMatching(/KEYRING_VAULT_OAUTH2_CACERT/),
        facts: { step: 'tls', reason: expect.stringMatching(/^[A-Z_]+$/) },
      },
    })
    expect(JSON.stringify(result)).toMatch(what)
  })

  it('has files that are looked at with all others, and is refused on Workers', () => {
    const env = settings(good?.endpoint, { oauth2_cacert: '/nowhere/ca.pem' })
    expect(readSettings({ ...env, KEYRING_DATABASE: 'unused.sqlite' }, 'node')).toMatchObject({
      ok: false,
      problems: [{ name: 'KEYRING_VAULT_OAUTH2_CACERT', message: 'names a file that cannot be read (ENOENT)' }],
    })
    expect(parseConfig({ ...env, KEYRING_VAULT_OAUTH2_CACERT: ca.cert }, 'workers')).toMatchObject({
      ok: false,
      problems: expect.arrayContaining([
        {
          name: 'KEYRING_VAULT_OAUTH2_CACERT',
          message: 'cannot be used on Workers, which trust public authorities only',
        },
      ]),
    })
  })
})
