/** Logins to a real OpenBao: userpass, approle, kubernetes and jwt, their refusals, their namespaces. */
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CryptoKey as JoseKey, JWTPayload } from 'jose'
import { SignJWT, decodeJwt, exportSPKI, generateKeyPair, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { SpiedVault } from '../support/logins.ts'
import { NEVER, loginMethod, loginVault, refusal } from '../support/logins.ts'
import { vaultClient } from '../support/vault.ts'

/** The library asks for decorators' metadata, of which compiled code has none. */
const none = () => undefined
Object.assign(Reflect, { getMetadata: none, getOwnMetadata: none, defineMetadata: none })
const x509 = await import('@peculiar/x509')

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

async function login(options: Record<string, string>, vault: SpiedVault = loginVault(address)): Promise<string> {
  return (await loginMethod(options).login(vault, NEVER)).token.reveal()
}

const read = async (token: string, headers = {}): Promise<unknown> => {
  const { body } = await vaultClient(address, token).request('GET', 'secret/data/logins', { headers })
  return (body as { data?: { data: unknown } }).data?.data
}

describe.skipIf(shared === null)('with a login to OpenBao', () => {
  beforeAll(async () => {
    await must('POST', 'sys/policies/acl/logins', { policy: POLICY })
    await admin.write('logins', { id: 'k1', key: 'a key' })
  })

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

    it('gives a token that reads, and says how long it lives', async () => {
      const issued = await loginMethod(ann).login(loginVault(address), NEVER)
      expect(await read(issued.token.reveal())).toEqual({ id: 'k1', key: 'a key' })
      expect(issued).toMatchObject({ ttlSeconds: 600, renewable: true, type: 'service', uses: 0 })
    })

    it('is refused by Vault with a wrong password, an unknown user, a policy that is root', async () => {
      expect(await refusal(login({ ...ann, userpass_password: 'other' }))).toBe('ERR_VAULT_REQUEST_REFUSED 400')
      expect(await refusal(login({ ...ann, userpass_username: 'bob' }))).toBe('ERR_VAULT_REQUEST_REFUSED 400')
      expect(await refusal(login({ ...ann, userpass_username: 'root' }))).toBe('ERR_VAULT_REQUEST_REFUSED 400')
      expect(await refusal(login({ ...ann, userpass_auth_path: 'nowhere' }))).toBe('ERR_VAULT_DENIED 403')
    })
  })

  describe('approle', () => {
    let roleId = ''
    let folder = ''
    const secretId = async (): Promise<string> =>
      (await must('POST', 'auth/machines/role/app/secret-id'))['secret_id'] ?? ''
    const app = () => ({ auth_method: 'approle', approle_auth_path: 'machines', approle_role_id: roleId })

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'logins-'))
      await must('POST', 'sys/auth/machines', { type: 'approle' })
      await must('POST', 'auth/machines/role/app', { token_policies: ['logins'], token_type: 'batch', token_ttl: 60 })
      roleId = (await must('GET', 'auth/machines/role/app/role-id'))['role_id'] ?? ''
    })
    afterAll(() => rm(folder, { recursive: true }))

    it('gives a token that reads, in one request', async () => {
      const vault = loginVault(address)
      const token = await login(
        { ...app(), approle_role_id: ` ${roleId}\n`, approle_secret_id: await secretId() },
        vault,
      )
      expect(await read(token)).toEqual({ id: 'k1', key: 'a key' })
      expect(vault.asked).toEqual(['auth/machines/login'])
    })

    it('reads the file of the secret id anew at each login, and is another credential then', async () => {
      const file = join(folder, 'secret-id')
      await writeFile(file, 'wrong\n')
      const method = loginMethod({ ...app(), approle_secret_id_file: file })
      const before = await method.credential(NEVER)
      expect(await refusal(method.login(loginVault(address), NEVER))).toBe('ERR_VAULT_REQUEST_REFUSED 400')
      await writeFile(file, `  ${await secretId()}\n`)
      expect(await read((await method.login(loginVault(address), NEVER)).token.reveal())).toBeDefined()
      expect(await method.credential(NEVER)).not.toBe(before)
    })

    it('is refused before Vault is asked when the file is absent, empty or not of a credential', async () => {
      const vault = loginVault(address)
      const withFile = (file: string) => refusal(login({ ...app(), approle_secret_id_file: file }, vault))
      expect(await withFile(join(folder, 'none'))).toBe('ERR_LOGIN_CREDENTIAL_UNREADABLE approle_secret_id')
      for (const text of ['', ' \n', 'two words', 'ä']) {
        await writeFile(join(folder, 'bad'), text)
        expect(await withFile(join(folder, 'bad'))).toBe('ERR_LOGIN_CREDENTIAL_MALFORMED approle_secret_id')
        const login = loginMethod({ ...app(), approle_secret_id_file: join(folder, 'bad') }).login(vault, NEVER)
        await expect(login).rejects.toThrow(text.trim() === '' ? /is empty/ : /characters that no credential has/)
      }
      expect(vault.asked).toEqual([])
    })

    it('is refused by Vault when used up', async () => {
      const { secret_id: once = '' } = await must('POST', 'auth/machines/role/app/secret-id', { num_uses: 1 })
      await login({ ...app(), approle_secret_id: once })
      expect(await refusal(login({ ...app(), approle_secret_id: once }))).toBe('ERR_VAULT_REQUEST_REFUSED 400')
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

    it('gives a token that reads, with a role and with the default one', async () => {
      const jwt = await sign({})
      expect(await read(await login({ ...options, jwt }))).toBeDefined()
      expect(await read(await login({ auth_method: 'jwt', jwt_auth_path: 'tokens', jwt: `${jwt}\n` }))).toBeDefined()
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
        expect(await refusal(login({ ...options, jwt }))).toBe('ERR_VAULT_REQUEST_REFUSED 400')
      const jwt = await sign({})
      expect(await refusal(login({ ...options, jwt, jwt_role: 'none' }))).toBe('ERR_VAULT_REQUEST_REFUSED 400')
    })

    it('is named as malformed before Vault is asked when it has not three parts', async () => {
      const vault = loginVault(address)
      expect(await refusal(login({ ...options, jwt: 'opaque-token' }, vault))).toBe(
        'ERR_LOGIN_CREDENTIAL_MALFORMED jwt',
      )
      expect(vault.asked).toEqual([])
    })

    it('is one credential as long as it names the same subject', async () => {
      const credential = async (claims: JWTPayload) =>
        loginMethod({ ...options, jwt: await sign(claims) }).credential(NEVER)
      expect(await credential({ jti: 'a' })).toBe(await credential({ jti: 'b' }))
      expect(await credential({ sub: 'other' })).not.toBe(await credential({}))
    })
  })

  describe('kubernetes', () => {
    let keys: { privateKey: JoseKey; publicKey: JoseKey }
    let cluster: Server
    let folder = ''
    let isDown = false
    const file = () => join(folder, 'token')

    const account = (name: string, key = keys.privateKey) =>
      new SignJWT({
        'kubernetes.io': { namespace: 'shop', serviceaccount: { name, uid: `uid-${name}` } },
      })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer('https://kubernetes.default.svc')
        .setSubject(`system:serviceaccount:shop:${name}`)
        .setAudience(['vault'])
        .setIssuedAt()
        .setExpirationTime('10m')
        .sign(key)

    /** The part of a cluster that Vault asks: a TokenReview. */
    async function review(token: string) {
      const isKnown = await jwtVerify(token, keys.publicKey).then(
        () => true,
        () => false,
      )
      const username = decodeJwt(token).sub
      const user = { username, uid: `uid-${username?.split(':')[3]}`, groups: [] }
      return { status: { authenticated: isKnown, audiences: ['vault'], user } }
    }

    beforeAll(async () => {
      keys = await generateKeyPair('ES256')
      folder = await mkdtemp(join(tmpdir(), 'logins-'))
      cluster = createServer((request, response) => {
        let body = ''
        request.on('data', (chunk: Buffer) => (body += chunk.toString()))
        request.on('end', () => {
          if (isDown) {
            request.socket.destroy()
            return
          }
          const { spec } = JSON.parse(body) as { spec: { token: string } }
          void review(spec.token).then((answer) =>
            response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(answer)),
          )
        })
      })
      await new Promise<void>((resolve) => cluster.listen(0, '127.0.0.1', resolve))
      const keyPair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
      const ca = await x509.X509CertificateGenerator.createSelfSigned({ name: 'CN=test material', keys: keyPair })
      await must('POST', 'sys/auth/cluster', { type: 'kubernetes' })
      await must('POST', 'auth/cluster/config', {
        kubernetes_host: `http://127.0.0.1:${(cluster.address() as AddressInfo).port}`,
        kubernetes_ca_cert: ca.toString('pem'),
        disable_local_ca_jwt: true,
      })
      const role = { bound_service_account_names: ['web'], bound_service_account_namespaces: ['shop'] }
      await must('POST', 'auth/cluster/role/web', { ...role, audience: 'vault', token_policies: ['logins'] })
    })
    afterAll(async () => {
      cluster.closeAllConnections()
      cluster.close()
      await rm(folder, { recursive: true })
    })

    const options = () => ({
      auth_method: 'kubernetes',
      kube_auth_path: 'cluster',
      kube_role: 'web',
      kube_api_token_file: file(),
    })

    it('gives a token that reads, by the file and by the variable', async () => {
      await writeFile(file(), `${await account('web')}\n`)
      expect(await read(await login(options()))).toBeDefined()
      const { kube_api_token_file: _file, ...rest } = options()
      expect(await read(await login({ ...rest, kube_api_token: await account('web') }))).toBeDefined()
    })

    it('reads the file anew, and stays the same credential when the cluster renews it', async () => {
      const method = loginMethod(options())
      await writeFile(file(), await account('other'))
      const other = await method.credential(NEVER)
      expect(await refusal(method.login(loginVault(address), NEVER))).toBe('ERR_VAULT_DENIED 403')
      await writeFile(file(), await account('web'))
      const web = await method.credential(NEVER)
      await method.login(loginVault(address), NEVER)
      await writeFile(file(), await account('web'))
      expect([web === other, await method.credential(NEVER)]).toEqual([false, web])
    })

    it('is denied by Vault with an altered token, and also when the cluster is down', async () => {
      const { privateKey: foreign } = await generateKeyPair('ES256')
      await writeFile(file(), await account('web', foreign))
      expect(await refusal(login(options()))).toBe('ERR_VAULT_DENIED 403')
      await writeFile(file(), await account('web'))
      isDown = true
      expect(await refusal(login(options()))).toBe('ERR_VAULT_DENIED 403')
      isDown = false
    })
  })

  describe('cert', () => {
    let folder = ''
    const file = () => join(folder, 'cert.pem')
    const options = (more = {}) => ({
      auth_method: 'cert',
      cert_auth_path: 'certs',
      cert_auth_cert: file(),
      cert_auth_cert_key: file(),
      ...more,
    })
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'logins-'))
      await must('POST', 'sys/auth/certs', { type: 'cert' })
    })
    afterAll(() => rm(folder, { recursive: true }))

    it("names the role, or none: the certificate is the connection's, and without one it is refused", async () => {
      const bodies: unknown[] = []
      const vault = loginVault(address, '', async (request) => {
        bodies.push(await request.clone().json())
        return fetch(request)
      })
      expect(await refusal(login(options({ cert_auth_role_name: 'web' }), vault))).toBe('ERR_VAULT_REQUEST_REFUSED 400')
      expect(await refusal(login(options(), vault))).toBe('ERR_VAULT_REQUEST_REFUSED 400')
      expect(bodies).toEqual([{ name: 'web' }, {}])
    })

    it('is another credential when the file of the certificate is another one', async () => {
      const method = loginMethod(options())
      await writeFile(file(), 'one')
      const one = await method.credential(NEVER)
      await writeFile(file(), 'two')
      expect(await method.credential(NEVER)).not.toBe(one)
    })
  })

  describe('a namespace', () => {
    it('of the login may be another one than that of the secrets', async () => {
      const inTeam = { 'x-vault-namespace': 'team-logins' }
      await must('POST', 'sys/namespaces/team-logins')
      await must('POST', 'sys/auth/userpass', { type: 'userpass' }, inTeam)
      await must('POST', 'sys/policies/acl/kv', { policy: 'path "secret/*" { capabilities = ["read"] }' }, inTeam)
      await must('POST', 'sys/mounts/secret', { type: 'kv' }, inTeam)
      await must('POST', 'secret/old', { id: 'v1' }, inTeam)
      await must('POST', 'auth/userpass/users/ann', { password: 'x', token_policies: ['kv'] }, inTeam)
      const ann = { auth_method: 'userpass', userpass_username: 'ann', userpass_password: 'x' }
      const token = await login(ann, loginVault(address, 'team-logins'))
      const { body } = await vaultClient(address, token).request('GET', 'secret/old', { headers: inTeam })
      expect(body).toMatchObject({ data: { id: 'v1' } })
      expect(await refusal(login(ann, loginVault(address)))).toBe('ERR_VAULT_DENIED 403')
    })
  })
})
