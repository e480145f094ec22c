/** Namespaces before a real OpenBao, which has them, and before the dev Vault, which ignores them and says so as Vault's community edition does. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { opened as openedBy } from '../support/opened.ts'
import { keyString } from '../support/syncing.ts'
import type { FaultyProxy, VaultClient, VaultServer } from '../support/vault.ts'
import { FAULTS, faultyProxy, vaultClient, vaultTargets } from '../support/vault.ts'

type Env = Readonly<Record<string, string>>

const POLICY = ['metadata', 'data'].map((kind) => `path "kv/${kind}/*" { capabilities = ["read"] }`).join('\n')
const VAULT_1_21 = {
  initialized: true,
  sealed: false,
  standby: false,
  performance_standby: false,
  replication_performance_mode: 'disabled',
  replication_dr_mode: 'disabled',
  server_time_utc: 1_785_000_000,
  version: '1.21.4',
  echo_duration_ms: 0,
  clock_skew_ms: 0,
  replication_primary_canary_age_ms: 0,
}
const HEALTH = /^\/v1\/sys\/health/

for (const target of vaultTargets())
  describe.skipIf(!target.isAvailable)(`a namespace at ${target.name}`, () => {
    const isIgnored = target.name === 'dev Vault'
    let server: VaultServer
    let root: VaultClient
    let team: VaultClient
    let proxy: FaultyProxy

    beforeAll(async () => {
      server = await target.open()
      proxy = await faultyProxy(server.address)
      root = vaultClient(server.address, server.token)
      if (!isIgnored) await root.request('POST', 'sys/namespaces/team', { body: {} })
      team = vaultClient(server.address, server.token, 'secret', 'team')
      const kv = await team.mount('kv')
      await kv.write('keyring', { id: 'k1', key: keyString('k1') })
      for (const at of isIgnored ? [root] : [root, team]) {
        await at.request('POST', 'sys/policies/acl/reads', { body: { policy: POLICY } })
        await at.request('POST', 'sys/auth/approle', { body: { type: 'approle' } })
      }
      const above = POLICY.replaceAll('kv/', 'team/kv/')
      await root.request('POST', 'sys/policies/acl/above', { body: { policy: isIgnored ? POLICY : above } })
    })
    beforeEach(() => {
      proxy.heal()
      proxy.seen.length = 0
    })
    afterAll(async () => {
      await proxy.close()
      await server.close()
    })

    /** @returns the settings of a login in a role of its own. */
    async function login(client: VaultClient, role: object, more: Env = {}): Promise<Env> {
      const at = `auth/approle/role/role-${crypto.randomUUID()}`
      await client.request('POST', at, { body: { token_ttl: '1h', ...role } })
      const id = (await client.request('GET', `${at}/role-id`)).body as { data: { role_id: string } }
      const secret = (await client.request('POST', `${at}/secret-id`)).body as { data: { secret_id: string } }
      return {
        KEYRING_VAULT_TOKEN: '',
        KEYRING_VAULT_AUTH_METHOD: 'approle',
        KEYRING_VAULT_APPROLE_ROLE_ID: id.data.role_id,
        KEYRING_VAULT_APPROLE_SECRET_ID: secret.data.secret_id,
        ...more,
      }
    }

    const opened = (env: Env) =>
      openedBy({
        KEYRING_VAULT_HOST: proxy.address,
        KEYRING_VAULT_MOUNT: 'kv',
        KEYRING_VAULT_NAMESPACE: 'team',
        KEYRING_VAULT_TOKEN: server.token,
        ...env,
      })

    const paths = () => proxy.seen.map(({ path }) => path.replace(/\?.*$/, ''))
    const looks = () => paths().filter((path) => HEALTH.test(path)).length
    const IGNORED = {
      ok: false,
      error: { code: 'ERR_VAULT_NAMESPACE_IGNORED', facts: { namespace: 'team', path: '/v1/sys/health' } },
    }

    it.each<[string, () => Promise<Env>]>([
      ['with the method token', async () => ({})],
      ['of the login itself', () => login(team, { token_policies: ['reads'] })],
      [
        'with a login namespace that is the root',
        () => login(root, { token_policies: ['above'] }, { KEYRING_VAULT_LOGIN_NAMESPACE: '/' }),
      ],
      [
        'with a token that may not look itself up',
        () => login(team, { token_policies: ['reads'], token_no_default_policy: true }),
      ],
      ['with a token of few uses', () => login(team, { token_policies: ['reads'], token_num_uses: 20 })],
    ])('%s: it is used, or named as ignored before anything is asked for in it', async (_name, given) => {
      const env = await given()
      proxy.seen.length = 0
      const one = opened(env)
      if (isIgnored) {
        expect(await one.sync()).toMatchObject(IGNORED)
        expect(paths()).toEqual(['/v1/sys/health'])
        expect(proxy.seen[0]?.headers['x-vault-token']).toBeUndefined()
        expect(proxy.seen[0]?.headers['x-vault-namespace']).toBeUndefined()
        return
      }
      expect(await one.sync()).toMatchObject({ ok: true })
      expect([paths()[0], looks()]).toEqual(['/v1/sys/health', 1])
      proxy.seen.length = 0
      expect(await one.sync()).toMatchObject({ ok: true })
      expect(paths()).toEqual(['/v1/kv/metadata/keyring'])
    })

    it('is used although a proxy hides the health of the server, which is asked for once', async () => {
      const one = opened({})
      proxy.spoil('sys/health', { status: 403, body: '<html>No.</html>' })
      for (const count of [1, 0]) {
        proxy.seen.length = 0
        expect([await one.sync(), looks()]).toMatchObject([{ ok: true }, count])
      }
    })

    it('is looked at again when the server could not say', async () => {
      const one = opened({})
      proxy.spoil('sys/health', FAULTS.error(501, 'away'))
      expect(await one.sync()).toMatchObject({ ok: true })
      proxy.heal()
      proxy.seen.length = 0
      expect([await one.sync(), looks()]).toMatchObject([isIgnored ? IGNORED : { ok: true }, 1])
    })

    it('is known to be ignored by what Vault 1.21 says, and not to be by what its enterprise edition says', async () => {
      for (const enterprise of [false, true]) {
        proxy.heal()
        proxy.spoil('sys/health', { status: 200, body: JSON.stringify({ ...VAULT_1_21, enterprise }) })
        expect(await opened({}).sync()).toMatchObject(enterprise ? { ok: true } : IGNORED)
      }
    })

    it('costs nothing where none is configured', async () => {
      await opened({ KEYRING_VAULT_NAMESPACE: '' }).sync()
      expect(looks()).toBe(0)
    })

    it('is named by the doctor as ignored', async () => {
      const { login: found } = await opened({}).findings()
      expect(found).toMatchObject(
        isIgnored ? { outcome: 'failed', code: 'ERR_VAULT_NAMESPACE_IGNORED' } : { outcome: 'ok' },
      )
    })
  })
