/** What an operator is told when a real OpenBao refuses: each cause has a sentence and a remedy of its own, with the names that are configured. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { opened } from '../support/opened.ts'
import { keyString } from '../support/syncing.ts'
import type { VaultClient, VaultServer } from '../support/vault.ts'
import { vaultClient, vaultTargets } from '../support/vault.ts'

const [, target] = vaultTargets()
type Env = Readonly<Record<string, string>>

describe.skipIf(!target.isAvailable)('a refusal', () => {
  let server: VaultServer
  let root: VaultClient

  beforeAll(async () => {
    server = await target.open()
    root = vaultClient(server.address, server.token)
    const kv = await root.mount('team/kv')
    await kv.write('app/ring', { id: 'k1', key: keyString('k1') })
    const policy = 'path "team/kv/*" { capabilities = ["read"] }'
    await root.request('POST', 'sys/policies/acl/reads', { body: { policy } })
    await root.request('POST', 'sys/auth/team/a/approle', { body: { type: 'approle' } })
    await root.request('POST', 'sys/namespaces/here', { body: {} })
  })
  afterAll(() => server.close())

  const settings = (more: Env = {}): Env => ({
    KEYRING_VAULT_HOST: server.address,
    KEYRING_VAULT_MOUNT: 'team/kv',
    KEYRING_VAULT_PATH: 'app/ring',
    KEYRING_VAULT_TOKEN: server.token,
    ...more,
  })
  const tokenOf = async (policy: string) => ({ KEYRING_VAULT_TOKEN: await root.tokenFor(policy) })

  async function login(role: object, more: Env = {}): Promise<Env> {
    const at = `auth/team/a/approle/role/role-${crypto.randomUUID()}`
    await root.request('POST', at, { body: { token_policies: ['reads'], token_ttl: '1h', ...role } })
    const id = (await root.request('GET', `${at}/role-id`)).body as { data: { role_id: string } }
    const secret = (await root.request('POST', `${at}/secret-id`)).body as { data: { secret_id: string } }
    return settings({
      KEYRING_VAULT_TOKEN: '',
      KEYRING_VAULT_AUTH_METHOD: 'approle',
      KEYRING_VAULT_APPROLE_AUTH_PATH: 'team/a/approle',
      KEYRING_VAULT_APPROLE_ROLE_ID: id.data.role_id,
      KEYRING_VAULT_APPROLE_SECRET_ID: secret.data.secret_id,
      ...more,
    })
  }

  it('of a policy names the path and what to add: metadata, then data', async () => {
    for (const [allowed, lacks] of [
      ['data', 'metadata'],
      ['metadata', 'data'],
    ]) {
      const token = await tokenOf(`path "team/kv/${allowed}/app/ring" { capabilities = ["read"] }`)
      const error = await opened(settings(token)).error()
      expect(error.message).toMatch(new RegExp(`does not let the token read team/kv/${lacks}/app/ring\\.$`))
      expect(error.remedy).toContain(`path "team/kv/${lacks}/app/ring" { capabilities = ["read"] }`)
      expect(error).toMatchObject({ code: 'ERR_VAULT_DENIED', facts: { denied: 'policy' } })
    }
  })

  const SETTINGS = 'KEYRING_VAULT_MOUNT and KEYRING_VAULT_PATH ("mount" and "path" in KEYRINGS)'

  it('of a mount or path that is another than the policy allows names both settings, and so does the doctor', async () => {
    const token = await tokenOf('path "team/kv/+/app/ring" { capabilities = ["read"] }')
    for (const [name, value, asked] of [
      ['KEYRING_VAULT_MOUNT', 'secret', 'secret/metadata/app/ring'],
      ['KEYRING_VAULT_MOUNT', 'nowhere', 'nowhere/metadata/app/ring'],
      ['KEYRING_VAULT_PATH', 'app/rnig', 'team/kv/metadata/app/rnig'],
    ] as const) {
      const one = opened(settings({ ...token, [name]: value }))
      const error = await one.error()
      expect(error.message).toMatch(new RegExp(`does not let the token read ${asked}\\.$`))
      expect(error.remedy).toBe(
        `Check ${SETTINGS}. If they are right, add to the policy of the token, or of the role of the login: path "${asked}" { capabilities = ["read"] }.`,
      )
      expect((await one.findings())['secret']).toMatchObject({ outcome: 'failed', remedy: error.remedy })
    }
  })

  it('of a mount or path that is not there names both settings', async () => {
    for (const [name, value, code] of [
      ['KEYRING_VAULT_MOUNT', 'nowhere', 'ERR_VAULT_MOUNT_NOT_FOUND'],
      ['KEYRING_VAULT_PATH', 'app/rnig', 'ERR_SOURCE_NOT_FOUND'],
    ] as const)
      expect(await opened(settings({ [name]: value })).error()).toMatchObject({
        code,
        remedy: expect.stringContaining(SETTINGS),
      })
  })

  it.each([
    ['team/kv/data', 'app/ring'],
    ['team/kv/metadata', 'app/ring'],
    ['team/kv', 'data/app/ring'],
    ['team/kv', 'metadata/app/ring'],
    ['team/kv/data', 'data/app/ring'],
    ['team/kv', 'team/kv/data/app/ring'],
  ])('of %s and %s, which have what is added here, says what to write', async (mount, path) => {
    const words = 'Write "team/kv" as mount and "app/ring" as path, without data/ or metadata/. '
    const named = JSON.stringify([{ name: 'orders', mount, path }])
    const least = await tokenOf('path "team/kv/+/app/ring" { capabilities = ["read"] }')
    for (const token of [least, {}]) {
      const wrong = { KEYRING_VAULT_MOUNT: mount, KEYRING_VAULT_PATH: path, KEYRINGS: named, ...token }
      const one = opened(settings(wrong))
      expect((await one.error()).remedy.startsWith(words)).toBe(true)
      expect((await one.findings())['secret']?.remedy?.startsWith(words)).toBe(true)
    }
    const root = await opened(settings({ KEYRING_VAULT_MOUNT: mount, KEYRING_VAULT_PATH: path })).error()
    expect(root.message).toContain(`There is no secret at ${mount}/${path}`)
  })

  it('is none of data/ in a path that is there', async () => {
    await vaultClient(server.address, server.token, 'team/kv').write('data/x', { id: 'k1', key: keyString('k1') })
    expect(await opened(settings({ KEYRING_VAULT_PATH: 'data/x' })).sync()).toMatchObject({ ok: true })
  })

  it('of a policy names what KV version 1 needs: list, then read', async () => {
    await root.mount('one', 1)
    await root.request('POST', 'one/ring/1', { body: { id: 'a', key: keyString('a') } })
    const env = settings({ KEYRING_VAULT_MOUNT: 'one', KEYRING_VAULT_PATH: 'ring', KEYRING_VAULT_KV: 'v1' })
    const blind = await tokenOf('path "one/ring/*" { capabilities = ["read"] }')
    expect((await opened({ ...env, ...blind }).error()).remedy).toContain('path "one/ring" { capabilities = ["list"] }')
    const listing = await tokenOf('path "one/ring" { capabilities = ["list"] }')
    expect((await opened({ ...env, ...listing }).error()).remedy).toContain(
      'path "one/ring/1" { capabilities = ["read"] }',
    )
  })

  it('of a token that has ended says so, and names its addresses too, since the server says the same of both', async () => {
    const error = await opened(settings({ KEYRING_VAULT_TOKEN: 'hvs.dead' })).error()
    expect(error.message).toMatch(/does not take the token: it has ended or was revoked, or may not be used from/)
    expect(error.remedy).toMatch(/KEYRING_VAULT_TOKEN.*token_bound_cidrs/)
    expect(error.facts).toMatchObject({ denied: 'token' })
  })

  it('of a token that a login has just given names the addresses alone', async () => {
    const error = await opened(await login({ token_bound_cidrs: ['10.1.2.0/24'] })).error()
    expect(error.message).toMatch(/does not take a token that it has just issued: it may not be used from this address/)
    expect(error.remedy).toMatch(/^In the role of the login, .*token_bound_cidrs/)
    expect(error).toMatchObject({ code: 'ERR_VAULT_DENIED', facts: { denied: 'address' } })
  })

  it('of an unknown namespace names the setting that is wrong: that of the login, or of the keyring', async () => {
    const wrong = await login({}, { KEYRING_VAULT_NAMESPACE: 'here', KEYRING_VAULT_LOGIN_NAMESPACE: 'nowhere' })
    const ofLogin = await opened(wrong).error()
    expect(ofLogin).toMatchObject({
      code: 'ERR_VAULT_NAMESPACE_NOT_FOUND',
      message: 'The namespace of the login, "nowhere", is not there.',
      facts: { step: 'login', namespace: 'nowhere', vaultStatus: 404 },
      remedy: expect.stringMatching(/^Check KEYRING_VAULT_LOGIN_NAMESPACE/),
    })
    const ofKeyring = await opened(settings({ KEYRING_VAULT_NAMESPACE: 'nowhere' })).error()
    expect(ofKeyring).toMatchObject({ code: 'ERR_VAULT_NAMESPACE_NOT_FOUND', remedy: 'Check KEYRING_VAULT_NAMESPACE.' })
  })

  it('is none for the mount of a login with auth/ before it, as Vault Agent writes it', async () => {
    for (const written of ['auth/team/a/approle', '/auth/team/a/approle/', 'team/a/approle'])
      expect(await opened(await login({}, { KEYRING_VAULT_APPROLE_AUTH_PATH: written })).sync()).toMatchObject({
        ok: true,
      })
  })

  it.each<[string, Env, string]>([
    ['a wrapping token', { APPROLE_RESPONSE_WRAPPING: 'on', APPROLE_ROLE_NAME: 'r' }, 'ERR_WRAP_TOKEN_SPENT'],
    [
      'a file',
      { APPROLE_SECRET_ID: '', APPROLE_SECRET_ID_FILE: '/nowhere/secret-id' },
      'ERR_LOGIN_CREDENTIAL_UNREADABLE',
    ],
  ])('of %s has the step of the login', async (_name, more, code) => {
    const named = Object.entries(more).map(([name, value]) => [`KEYRING_VAULT_${name}`, value])
    const error = await opened(await login({}, Object.fromEntries(named))).error()
    expect(error).toMatchObject({ code, facts: { step: 'login' } })
  })
})
