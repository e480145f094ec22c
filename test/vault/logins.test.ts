/** Logins to a real OpenBao: userpass, approle, kubernetes, jwt and cert, their refusals, their namespaces. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CryptoKey as JoseKey, JWTPayload } from 'jose'
import { SignJWT, exportSPKI, generateKeyPair } from 'jose'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Cluster } from '../support/kubernetes.ts'
import { startCluster } from '../support/kubernetes.ts'
import type { LoginRunner } from '../support/login-runners.ts'
import { loginRunners } from '../support/login-runners.ts'
import type { LoginOptions, SpiedVault } from '../support/logins.ts'
import { NEVER, loginMethod, loginVault, refusal } from '../support/logins.ts'
import { vaultClient } from '../support/vault.ts'

const shared = inject('openbao')
const address = shared?.address ?? ''
const admin = vaultClient(address, shared?.token ?? '')

const POLICY = 'path "secret/data/logins" { capabilities = ["read"] }'

/** @returns the answer's `data`. */
async function must(method: string, path: string, body?: unknown, headers = {}): Promise<Record<string, string>> {
  const answer = await admin.request(method, path, { body, headers })
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return (answer.body as { data?: Record<string, string> } | undefined)?.data ?? {}
}

const login = async (on: LoginRunner, options: LoginOptions, vault: SpiedVault = loginVault(address)) =>
  (await on.login(options, vault)).token.reveal()
const refused = (...how: Parameters<typeof login>) => refusal(login(...how))

const read = async (token: string, headers = {}): Promise<unknown> => {
  const { body } = await vaultClient(address, token).request('GET', 'secret/data/logins', { headers })
  return (body as { data?: { data: unknown } }).data?.data
}

