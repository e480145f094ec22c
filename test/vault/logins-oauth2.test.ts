/** From a real OAuth2 server to a real OpenBao: an access token as JWT, and everything that may go wrong before Vault is asked. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, exportPKCS8, importPKCS8 } from 'jose'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { IdentityProvider } from '../support/identity-provider.ts'
import { RESOURCE, SECRET, startIdentityProvider } from '../support/identity-provider.ts'
import type { SpiedVault } from '../support/logins.ts'
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
  let provider: IdentityProvider
  beforeAll(async () => {
    provider = await startIdentityProvider()
    await must('sys/policies/acl/oauth2', { policy: 'path "secret/data/oauth2" { capabilities = ["read"] }' })
    await admin.write('oauth2', { id: 'k1' })
    await must('sys/auth/idp', { type: 'jwt' })
    await must('auth/idp/config', { jwks_url: provider.jwksUrl, bound_issuer: provider.issuer })
    const role = { role_type: 'jwt', user_claim: 'client_id', bound_audiences: ['vault'], token_policies: ['oauth2'] }
    const known = { client_id: ['basic:client', 'post', 'es256', 'rs256'], scope: 'read' }
    await must('auth/idp/role/edge', { ...role, bound_claims: known })
    await must('auth/idp/role/others', { ...role, bound_claims: { client_id: 'others' } })
  })
  afterAll(() => provider.close())

  const options = (more: Record<string, string> = {}) => ({
    auth_method: 'oauth2',
    jwt_auth_path: 'idp',
    oauth2_role_name: 'edge',
    oauth2_token_endpoint: provider.tokenEndpoint,
    oauth2_client_id: 'basic:client',
    ...(!('oauth2_private_key' in more) && { oauth2_client_secret: SECRET }),
    oauth2_resource: RESOURCE,
    oauth2_scopes: 'read',
    ...more,
  })
  const login = async (more: Record<string, string> = {}, vault: SpiedVault = loginVault(address)) =>
    (await loginMethod(options(more)).login(vault, NEVER)).token.reveal()
  const reads = async (token: string) =>
    (await vaultClient(address, token).request('GET', 'secret/data/oauth2')).status === 200

  /** Refused without Vault being asked. */
  const refused = async (more: Record<string, string>): Promise<string> => {
    const vault = loginVault(address)
    const why = await refusal(login(more, vault))
    expect(vault.asked).toEqual([])
    return why
  }

  it('is had by client_secret_basic, with a secret that must be encoded', async () => {
    const vault = loginVault(address)
    expect(await reads(await login({}, vault))).toBe(true)
    expect(vault.asked).toEqual(['auth/idp/login'])
    expect(provider.seen.at(-1)?.authorization).toMatch(/^Basic /)
    expect(provider.seen.at(-1)?.form.get('resource')).toBe(RESOURCE)
  })

  it('is had by client_secret_post', async () => {
    const post = { oauth2_client_id: 'post', oauth2_client_auth: 'client_secret_post' }
    expect(await reads(await login(post))).toBe(true)
    expect(provider.seen.at(-1)?.authorization).toBe('')
  })

  it.each(['es256', 'rs256'] as const)('is had by private_key_jwt, with %s', async (client) => {
    const pem = provider.keys[client]
    const key = await importPKCS8(pem, client.toUpperCase(), { extractable: true })
    const forms = [pem, pem.trim().replaceAll('\n', '\\n'), JSON.stringify(await exportJWK(key))]
    for (const oauth2_private_key of forms)
      expect(await reads(await login({ oauth2_client_id: client, oauth2_private_key }))).toBe(true)
  })

  it('is had by discovery, and the assertion is for the issuer then', async () => {
    const { oauth2_token_endpoint: _endpoint, ...rest } = options({
      oauth2_issuer: provider.issuer,
      oauth2_client_id: 'es256',
      oauth2_private_key: provider.keys.es256,
    })
    const issued = await loginMethod(rest).login(loginVault(address), NEVER)
    expect(await reads(issued.token.reveal())).toBe(true)
    const assertion = provider.seen.at(-1)?.form.get('client_assertion') ?? ''
    const claims = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString()) as object
    expect(claims).toMatchObject({ iss: 'es256', sub: 'es256', aud: provider.issuer, jti: expect.any(String) })
  })

  it('is had anew at each login, with an assertion that was not sent before', async () => {
    const method = loginMethod(options({ oauth2_client_id: 'rs256', oauth2_private_key: provider.keys.rs256 }))
    await method.login(loginVault(address), NEVER)
    await method.login(loginVault(address), NEVER)
    const [before, after] = provider.seen.slice(-2).map(({ form }) => form.get('client_assertion'))
    expect(after).not.toBe(before)
  })

  it('that is opaque is named as such', async () => {
    const { oauth2_resource: _resource, ...rest } = options()
    const vault = loginVault(address)
    expect(await refusal(loginMethod(rest).login(vault, NEVER))).toBe('ERR_OAUTH2_TOKEN_OPAQUE')
    expect(vault.asked).toEqual([])
  })

  it('is refused for an unknown resource or scope by the code of the standard', async () => {
    expect(await refused({ oauth2_resource: 'urn:other' })).toBe('ERR_OAUTH2_TARGET_REFUSED invalid_target')
    expect(await refusal(login({ oauth2_scopes: 'write' }))).toBe('ERR_VAULT_REQUEST_REFUSED 400')
  })

  it('is refused to a client with a wrong secret, another way, another key, or that is unknown', async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const why = 'ERR_OAUTH2_CLIENT_REFUSED invalid_client'
    expect(await refused({ oauth2_client_secret: 'wrong' })).toBe(why)
    expect(await refused({ oauth2_client_id: 'nobody' })).toBe(why)
    expect(await refused({ oauth2_client_id: 'es256' })).toBe(why)
    expect(await refused({ oauth2_client_id: 'es256', oauth2_private_key: await exportPKCS8(privateKey) })).toBe(why)
  })

  it('is refused by Vault in a role that is not for this client', async () => {
    expect(await refusal(login({ oauth2_role_name: 'others' }))).toBe('ERR_VAULT_REQUEST_REFUSED 400')
  })

  it('cannot be had with a key that is none', async () => {
    const nonsense = '-----BEGIN PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END PRIVATE KEY-----'
    const { privateKey } = await generateKeyPair('Ed25519', { extractable: true })
    for (const oauth2_private_key of [nonsense, '{"kty":"EC"}', '{"kty":', await exportPKCS8(privateKey)])
      expect(await refused({ oauth2_client_id: 'es256', oauth2_private_key })).toBe(
        'ERR_LOGIN_CREDENTIAL_MALFORMED oauth2_private_key',
      )
    const file = { oauth2_client_id: 'es256', oauth2_private_key: '/nowhere/key.pem' }
    expect(await refused(file)).toBe('ERR_LOGIN_CREDENTIAL_UNREADABLE oauth2_private_key')
  })

  it('cannot be had from a provider that is away, or that names itself otherwise', async () => {
    expect(await refused({ oauth2_token_endpoint: 'http://127.0.0.1:9/token' })).toBe('ERR_OAUTH2_UNAVAILABLE')
    const other = createServer((_request, response) =>
      response.end(JSON.stringify({ issuer: provider.issuer, token_endpoint: provider.tokenEndpoint })),
    )
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { oauth2_token_endpoint: _endpoint, ...rest } = options({
      oauth2_issuer: `http://127.0.0.1:${(other.address() as AddressInfo).port}`,
    })
    expect(await refusal(loginMethod(rest).login(loginVault(address), NEVER))).toBe('ERR_OAUTH2_ISSUER_MISMATCH')
    other.close()
  })
})
