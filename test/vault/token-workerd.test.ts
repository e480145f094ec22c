/** The token of a deployment on workerd: the Durable Object logs in, whichever request came first. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authority } from '../support/certificates.ts'
import type { RawWorkerd } from '../support/raw-workerd.ts'
import { startWorkerd } from '../support/raw-workerd.ts'
import { keyString } from '../support/syncing.ts'
import type { FaultyProxy, VaultClient, VaultServer } from '../support/vault.ts'
import { faultyProxy, vaultClient, vaultTargets } from '../support/vault.ts'

const TOKEN = 'ek_of_no_importance'
const POLICY = 'path "kv/*" { capabilities = ["read"] }'

for (const target of vaultTargets())
  describe.skipIf(!target.isAvailable)(`a login to ${target.name} from workerd`, () => {
    let server: VaultServer
    let root: VaultClient
    let proxy: FaultyProxy
    let workers: RawWorkerd<'right' | 'wrong'>

    beforeAll(async () => {
      server = await target.open()
      root = vaultClient(server.address, server.token)
      const kv = await root.mount('kv')
      await kv.write('keyring', { id: 'a', key: keyString('a') })
      await root.request('POST', 'sys/auth/userpass', { body: { type: 'userpass' } })
      await root.request('POST', 'sys/policies/acl/reads', { body: { policy: POLICY } })
      const user = { password: 'right', token_policies: 'reads' }
      await root.request('POST', 'auth/userpass/users/edge', { body: user })
      proxy = await faultyProxy(server.address)
      const { cert } = await authority('Nobody')
      const instances = { right: { settings: settings('right') }, wrong: { settings: settings('wrong') } }
      workers = await startWorkerd(instances, cert)
    }, 60_000)
    afterAll(async () => {
      await workers.close()
      await proxy.close()
      await server.close()
    })

    const settings = (password: string) => ({
      KEYRING_VAULT_HOST: proxy.address,
      KEYRING_VAULT_MOUNT: 'kv',
      KEYRING_VAULT_PATH: 'keyring',
      KEYRING_VAULT_AUTH_METHOD: 'userpass',
      KEYRING_VAULT_USERPASS_USERNAME: 'edge',
      KEYRING_VAULT_USERPASS_PASSWORD: password,
      KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
      KEYRING_API_TOKENS: JSON.stringify([
        { name: 'admin', sha256: createHash('sha256').update(TOKEN).digest('hex'), grants: ['admin'] },
      ]),
    })

    /** Forced syncs do not join each other. */
    const syncs = async (count: number, name: 'right' | 'wrong' = 'right') => {
      const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
      const ask = () =>
        fetch(`${workers.url[name]}/keyring/vault/sync`, { method: 'POST', headers, body: '{"force":true}' })
      return (await Promise.all(Array.from({ length: count }, ask))).map(({ status }) => status)
    }
    const logins = () => proxy.seen.filter(({ path }) => path.includes('/login')).length

    it('is one for fifty requests at once, and one more when the token is revoked', async () => {
      expect(new Set(await syncs(50))).toEqual(new Set([204]))
      expect(logins()).toBe(1)
      const token = proxy.seen.findLast(({ headers }) => 'x-vault-token' in headers)?.headers['x-vault-token']
      await root.request('POST', 'auth/token/revoke-self', { token: String(token) })
      expect(new Set(await syncs(50))).toEqual(new Set([204]))
      expect(logins()).toBe(2)
    })

    it('that is refused is sent once', async () => {
      proxy.seen.length = 0
      expect(new Set(await syncs(50, 'wrong'))).toEqual(new Set([502]))
      expect(proxy.seen).toHaveLength(1)
    })
  })