describe.skipIf(shared === null)('with a login to OpenBao', () => {
  const runners = loginRunners()
  let folder = ''
  const file = (name: string) => join(folder, name)
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'logins-'))
    await must('POST', 'sys/policies/acl/logins', { policy: POLICY })
    await admin.write('logins', { id: 'k1', key: 'a key' })
  })
  afterAll(() => rm(folder, { recursive: true }))

  describe('userpass', () => {
    beforeAll(async () => {
      await must('POST', 'sys/auth/people', { type: 'userpass' })
      const password = 'päss: wörd'
      await must('POST', 'auth/people/users/ann', { password, token_policies: ['logins'], token_ttl: 600 })
      await must('POST', 'auth/people/users/root', { password, token_policies: ['root'] })
    })

    const ann = {
      auth_method: 'userpass',
      userpass_auth_path: '/people/',
      userpass_username: 'ann',
      userpass_password: 'päss: wörd',
    }

    describe.each(runners)('on $name', (on) => {
      it('gives a token that reads, and says how long it lives', async () => {
        const issued = await on.login(ann, loginVault(address))
        expect(await read(issued.token.reveal())).toEqual({ id: 'k1', key: 'a key' })
        expect(issued).toMatchObject({ ttlSeconds: 600, renewable: true, type: 'service', uses: 0 })
      })

      it('is refused by Vault with a wrong password, an unknown user, a policy that is root', async () => {
        expect(await refused(on, { ...ann, userpass_password: 'other' })).toBe('ERR_VAULT_LOGIN_REFUSED 400')
        expect(await refused(on, { ...ann, userpass_username: 'bob' })).toBe('ERR_VAULT_LOGIN_REFUSED 400')
        expect(await refused(on, { ...ann, userpass_username: 'root' })).toBe('ERR_VAULT_LOGIN_ROOT_POLICY 400')
        expect(await refused(on, { ...ann, userpass_auth_path: 'nowhere' })).toBe('ERR_VAULT_LOGIN_DENIED 403')
      })
    })
  })

  describe('approle', () => {
    let roleId = ''
    const secretId = async (): Promise<string> =>
      (await must('POST', 'auth/machines/role/app/secret-id'))['secret_id'] ?? ''
    const app = () => ({ auth_method: 'approle', approle_auth_path: 'machines', approle_role_id: roleId })

    beforeAll(async () => {
      await must('POST', 'sys/auth/machines', { type: 'approle' })
      await must('POST', 'auth/machines/role/app', { token_policies: ['logins'], token_type: 'batch', token_ttl: 60 })
      roleId = (await must('GET', 'auth/machines/role/app/role-id'))['role_id'] ?? ''
    })

    describe.each(runners)('on $name', (on) => {
      it('gives a token that reads, in one request', async () => {
        const vault = loginVault(address)
        const given = { ...app(), approle_role_id: ` ${roleId}\n`, approle_secret_id: await secretId() }
        expect(await read(await login(on, given, vault))).toEqual({ id: 'k1', key: 'a key' })
        expect(vault.asked).toEqual(['auth/machines/login'])
      })

      it('needs no secret id where the role needs none, and no other', async () => {
        const role = { bind_secret_id: false, token_policies: ['logins'], token_bound_cidrs: ['127.0.0.0/8'] }
        await must('POST', 'auth/machines/role/open', role)
        const { role_id: open = '' } = await must('GET', 'auth/machines/role/open/role-id')
        const given = { ...app(), approle_role_id: open }
        expect(await read(await login(on, given))).toEqual({ id: 'k1', key: 'a key' })
        expect(await refused(on, app())).toBe('ERR_VAULT_LOGIN_REFUSED 400')
      })

      it('is refused by Vault when used up', async () => {
        const { secret_id: once = '' } = await must('POST', 'auth/machines/role/app/secret-id', { num_uses: 1 })
        await login(on, { ...app(), approle_secret_id: once })
        expect(await refused(on, { ...app(), approle_secret_id: once })).toBe('ERR_VAULT_LOGIN_REFUSED 400')
      })
    })

    it('reads the file of the secret id anew at each login, and is another credential then', async () => {
      await writeFile(file('secret-id'), 'wrong\n')
      const method = loginMethod({ ...app(), approle_secret_id_file: file('secret-id') })
      const before = await method.credential(NEVER)
      expect(await refusal(method.login(loginVault(address), NEVER))).toBe('ERR_VAULT_LOGIN_REFUSED 400')
      await writeFile(file('secret-id'), `  ${await secretId()}\n`)
      expect(await read((await method.login(loginVault(address), NEVER)).token.reveal())).toBeDefined()
      expect(await method.credential(NEVER)).not.toBe(before)
    })

    it('is refused before Vault is asked when the file is absent, empty or not of a credential', async () => {
      const vault = loginVault(address)
      const withFile = (name: string) =>
        loginMethod({ ...app(), approle_secret_id_file: file(name) }).login(vault, NEVER)
      expect(await refusal(withFile('none'))).toBe('ERR_LOGIN_CREDENTIAL_UNREADABLE approle_secret_id')
      for (const text of ['', ' \n', 'two words', 'ä']) {
        await writeFile(file('bad'), text)
        expect(await refusal(withFile('bad'))).toBe('ERR_LOGIN_CREDENTIAL_MALFORMED approle_secret_id')
        const why = text.trim() === '' ? /is empty or not UTF-8/ : /characters that no credential has/
        await expect(withFile('bad')).rejects.toThrow(why)
      }
      expect(vault.asked).toEqual([])
    })
  })

  describe('jwt', () => {
    let keys: { privateKey: JoseKey; publicKey: JoseKey }
    const sign = (claims: JWTPayload, key = keys.privateKey) =>
      new SignJWT({ sub: 'worker', aud: 'vault', ...claims })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuedAt()
        .setExpirationTime(claims.exp ?? '5m')
        .sign(key)

    beforeAll(async () => {
      keys = await generateKeyPair('ES256')
      await must('POST', 'sys/auth/tokens', { type: 'jwt' })
      const pem = await exportSPKI(keys.publicKey)
      await must('POST', 'auth/tokens/config', { jwt_validation_pubkeys: [pem], default_role: 'worker' })
      const role = {
        role_type: 'jwt',
        user_claim: 'sub',
        bound_subject: 'worker',
        bound_audiences: ['vault'],
        token_policies: ['logins'],
      }
      await must('POST', 'auth/tokens/role/worker', role)
    })

    const options = { auth_method: 'jwt', jwt_auth_path: 'tokens', jwt_role: 'worker' }

    describe.each(runners)('on $name', (on) => {
      it('gives a token that reads, with a role and with the default one', async () => {
        const jwt = await sign({})
        const { jwt_role: _role, ...withoutRole } = options
        expect(await read(await login(on, { ...options, jwt }))).toBeDefined()
        expect(await read(await login(on, { ...withoutRole, jwt: `${jwt}\n` }))).toBeDefined()
      })

      it('is refused by Vault for another subject, audience, key or time, and in an unknown role', async () => {
        const { privateKey: foreign } = await generateKeyPair('ES256')
        const jwts = [
          sign({ sub: 'other' }),
          sign({ aud: 'other' }),
          sign({}, foreign),
          sign({ exp: Math.floor(Date.now() / 1000) - 3600 }),
        ]
        for (const jwt of await Promise.all(jwts))
          expect(await refused(on, { ...options, jwt })).toBe('ERR_VAULT_LOGIN_CLAIMS_REFUSED 400')
        const jwt = await sign({})
        expect(await refused(on, { ...options, jwt, jwt_role: 'none' })).toBe('ERR_VAULT_LOGIN_ROLE_UNKNOWN 400')
      })

      it('is named as malformed before Vault is asked when it has not three parts', async () => {
        const vault = loginVault(address)
        const opaque = { ...options, jwt: 'opaque-token' }
        expect(await refused(on, opaque, vault)).toBe('ERR_LOGIN_CREDENTIAL_MALFORMED jwt')
        expect(vault.asked).toEqual([])
      })

      it('is one credential as long as it names the same subject', async () => {
        const credential = async (claims: JWTPayload) => on.credential({ ...options, jwt: await sign(claims) })
        expect(await credential({ jti: 'a' })).toBe(await credential({ jti: 'b' }))
        expect(await credential({ sub: 'other' })).not.toBe(await credential({}))
      })
    })
  })

  describe('kubernetes', () => {
    let cluster: Cluster
    beforeAll(async () => {
      cluster = await startCluster()
      await must('POST', 'sys/auth/cluster', { type: 'kubernetes' })
      await must('POST', 'auth/cluster/config', cluster.config)
      const role = { bound_service_account_names: ['web'], bound_service_account_namespaces: ['shop'] }
      await must('POST', 'auth/cluster/role/web', { ...role, audience: 'vault', token_policies: ['logins'] })
    })
    afterAll(() => cluster.close())

    const options = { auth_method: 'kubernetes', kube_auth_path: 'cluster', kube_role: 'web' }

    describe.each(runners)('on $name', (on) => {
      const given = async (...account: Parameters<Cluster['account']>) => ({
        ...options,
        kube_api_token: await cluster.account(...account),
      })

      it('gives a token that reads', async () => {
        expect(await read(await login(on, await given('web')))).toBeDefined()
      })

      it('is refused for another account, and in an unknown role', async () => {
        expect(await refused(on, await given('other'))).toBe('ERR_VAULT_LOGIN_CLAIMS_REFUSED 403')
        const nowhere = { ...(await given('web')), kube_role: 'none' }
        expect(await refused(on, nowhere)).toBe('ERR_VAULT_LOGIN_ROLE_UNKNOWN 400')
      })

      it('is denied by Vault with an altered token, and also when the cluster is down', async () => {
        const { privateKey: foreign } = await generateKeyPair('ES256')
        expect(await refused(on, await given('web', foreign))).toBe('ERR_VAULT_LOGIN_DENIED 403')
        cluster.isDown = true
        expect(await refused(on, await given('web'))).toBe('ERR_VAULT_LOGIN_DENIED 403')
        cluster.isDown = false
      })
    })

    it('reads the file anew, and stays the same credential when the cluster renews it', async () => {
      const method = loginMethod({ ...options, kube_api_token_file: file('account') })
      await writeFile(file('account'), await cluster.account('other'))
      const other = await method.credential(NEVER)
      expect(await refusal(method.login(loginVault(address), NEVER))).toBe('ERR_VAULT_LOGIN_CLAIMS_REFUSED 403')
      await writeFile(file('account'), `${await cluster.account('web')}\n`)
      const web = await method.credential(NEVER)
      expect(await read((await method.login(loginVault(address), NEVER)).token.reveal())).toBeDefined()
      await writeFile(file('account'), await cluster.account('web'))
      expect([web === other, await method.credential(NEVER)]).toEqual([false, web])
    })
  })

  describe('cert', () => {
    const certificate = () => ({ cert_auth_cert: file('cert.pem'), cert_auth_cert_key: file('cert.pem') })
    const options = { auth_method: 'cert', cert_auth_path: 'certs' }
    beforeAll(() => must('POST', 'sys/auth/certs', { type: 'cert' }))

    it.each(runners)(
      "names the role, or none: the certificate is the connection's, and without one it is refused (on $name)",
      async (on) => {
        const bodies: unknown[] = []
        const vault = loginVault(address, '', async (request) => {
          bodies.push(await request.clone().json())
          return fetch(request)
        })
        const given = { ...options, ...(on.name !== 'workerd' && certificate()) }
        const env = on.name === 'workerd' ? { KEYRING_VAULT_MTLS: '[binding]' } : {}
        for (const role of [{ cert_auth_role_name: 'web' }, {}])
          expect(await refusal(on.login({ ...given, ...role }, vault, { env }))).toBe(
            'ERR_VAULT_LOGIN_CERTIFICATE_REFUSED 400',
          )
        expect(bodies).toEqual([{ name: 'web' }, {}])
      },
    )

    it('is another credential when the file of the certificate is another one', async () => {
      const method = loginMethod({ ...options, ...certificate() })
      await writeFile(file('cert.pem'), 'one')
      const one = await method.credential(NEVER)
      await writeFile(file('cert.pem'), 'two')
      expect(await method.credential(NEVER)).not.toBe(one)
    })
  })

  describe('a namespace', () => {
    const inTeam = { 'x-vault-namespace': 'team-logins' }
    beforeAll(async () => {
      await must('POST', 'sys/namespaces/team-logins')
      await must('POST', 'sys/auth/userpass', { type: 'userpass' }, inTeam)
      await must('POST', 'sys/policies/acl/kv', { policy: 'path "secret/*" { capabilities = ["read"] }' }, inTeam)
      await must('POST', 'sys/mounts/secret', { type: 'kv' }, inTeam)
      await must('POST', 'secret/old', { id: 'v1' }, inTeam)
      await must('POST', 'auth/userpass/users/ann', { password: 'x', token_policies: ['kv'] }, inTeam)
    })

    it.each(runners)('of the login may be another one than that of the secrets (on $name)', async (on) => {
      const ann = { auth_method: 'userpass', userpass_username: 'ann', userpass_password: 'x' }
      const token = await login(on, ann, loginVault(address, 'team-logins'))
      const { body } = await vaultClient(address, token).request('GET', 'secret/old', { headers: inTeam })
      expect(body).toMatchObject({ data: { id: 'v1' } })
      expect(await refused(on, ann)).toBe('ERR_VAULT_LOGIN_DENIED 403')
    })
  })
})
