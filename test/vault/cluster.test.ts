/** A cluster whose leader is killed, seen through the address of a standby. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { systemClock } from '../../src/core/clock.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { openVault } from '../../src/vault/open.ts'
import { rare } from '../../src/rare.ts'
import { wrappingKey } from '../support/authority.ts'
import { vaultClient } from '../support/vault.ts'
import type { Cluster } from './cluster.ts'
import { startCluster, until } from './cluster.ts'

const POLICY = 'path "kv/data/*" { capabilities = ["read"] }'
const READ = { segments: ['kv', 'data', 'x'] }
const openbao = inject('openbao') ?? null

describe.skipIf(openbao === null)('a three-node OpenBao whose leader is killed', { timeout: 120_000 }, () => {
  let cluster: Cluster
  let auth: { method: 'approle'; mount: string; roleId: Secret; secretId: Secret; wrapping: false; roleName: string }

  beforeAll(async () => {
    cluster = await startCluster(openbao?.binary ?? '')
    const root = vaultClient(cluster.addresses[0] ?? '', cluster.token)
    const kv = await root.mount('kv')
    await kv.write('x', { id: 'k1' })
    await root.request('POST', 'sys/auth/approle', { body: { type: 'approle' } })
    await root.request('POST', 'sys/policies/acl/reads', { body: { policy: POLICY } })
    await root.request('POST', 'auth/approle/role/r', { body: { token_policies: ['reads'] } })
    const id = (await root.request('GET', 'auth/approle/role/r/role-id')).body as { data: { role_id: string } }
    const secret = (await root.request('POST', 'auth/approle/role/r/secret-id')).body as { data: { secret_id: string } }
    const [, standby = ''] = cluster.addresses
    const body = { role_id: id.data.role_id, secret_id: secret.data.secret_id }
    const login = () => vaultClient(standby, '').request('POST', 'auth/approle/login', { token: null, body })
    await until(AbortSignal.timeout(30_000), async () => (await login()).status === 200)
    const [roleId, secretId] = [new Secret(id.data.role_id), new Secret(secret.data.secret_id)]
    auth = { method: 'approle', mount: 'approle', roleId, secretId, wrapping: false, roleName: '' }
  }, 120_000)
  afterAll(() => cluster.close())

  it('serves reads and logins again, or says what is the matter, and no token leaves the configured address', async () => {
    const [, standby = ''] = cluster.addresses
    const asked = new Set<string>()
    const clock = { ...systemClock, ahead: 0, now: () => Date.now() + clock.ahead }
    /** An instance with nothing in its memory and a store of its own: it has to log in. */
    const cold = () =>
      openVault(
        { address: standby, namespace: '', loginNamespace: '', headers: {}, timeoutMs: 5000, auth },
        {
          store: memoryStore(),
          cipher: nodeCipher,
          hash: nodeHash,
          clock,
          readFile: null,
          loadRare: () => rare,
          doubt: () => {},
          wrappingKeys: [wrappingKey('w1', 1)],
          fetch: (request) => {
            asked.add(new URL(request.url).origin)
            return fetch(request)
          },
        },
      ).reader(null, 'none')
    const codes: string[] = []
    const read = (reader: ReturnType<typeof cold>) =>
      reader.get({ ...READ, signal: AbortSignal.timeout(20_000) }).then(
        ({ status }) => status,
        (error: unknown) => codes.push(error instanceof KeyringError ? error.code : String(error)),
      )
    const steady = cold()
    expect(await read(steady)).toBe(200)
    await cluster.kill(0)
    expect(await read(steady)).toBe(200)
    const late = cold()
    await expect
      .poll(
        () => {
          clock.ahead += 300_000
          return read(late)
        },
        { timeout: 90_000, interval: 100 },
      )
      .toBe(200)
    expect(await read(steady)).toBe(200)
    expect(
      codes.filter(
        (code) => !/^ERR_VAULT_(REDIRECTED|UNAVAILABLE|UNREACHABLE|LOGIN_FAILED|TIMEOUT|STANDBY)$/.test(code),
      ),
    ).toEqual([])
    expect([...asked]).toEqual([standby])
  })
})
