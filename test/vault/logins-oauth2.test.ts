/** From a real OAuth2 server to a real OpenBao: an access token as JWT, and everything that may go wrong before Vault is asked. */
import { createPrivateKey } from 'node:crypto'
import { decodeJwt, exportPKCS8, generateKeyPair } from 'jose'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { gateway } from '../support/gateway.ts'
import type { IdentityProvider } from '../support/identity-provider.ts'
import { RESOURCE, SECRET, startIdentityProvider } from '../support/identity-provider.ts'
import { loginRunners } from '../support/login-runners.ts'
import type { LoginOptions } from '../support/logins.ts'
import { NEVER, loginMethod, loginVault, refusal } from '../support/logins.ts'
import { vaultClient } from '../support/vault.ts'

const shared = inject('openbao')
const address = shared?.address ?? ''
const admin = vaultClient(address, shared?.token ?? '')

async function must(path: string, body: unknown): Promise<void> {
  const answer = await admin.request('POST', path, { body })
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
}

describe.skipIf(shared === null)('a login with an access token', () => {
  const runners = loginRunners()
  let provider: IdentityProvider
  beforeAll(async () => {
    provider = await startIdentityProvider()
    await must('sys/policies/acl/oauth2', { policy: 'path "secret/data/oauth2" { capabilities = ["read"] }' })
    await admin.write('oauth2', { id: 'k1' })
    await must('sys/auth/idp', { type: 'jwt' })
    await must('auth/idp/config', { jwks_url: provider.jwksUrl, bound_issuer: provider.issuer })
    const role = { role_type: 'jwt', user_claim: 'client_id', bound_audiences: ['vault'], token_policies: ['oauth2'] }
    const known = { client_id: ['basic:client', 'post', 'es256', 'rs256', 'eddsa'], scope: 'read' }
    await must('auth/idp/role/edge', { ...role, bound_claims: known })
    await must('auth/idp/role/others', { ...role, bound_claims: { client_id: 'others' } })
  })
  afterAll(() => provider.close())

  const options = (more: LoginOptions = {}, ...without: readonly string[]): LoginOptions => {
    const all = {
      auth_method: 'oauth2',
      jwt_auth_path: 'idp',
      oauth2_role_name: 'edge',
      oauth2_token_endpoint: provider.tokenEndpoint,
      oauth2_client_id: 'basic:client',
      ...(!('oauth2_private_key' in more) && { oauth2_client_secret: SECRET }),
      oauth2_resource: RESOURCE,
      oauth2_scopes: 'read',
      ...more,
    }
    return Object.fromEntries(Object.entries(all).filter(([name]) => !without.includes(name)))
  }
  const byIssuer = (issuer: string, more = {}) => options({ oauth2_issuer: issuer, ...more }, 'oauth2_token_endpoint')
  const reads = async (token: string) =>
    (await vaultClient(address, token).request('GET', 'secret/data/oauth2')).status === 200

  describe.each(runners)('on $name', (on) => {
    const login = async (given: LoginOptions, vault = loginVault(address)) =>
      (await on.login(given, vault)).token.reveal()

    /** Without Vault being asked. */
    const refused = async (given: LoginOptions): Promise<string> => {
      const vault = loginVault(address)
      const why = await refusal(login(given, vault))
      expect(vault.asked).toEqual([])
      return why
    }

    it('is had by client_secret_basic, with a secret that must be encoded', async () => {
      const vault = loginVault(address)
      expect(await reads(await login(options(), vault))).toBe(true)
      expect(vault.asked).toEqual(['auth/idp/login'])
      expect(provider.seen.at(-1)?.authorization).toMatch(/^Basic /)
      expect(provider.seen.at(-1)?.form.get('resource')).toBe(RESOURCE)
    })

    it('is had by client_secret_post', async () => {
      const post = { oauth2_client_id: 'post', oauth2_client_auth: 'client_secret_post' }
      expect(await reads(await login(options(post)))).toBe(true)
      expect(provider.seen.at(-1)?.authorization).toBe('')
    })

    it.each(['es256', 'rs256', 'eddsa'] as const)('is had by private_key_jwt, with %s', async (client) => {
      const pem = provider.keys[client]
      const key = createPrivateKey(pem)
      const type = { es256: 'sec1', rs256: 'pkcs1', eddsa: 'pkcs8' }[client] as 'pkcs1'
      const traditional = key.export({ type, format: 'pem' }).toString()
      const forms = [
        `# Acme, Inc.\r\n${pem.replaceAll('\n', '\r\n')}`,
        traditional.trim().replaceAll('\n', '\\n'),
        JSON.stringify(key.export({ format: 'jwk' })),
      ]
      for (const oauth2_private_key of forms)
        expect(await reads(await login(options({ oauth2_client_id: client, oauth2_private_key })))).toBe(true)
    })

    it('is had by discovery, and the assertion is for the issuer then', async () => {
      const client = { oauth2_client_id: 'es256', oauth2_private_key: provider.keys.es256 }
      expect(await reads(await login(byIssuer(provider.issuer, client)))).toBe(true)
      const assertion = provider.seen.at(-1)?.form.get('client_assertion') ?? ''
      const claims = { iss: 'es256', sub: 'es256', aud: provider.issuer, jti: expect.any(String) }
      expect(decodeJwt(assertion)).toMatchObject(claims)
    })

    it('that is opaque is named as such', async () => {
      expect(await refused(options({}, 'oauth2_resource'))).toBe('ERR_OAUTH2_TOKEN_OPAQUE')
    })

    it('is refused for an unknown resource by the code of the standard; a scope that is not granted, by Vault', async () => {
      const why = 'ERR_OAUTH2_TARGET_REFUSED invalid_target'
      expect(await refused(options({ oauth2_resource: 'urn:other' }))).toBe(why)
      const scoped = login(options({ oauth2_scopes: 'write' }))
      expect(await refusal(scoped)).toBe('ERR_VAULT_LOGIN_CLAIMS_REFUSED 400')
    })

    it('is refused to a client with a wrong secret, another way, another key, or that is unknown', async () => {
      const { privateKey } = await generateKeyPair('ES256', { extractable: true })
      const wrong = [
        { oauth2_client_secret: 'wrong' },
        { oauth2_client_id: 'nobody' },
        { oauth2_client_id: 'es256' },
        { oauth2_client_id: 'es256', oauth2_private_key: await exportPKCS8(privateKey) },
      ]
      for (const more of wrong) expect(await refused(options(more))).toBe('ERR_OAUTH2_CLIENT_REFUSED invalid_client')
    })

    it('is refused by Vault in a role that is not for this client', async () => {
      const others = login(options({ oauth2_role_name: 'others' }))
      expect(await refusal(others)).toBe('ERR_VAULT_LOGIN_CLAIMS_REFUSED 400')
    })

    it('cannot be had with a key that is none', async () => {
      const nonsense = '-----BEGIN PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END PRIVATE KEY-----'
      const { privateKey } = await generateKeyPair('ES384', { extractable: true })
      for (const oauth2_private_key of [nonsense, '{"kty":"EC"}', '{"kty":', await exportPKCS8(privateKey)])
        expect(await refused(options({ oauth2_client_id: 'es256', oauth2_private_key }))).toBe(
          'ERR_LOGIN_CREDENTIAL_MALFORMED oauth2_private_key',
        )
    })

    it('cannot be had from a provider that is away, or that names itself otherwise', async () => {
      const away = options({ oauth2_token_endpoint: 'http://127.0.0.1:9/token' })
      expect(await refused(away)).toBe('ERR_OAUTH2_UNAVAILABLE unknown')
      const { issuer, tokenEndpoint: token_endpoint } = provider
      const other = await gateway(issuer, async () => Response.json({ issuer, token_endpoint }))
      expect(await refused(byIssuer(other.url))).toBe('ERR_OAUTH2_ISSUER_MISMATCH')
      await other.close()
    })
  })

  it('is had anew at each login, with an assertion that was not sent before', async () => {
    const method = loginMethod(options({ oauth2_client_id: 'rs256', oauth2_private_key: provider.keys.rs256 }))
    await method.login(loginVault(address), NEVER)
    await method.login(loginVault(address), NEVER)
    const [before, after] = provider.seen.slice(-2).map(({ form }) => form.get('client_assertion'))
    expect(after).not.toBe(before)
  })

  it('cannot be had with a key in a file that is absent', async () => {
    const vault = loginVault(address)
    const given = options({ oauth2_client_id: 'es256', oauth2_private_key: '/nowhere/key.pem' })
    const why = await refusal(loginMethod(given).login(vault, NEVER))
    expect([why, vault.asked]).toEqual(['ERR_LOGIN_CREDENTIAL_UNREADABLE oauth2_private_key', []])
  })
})
