/** A deployment with a login, from settings to reads, before a dev Vault and a real OpenBao: what it costs, and what it lives through. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import { createAuthority } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { KeyringAuthority } from '../../src/core/operations.ts'
import type { Clock, SharedStore } from '../../src/core/ports.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'
import type { FaultyProxy, VaultClient, VaultServer } from '../support/vault.ts'
import { FAULTS, faultyProxy, vaultClient, vaultTargets } from '../support/vault.ts'

const PLAIN = { force: false, adopt: false, token: null }
const MINUTE = 60_000
const POLICY = ['metadata', 'data'].map((kind) => `path "kv/${kind}/*" { capabilities = ["read"] }`).join('\n')

/** Our time runs ahead as told; waits are short, and Vault's time is the real one. */
interface AheadClock extends Clock {
  ahead: number
}
const aheadClock = (): AheadClock => ({
  ahead: 0,
  now() {
    return Date.now() + this.ahead
  },
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 25))),
})

interface Credentials {
  readonly role_id: string
  readonly secret_id: string
}

for (const target of vaultTargets())
  describe.skipIf(!target.isAvailable)(`with a login at ${target.name}`, () => {
    let server: VaultServer
    let root: VaultClient
    let proxy: FaultyProxy
    let clock: AheadClock
    let store: SharedStore
    let roles = 0

    beforeAll(async () => {
      server = await target.open()
      root = vaultClient(server.address, server.token)
      const kv = await root.mount('kv')
      await kv.write('keyring', { id: 'k1', key: 'a key string of no importance: 0123456789abcdef' })
      await root.request('POST', 'sys/auth/approle', { body: { type: 'approle' } })
      await root.request('POST', 'sys/policies/acl/reads', { body: { policy: POLICY } })
      proxy = await faultyProxy(server.address)
    })
    afterAll(async () => {
      await proxy.close()
      await server.close()
    })
    beforeEach(() => {
      proxy.heal()
      clock = aheadClock()
      store = memoryStore()
    })

    async function role(settings: object = {}): Promise<Credentials> {
      roles += 1
      const at = `auth/approle/role/role-${roles}`
      await root.request('POST', at, { body: { token_policies: ['reads'], token_ttl: '1h', ...settings } })
      const id = (await root.request('GET', `${at}/role-id`)).body as { data: { role_id: string } }
      const secret = (await root.request('POST', `${at}/secret-id`)).body as { data: { secret_id: string } }
      proxy.seen.length = 0
      return { role_id: id.data.role_id, secret_id: secret.data.secret_id }
    }

    /** One instance. */
    function open(of: Credentials, more: Record<string, string> = {}, on = store): KeyringAuthority {
      const settings = {
        KEYRING_VAULT_HOST: proxy.address,
        KEYRING_VAULT_MOUNT: 'kv',
        KEYRING_VAULT_PATH: 'keyring',
        KEYRING_VAULT_AUTH_METHOD: 'approle',
        KEYRING_VAULT_APPROLE_ROLE_ID: of.role_id,
        KEYRING_VAULT_APPROLE_SECRET_ID: of.secret_id,
        KEYRING_VAULT_TIMEOUT_MS: '5000',
        KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
        KEYRING_API_TOKEN: 'of-no-importance',
        ...more,
      }
      const parsed = parseConfig(settings, 'node')
      if (!parsed.ok || parsed.config === null) throw new Error(inspect(parsed))
      return createAuthority(parsed.config, {
        cipher: nodeCipher,
        hash: nodeHash,
        clock,
        store: on,
        replica: null,
        leftMs: () => Number.POSITIVE_INFINITY,
        log: () => {},
        fetch: (request) => fetch(request),
        readFile: null,
        audit: { note: () => {}, commit: async () => {} },
        probe: null,
        loadRare: () => rare,
        syncBatch: 900,
      })
    }

    const sync = (authority: KeyringAuthority, options = PLAIN) =>
      authority.call({ call: 'sync', keyring: 'default', options })
    const refused = async (authority: KeyringAuthority, code: string) => {
      const result = await sync(authority)
      expect(result).toMatchObject({ ok: false, error: { code } })
      expect(inspect(result, { depth: 9 })).not.toMatch(/hvs\.|\bs\.[A-Za-z0-9]{8}/)
    }
    const seen = (part: string) => proxy.seen.filter(({ path }) => path.includes(part)).length
    const counts = () => ({ logins: seen('/login'), renewals: seen('renew-self'), all: proxy.seen.length })
    /** That was sent last. */
    const token = () =>
      String(proxy.seen.findLast(({ headers }) => 'x-vault-token' in headers)?.headers['x-vault-token'])
    const revoke = (dead: string) => root.request('POST', 'auth/token/revoke-self', { token: dead })

    it('costs three requests for login and first read, and one when nothing is new', async () => {
      const one = open(await role())
      expect(await sync(one)).toMatchObject({ ok: true })
      expect(proxy.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
        'POST /v1/auth/approle/login',
        'GET /v1/kv/metadata/keyring',
        'GET /v1/kv/data/keyring?version=1',
      ])
      proxy.seen.length = 0
      for (let syncs = 0; syncs < 5; syncs += 1) await sync(one)
      expect(counts()).toEqual({ logins: 0, renewals: 0, all: 5 })
    })

    // The dev Vault wraps nothing.
    if (target.name === 'OpenBao')
      it('costs five when the secret id is wrapped, and is opened once', async () => {
        const { role_id } = await role()
        const headers = { 'x-vault-wrap-ttl': '60s' }
        const { body } = await root.request('POST', `auth/approle/role/role-${roles}/secret-id`, { headers })
        const { token: secret_id } = (body as { wrap_info: { token: string } }).wrap_info
        proxy.seen.length = 0
        const wrapping = {
          KEYRING_VAULT_APPROLE_RESPONSE_WRAPPING: 'on',
          KEYRING_VAULT_APPROLE_ROLE_NAME: `role-${roles}`,
        }
        expect(await sync(open({ role_id, secret_id }, wrapping))).toMatchObject({ ok: true })
        expect(counts()).toMatchObject({ logins: 1, all: 5 })
        clock.ahead = 70 * MINUTE
        expect(await sync(open({ role_id, secret_id }, wrapping))).toMatchObject({ ok: true })
        expect([counts().logins, seen('unwrap')]).toEqual([2, 1])
      })

    it('shares its token with the next instance, and what is stored shows none of it', async () => {
      const kept: string[] = []
      const watched: SharedStore = {
        ...store,
        get: (name) => store.get(name),
        put: (name, bytes, version) => (
          kept.push(name, new TextDecoder().decode(bytes)),
          store.put(name, bytes, version)
        ),
      }
      const credentials = await role()
      await sync(open(credentials, {}, watched))
      await sync(open(credentials, {}, watched))
      expect(counts().logins).toBe(1)
      expect(kept.some((text) => text.startsWith('token/'))).toBe(true)
      for (const secret of [token(), credentials.role_id, credentials.secret_id])
        expect(kept.join('\n')).not.toContain(secret)
    })

    it('renews its token when two thirds of its life are over, and not before', async () => {
      const one = open(await role())
      await sync(one)
      for (const [ahead, renewals] of [
        [39, 0],
        [47, 1],
        [80, 1],
        [94, 2],
      ] as const) {
        clock.ahead = ahead * MINUTE
        expect(await sync(one)).toMatchObject({ ok: true })
        expect(counts()).toMatchObject({ logins: 1, renewals })
      }
    })

    it.each([
      ['a periodic token is renewed', { token_period: '1h' }, { logins: 1, renewals: 1 }],
      ['a batch token is replaced', { token_type: 'batch' }, { logins: 2, renewals: 0 }],
      ['a token without the default policy is replaced', { token_no_default_policy: true }, { logins: 2, renewals: 1 }],
      ['a token of 32 days is left alone', { token_ttl: 0 }, { logins: 1, renewals: 0 }],
    ])('%s', async (_name, settings, expected) => {
      const one = open(await role(settings))
      await sync(one)
      const first = token()
      clock.ahead = 47 * MINUTE
      expect(await sync(one)).toMatchObject({ ok: true })
      expect(counts()).toMatchObject(expected)
      expect(token() === first).toBe(expected.logins === 1)
    })

    it('revokes a token that it has replaced', async () => {
      const one = open(await role({ token_no_default_policy: true, token_policies: ['reads', 'revokes'] }))
      await root.request('POST', 'sys/policies/acl/revokes', {
        body: { policy: 'path "auth/token/revoke-self" { capabilities = ["update"] }' },
      })
      await sync(one)
      const first = token()
      clock.ahead = 47 * MINUTE
      await sync(one)
      const read = await root.request('GET', 'kv/data/keyring', { token: first })
      expect([seen('revoke-self'), read.status]).toEqual([1, 403])
    })

    it('uses a token up that has a number of uses, and asks nothing else with it', async () => {
      const one = open(await role({ token_num_uses: 2 }))
      for (let syncs = 0; syncs < 3; syncs += 1) expect(await sync(one)).toMatchObject({ ok: true })
      expect(proxy.seen.map(({ path }) => path.split('/')[3])).toEqual([
        'approle',
        'metadata',
        'data',
        'approle',
        'metadata',
        'metadata',
      ])
    })

    it('logs in anew once its token has ended, without a 403', async () => {
      const one = open(await role({ token_ttl: '1s' }))
      await sync(one)
      const first = token()
      await expect
        .poll(async () => (await root.request('GET', 'kv/data/keyring', { token: first })).status, { timeout: 10_000 })
        .toBe(403)
      clock.ahead = 1000
      expect(await sync(one)).toMatchObject({ ok: true })
      expect(counts()).toMatchObject({ logins: 2 })
    })

    it('lives through a revocation under load: twenty readers, one new login', async () => {
      const credentials = await role()
      const instances = Array.from({ length: 20 }, () => open(credentials))
      await Promise.all(instances.map((each) => sync(each)))
      expect(counts().logins).toBe(1)
      await revoke(token())
      const results = await Promise.all(instances.map((each) => sync(each)))
      expect(results.filter(({ ok }) => !ok)).toEqual([])
      expect(counts().logins).toBe(2)
    })

    it('a policy that denies a path causes one login more, and none at the next syncs', async () => {
      const one = open(await role({ token_policies: [] }))
      for (let syncs = 0; syncs < 4; syncs += 1) await refused(one, 'ERR_VAULT_DENIED')
      expect(counts().logins).toBe(2)
    })

    it('a second look that a policy denies causes no login', async () => {
      await root.mount(`old-${roles}`, 1)
      const policy = `path "old-${roles}/*" { capabilities = ["list"] }`
      await root.request('POST', 'sys/policies/acl/lists', { body: { policy } })
      const old = { KEYRING_VAULT_KV: 'v1', KEYRING_VAULT_MOUNT: `old-${roles}` }
      await refused(open(await role({ token_policies: ['lists'] }), old), 'ERR_SOURCE_NOT_FOUND')
      expect(counts().logins).toBe(1)
    })

    it.each([
      ['a wrong secret id', (of: Credentials) => ({ ...of, secret_id: 'wrong' }), {}, 'ERR_VAULT_LOGIN_REFUSED'],
      [
        'a login mount that is not there',
        null,
        { KEYRING_VAULT_APPROLE_AUTH_PATH: 'nowhere' },
        'ERR_VAULT_LOGIN_DENIED',
      ],
    ])('%s is sent once, whoever asks how often, and Vault locks nobody out', async (_name, spoil, more, code) => {
      const credentials = await role()
      const wrong = spoil === null ? credentials : spoil(credentials)
      for (let asks = 0; asks < 8; asks += 1) await refused(open(wrong, more), code)
      expect(counts().all).toBe(1)
      expect(await sync(open(credentials))).toMatchObject({ ok: true })
    })

    it('a role with the policy root is named as such', async () => {
      await refused(open(await role({ token_policies: ['root'] })), 'ERR_VAULT_LOGIN_ROOT_POLICY')
    })

    it.each([
      ['an outage of the login', FAULTS.error(502), 'ERR_VAULT_UNAVAILABLE', 3],
      ['a cut connection', 'cut', 'ERR_VAULT_UNREACHABLE', 3],
      ['an internal error', FAULTS.error(500, 'internal error'), 'ERR_VAULT_LOGIN_FAILED', 1],
      ['a page of a balancer (502)', FAULTS.page(502), 'ERR_VAULT_UNAVAILABLE', 3],
      ['a page of a balancer (503)', FAULTS.page(503), 'ERR_VAULT_UNAVAILABLE', 3],
      ['a page of a balancer (504)', FAULTS.page(504), 'ERR_VAULT_UNAVAILABLE', 1],
      ['a page with 200', FAULTS.html, 'ERR_VAULT_ANSWER_INVALID', 1],
      ['a page with 403', FAULTS.page(403), 'ERR_VAULT_ANSWER_INVALID', 1],
      [
        'a secondary for disaster recovery',
        FAULTS.error(400, 'path disabled in replication DR secondary mode'),
        'ERR_VAULT_STANDBY',
        1,
      ],
      [
        'a storage that is read-only',
        FAULTS.error(400, 'cannot write to readonly storage'),
        'ERR_VAULT_UNAVAILABLE',
        1,
      ],
      ['472', FAULTS.error(472), 'ERR_VAULT_STANDBY', 1],
      ['473', FAULTS.error(473), 'ERR_VAULT_STANDBY', 1],
      ['a redirect to what cannot be read', FAULTS.redirect('/ui/'), 'ERR_VAULT_REDIRECTED', 7],
    ] as const)('%s is not asked again by the next, and passes', async (_name, fault, code, requests) => {
      const credentials = await role()
      proxy.spoil('/login', fault)
      for (let asks = 0; asks < 3; asks += 1) await refused(open(credentials), code)
      expect(counts().all).toBe(requests)
      proxy.heal()
      clock.ahead = 2000
      expect(await sync(open(credentials))).toMatchObject({ ok: true })
    })

    it.each([
      ['503 of Vault', FAULTS.error(503)],
      ['a page with 403', FAULTS.page(403)],
      ['a page with 400', FAULTS.page(400)],
      ['a storage that is read-only', FAULTS.error(400, 'cannot write to readonly storage')],
    ])('keeps its token through an outage of renewals: %s', async (_name, fault) => {
      const one = open(await role())
      await sync(one)
      proxy.spoil('renew-self', fault)
      for (clock.ahead = 47 * MINUTE; clock.ahead < 59 * MINUTE; clock.ahead += MINUTE)
        expect(await sync(one)).toMatchObject({ ok: true })
      expect(counts().logins).toBe(1)
      proxy.heal()
      clock.ahead = 59.5 * MINUTE
      await sync(one)
    })

    it('replaces a token whose renewal comes in the last second of its maximum', async () => {
      const one = open(await role())
      await sync(one)
      const first = token()
      proxy.spoil('renew-self', FAULTS.error(500, '1 error occurred:\n\t* past the max TTL, cannot renew\n\n'))
      clock.ahead = 47 * MINUTE
      expect(await sync(one)).toMatchObject({ ok: true })
      expect([counts(), token() === first]).toMatchObject([{ logins: 2, renewals: 1 }, false])
    })

    it("a caller's own token is none of all this", async () => {
      const one = open(await role())
      await sync(one)
      const own = await root.tokenFor(POLICY)
      await revoke(own)
      proxy.seen.length = 0
      const result = await sync(one, { ...PLAIN, token: own as never })
      expect(result).toMatchObject({ ok: false, error: { code: 'ERR_VAULT_DENIED' } })
      expect(counts()).toEqual({ logins: 0, renewals: 0, all: 1 })
      expect(await sync(one)).toMatchObject({ ok: true })
      expect(counts().logins).toBe(0)
    })

    it('says that Vault is sealed, and goes on with the same token when it is not', async () => {
      const credentials = await role()
      const one = open(credentials)
      await sync(one)
      await root.seal()
      await refused(one, 'ERR_VAULT_SEALED')
      await refused(open(await roleless(credentials)), 'ERR_VAULT_SEALED')
      await root.unseal(server.unsealKey)
      expect(await sync(one)).toMatchObject({ ok: true })
      expect(counts().logins).toBeLessThanOrEqual(2)
    })
    /** Another credential, so that there is no token for it. */
    const roleless = async (of: Credentials) => ({ ...of, secret_id: 'unknown' })

    it('500 requests on 50 cold instances over one SQLite file: one login', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
      const credentials = await role()
      const stores = Array.from({ length: 50 }, () => sqliteStore(join(folder, 'db')))
      // On a busy machine 500 syncs of one process wait for each other.
      const patient = { KEYRING_VAULT_TIMEOUT_MS: '30000' }
      const instances = stores.map((each) => open(credentials, patient, each))
      // A caller's force keeps syncs from joining each other.
      const results = await Promise.all(
        Array.from({ length: 500 }, (_, at) =>
          instances[at % 50]?.call({ call: 'sync', keyring: 'default', options: { ...PLAIN, force: true } }),
        ),
      )
      for (const each of stores) each.close()
      rmSync(folder, { recursive: true })
      expect(counts().logins).toBe(1)
      const codes = new Set(results.map((result) => (result === undefined || result.ok ? 'ok' : result.error.code)))
      expect([...codes].filter((code) => code !== 'ok' && code !== 'ERR_SYNC_CONTENDED')).toEqual([])
    })

    it('logs in to a namespace, and notices a server that ignores them', async () => {
      const team = { headers: { 'x-vault-namespace': 'team' } }
      const made = await root.request('POST', 'sys/namespaces/team', { body: {} })
      const knows = made.status === 200
      const credentials = knows ? await namespaced(team) : await role()
      const one = open(credentials, { KEYRING_VAULT_NAMESPACE: 'team' })
      if (knows) {
        expect(await sync(one)).toMatchObject({ ok: true })
        expect(counts()).toMatchObject({ logins: 1, all: 5 })
        expect(proxy.seen[1]?.headers).toMatchObject({ 'x-vault-namespace': 'team' })
      } else await refused(one, 'ERR_VAULT_NAMESPACE_IGNORED')
    })

    async function namespaced(team: { headers: Record<string, string> }): Promise<Credentials> {
      const ask = (method: string, path: string, body?: unknown) => root.request(method, path, { ...team, body })
      await ask('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '2' } })
      await expect.poll(async () => (await ask('GET', 'kv/metadata/none')).status).toBe(404)
      await ask('POST', 'kv/data/keyring', { data: { id: 'k2', key: 'another key string of no importance' } })
      await ask('POST', 'sys/auth/approle', { type: 'approle' })
      await ask('POST', 'sys/policies/acl/reads', { policy: POLICY })
      await ask('POST', 'auth/approle/role/r', { token_policies: ['reads'], token_ttl: '1h' })
      const id = (await ask('GET', 'auth/approle/role/r/role-id')).body as { data: { role_id: string } }
      const secret = (await ask('POST', 'auth/approle/role/r/secret-id')).body as { data: { secret_id: string } }
      proxy.seen.length = 0
      return { role_id: id.data.role_id, secret_id: secret.data.secret_id }
    }
  })
