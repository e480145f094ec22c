/** A login that was refused, and what cures it: settings, a renewed JWT, a role that was corrected at a real OpenBao, an operator. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { SignJWT, exportSPKI, generateKeyPair } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { createAuthority } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { SharedStore } from '../../src/core/ports.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'
import { PLAIN_SYNC } from '../support/authority.ts'
import type { IdentityProvider } from '../support/identity-provider.ts'
import { RESOURCE, SECRET, startIdentityProvider } from '../support/identity-provider.ts'
import { loginEnv } from '../support/logins.ts'
import type { FaultyProxy } from '../support/vault.ts'
import { FAULTS, faultyProxy, vaultClient } from '../support/vault.ts'
import { verbsOf } from '../support/verbs.ts'

const shared = inject('openbao')
const address = shared?.address ?? ''
const admin = vaultClient(address, shared?.token ?? '')
const FORCE = { ...PLAIN_SYNC, force: true }

async function must(path: string, body: object): Promise<void> {
  const answer = await admin.request('POST', path, { body })
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
}

describe.skipIf(shared === null)('a refused login', () => {
  let proxy: FaultyProxy
  let provider: IdentityProvider
  let folder: string
  let sign: (seconds: number) => Promise<string>
  let store: SharedStore
  const clock = { ahead: 0, now: () => Date.now() + clock.ahead, sleep: async () => {} }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'edge-keyring-circuit-'))
    proxy = await faultyProxy(address)
    provider = await startIdentityProvider()
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    sign = (seconds) =>
      new SignJWT({ iss: 'circuit', sub: 'edge', aud: 'vault' })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuedAt(Math.floor(Date.now() / 1000) + seconds - 600)
        .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
        .sign(privateKey)
    await admin.write('circuit', { id: 'k1', key: 'a key string of no importance: 0123456789abcdef' })
    const policy = ['metadata', 'data'].map((kind) => `path "secret/${kind}/circuit" { capabilities = ["read"] }`)
    await must('sys/policies/acl/circuit', { policy: policy.join('\n') })
    await must('sys/auth/circuit', { type: 'jwt' })
    await must('auth/circuit/config', { jwt_validation_pubkeys: [await exportSPKI(publicKey)] })
    await must('sys/auth/circuit-idp', { type: 'jwt' })
    await must('auth/circuit-idp/config', { jwks_url: provider.jwksUrl, bound_issuer: provider.issuer })
    await must('auth/circuit-idp/role/edge', { ...ROLE, user_claim: 'client_id' })
    await must('sys/auth/circuit-names', { type: 'userpass' })
  })
  afterAll(async () => {
    await proxy.close()
    await provider.close()
    rmSync(folder, { recursive: true })
  })
  beforeEach(async () => {
    clock.ahead = 0
    store = memoryStore()
    proxy.heal()
    await must('auth/circuit/role/edge', ROLE)
    proxy.seen.length = 0
  })
  const ROLE = { role_type: 'jwt', user_claim: 'sub', bound_audiences: ['vault'], token_policies: ['circuit'] }

  /** An instance of the deployment that has just started. */
  function open(options: Record<string, string>) {
    const env = {
      KEYRING_VAULT_HOST: proxy.address,
      KEYRING_VAULT_MOUNT: 'secret',
      KEYRING_VAULT_PATH: 'circuit',
      KEYRING_SYNC_PERIOD: '60',
    }
    const parsed = parseConfig(loginEnv(options, env), 'node')
    if (!parsed.ok || parsed.config === null) throw new Error(inspect(parsed))
    return verbsOf(
      createAuthority(parsed.config, {
        cipher: nodeCipher,
        hash: nodeHash,
        clock,
        store,
        replica: null,
        audit: { note: () => {}, commit: async () => {} },
        probe: null,
        log: () => {},
        vaults: null,
        loadRare: () => rare,
        syncBatch: 900,
        leftMs: () => Number.POSITIVE_INFINITY,
        fetch: (request) => fetch(request),
        readFile: (path) => readFile(path, 'utf8'),
      }),
    )
  }
  const outcome = async (work: Promise<{ ok: true } | { ok: false; error: { code: string } }>) => {
    const result = await work
    return result.ok ? 'ok' : result.error.code
  }
  const sync = (on: ReturnType<typeof open>, options = PLAIN_SYNC) => outcome(on.sync('default', options))
  const logins = () => proxy.seen.filter(({ path }) => path.includes('/login')).length
  const JWT = { auth_method: 'jwt', jwt_auth_path: 'circuit', jwt_role: 'edge' }

  it('for its resource is tried at once with another one, by a restart', async () => {
    const options = {
      auth_method: 'oauth2',
      jwt_auth_path: 'circuit-idp',
      oauth2_role_name: 'edge',
      oauth2_token_endpoint: provider.tokenEndpoint,
      oauth2_client_id: 'basic:client',
      oauth2_client_secret: SECRET,
      oauth2_scopes: 'read',
    }
    const wrong = { ...options, oauth2_resource: 'urn:other' }
    const asked = provider.seen.length
    for (let starts = 0; starts < 3; starts += 1) expect(await sync(open(wrong))).toBe('ERR_OAUTH2_TARGET_REFUSED')
    expect(provider.seen.length - asked).toBe(1)
    expect(await sync(open({ ...options, oauth2_resource: RESOURCE }))).toBe('ok')
  })

  it('for an expired JWT is tried at once with a renewed one, of the same subject, in the setting', async () => {
    const expired = { ...JWT, jwt: await sign(-600) }
    for (let starts = 0; starts < 3; starts += 1)
      expect(await sync(open(expired))).toBe('ERR_VAULT_LOGIN_CLAIMS_REFUSED')
    expect(logins()).toBe(1)
    expect(await sync(open({ ...JWT, jwt: await sign(600) }))).toBe('ok')
  })

  it('and in a file, by the instance that runs', async () => {
    const file = join(folder, 'jwt')
    writeFileSync(file, await sign(-600))
    const on = open({ ...JWT, jwt_file: file })
    for (let asks = 0; asks < 3; asks += 1) expect(await sync(on)).toBe('ERR_VAULT_LOGIN_CLAIMS_REFUSED')
    expect(logins()).toBe(1)
    writeFileSync(file, await sign(600))
    expect(await sync(on)).toBe('ok')
  })

  describe('of a role that was corrected at Vault', () => {
    async function corrected(options: Record<string, string>, spoil: () => Promise<void>, mend: () => Promise<void>) {
      await spoil()
      const on = open(options)
      const code = await sync(on)
      await mend()
      clock.ahead = 1500
      for (const again of [on, open(options)]) expect(await sync(again)).toBe(code)
      expect([code, logins()]).toEqual([expect.stringMatching(/^ERR_VAULT_LOGIN_/), 1])
      return on
    }
    const ofJwt = async () =>
      corrected(
        { ...JWT, jwt: await sign(600) },
        () => must('auth/circuit/role/edge', { ...ROLE, bound_audiences: ['other'] }),
        () => must('auth/circuit/role/edge', ROLE),
      )
    const ofPassword = () =>
      corrected(
        {
          auth_method: 'userpass',
          userpass_auth_path: 'circuit-names',
          userpass_username: 'u',
          userpass_password: 'p',
        },
        () => must('auth/circuit-names/users/u', { password: 'other', token_policies: ['circuit'] }),
        () => must('auth/circuit-names/users/u', { password: 'p', token_policies: ['circuit'] }),
      )

    it.each([
      ['jwt', ofJwt],
      ['userpass', ofPassword],
    ])('is tried by sync --force, once (%s)', async (_name, begin) => {
      expect(await sync(await begin(), FORCE)).toBe('ok')
      expect(logins()).toBe(2)
    })

    it('is tried by doctor --login, and by no other doctor', async () => {
      const on = await ofJwt()
      const login = async (login: boolean) => {
        const answer = await on.diagnose('default', { login })
        return answer.ok && answer.value.findings.find(({ check }) => check === 'login')?.outcome
      }
      expect([await login(false), await login(true), await sync(on)]).toEqual(['failed', 'ok', 'ok'])
      expect(logins()).toBe(2)
    })

    it('is tried by itself after 5 minutes, where Vault locks nobody out', async () => {
      const jwt = await sign(7200)
      await must('auth/circuit/role/edge', { ...ROLE, bound_audiences: ['other'] })
      const on = open({ ...JWT, jwt })
      for (const minutes of [0, 7, 14, 21]) {
        clock.ahead = minutes * 60_000
        expect(await sync(on)).toBe('ERR_VAULT_LOGIN_CLAIMS_REFUSED')
      }
      expect(logins()).toBe(4)
    })

    it('is tried once by each force, however many ask at once, and not more often than once in a second', async () => {
      const options = { ...JWT, jwt: await sign(600) }
      await must('auth/circuit/role/edge', { ...ROLE, bound_audiences: ['other'] })
      const on = open(options)
      const all = () => Promise.all(Array.from({ length: 5 }, () => sync(on, FORCE)))
      expect(new Set([...(await all()), ...(await all())])).toEqual(new Set(['ERR_VAULT_LOGIN_CLAIMS_REFUSED']))
      expect(logins()).toBe(1)
      clock.ahead = 60_000
      await all()
      expect(logins()).toBe(2)
    })
  })

  it('in an outage is tried at once by whoever syncs; Retry-After holds for all', async () => {
    const on = open({ ...JWT, jwt: await sign(600) })
    proxy.spoil('/login', FAULTS.page(504))
    for (let seconds = 0; seconds < 60; seconds += 10) {
      clock.ahead = seconds * 1000
      expect(await sync(on)).toBe('ERR_VAULT_UNAVAILABLE')
    }
    expect(logins()).toBe(6)
    proxy.heal()
    proxy.spoil('/login', FAULTS.rateLimited('40'), 1)
    clock.ahead = 60_000
    expect(await sync(on)).toBe('ERR_VAULT_RATE_LIMITED')
    clock.ahead = 90_000
    expect(await sync(on)).toBe('ERR_VAULT_RATE_LIMITED')
    expect(logins()).toBe(7)
    clock.ahead = 101_500
    expect(await sync(on)).toBe('ok')
  })
})
