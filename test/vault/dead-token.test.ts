/** The doctor and a login whose token is dead: it says so, and with `--login` there is a new one, for the keyring as for a vault behind references. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { createAuthority } from '../../src/app.ts'
import { readEntities } from '../../src/config/entities.ts'
import { systemClock } from '../../src/core/clock.ts'
import { unwrap } from '../../src/core/errors.ts'
import type { Diagnosis } from '../../src/core/findings.ts'
import type { Fetch, SharedStore } from '../../src/core/ports.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'
import { memoryItems } from '../../src/secrets/memory-items.ts'
import { openKeepers } from '../../src/vaults.ts'
import { wrappingKey } from '../support/authority.ts'
import { configOf, keyString } from '../support/syncing.ts'
import type { VaultClient, VaultServer } from '../support/vault.ts'
import { vaultClient, vaultTargets } from '../support/vault.ts'

/** A way to Vault that shows the token that was sent last, and how many logins there were. */
function watched() {
  const seen = { token: '', logins: 0 }
  const way: Fetch = (request) => {
    if (new URL(request.url).pathname.endsWith('/login')) seen.logins += 1
    seen.token = request.headers.get('x-vault-token') ?? seen.token
    return fetch(request)
  }
  return { seen, way }
}

const PRIMITIVES = { cipher: nodeCipher, hash: nodeHash, clock: systemClock, readFile: null, loadRare: () => rare }

for (const target of vaultTargets())
  describe.skipIf(!target.isAvailable)(`a dead token of ${target.name}`, () => {
    let server: VaultServer
    let root: VaultClient
    let role: Record<string, string>
    beforeAll(async () => {
      server = await target.open()
      root = await vaultClient(server.address, server.token).mount('kv')
      await root.write('keyring', { id: 'a', key: keyString('a') })
      const write = (path: string, body: object) => root.request('POST', path, { body })
      await write('sys/policies/acl/reads', { policy: 'path "kv/*" { capabilities = ["read"] }' })
      await write('sys/auth/approle', { type: 'approle' })
      await write('auth/approle/role/reads', { token_policies: ['reads'] })
      const dataOf = ({ body }: { readonly body: unknown }) => (body as { data: Record<string, string> }).data
      const { role_id = '' } = dataOf(await root.request('GET', 'auth/approle/role/reads/role-id'))
      const { secret_id = '' } = dataOf(await write('auth/approle/role/reads/secret-id', {}))
      role = { auth_method: 'approle', approle_role_id: role_id, approle_secret_id: secret_id }
    })
    afterAll(() => server.close())

    const ofKeyring = (way: Fetch, store: SharedStore) => {
      const ofRole = Object.entries(role).map(([name, text]) => [`KEYRING_VAULT_${name.toUpperCase()}`, text])
      const config = configOf({
        KEYRING_VAULT_HOST: server.address,
        KEYRING_VAULT_MOUNT: 'kv',
        KEYRING_VAULT_TOKEN: '',
        ...Object.fromEntries(ofRole),
      })
      const authority = createAuthority(config, {
        ...PRIMITIVES,
        store,
        replica: null,
        fetch: way,
        vaults: null,
        probe: null,
        audit: { note: () => {}, commit: async () => {} },
        syncBatch: 900,
        leftMs: () => Number.POSITIVE_INFINITY,
        log: () => {},
      })
      return async (login: boolean) => unwrap(await authority.call({ call: 'diagnose', keyring: 'default', login }))
    }

    const ofEntity = (way: Fetch, store: SharedStore) => {
      const { hostname: host, port } = new URL(server.address)
      const fields = { protocol: 'http', host, port: Number(port), kv: 'v2', mount: 'kv', ...role }
      const list = JSON.stringify([{ name: 'hcv', prefix: 'mine', config: fields }])
      const { entities, broken } = readEntities({ KEYRING_VAULTS: list }, 'node')
      expect(broken).toEqual([])
      const keepers = openKeepers(
        entities,
        { wrappingKeys: [wrappingKey('w1', 1)] },
        {
          ...PRIMITIVES,
          store,
          items: memoryItems(() => Date.now()),
          log: () => {},
          probeOf: () => null,
          fetchOf: () => way,
          openOther: () => expect.unreachable('There is no other.'),
        },
      )
      return async (login: boolean) => unwrap(await keepers.call({ call: 'examine', vault: 'mine', login }))
    }

    it.each<[string, (way: Fetch, store: SharedStore) => (login: boolean) => Promise<Diagnosis>]>([
      ['a keyring', ofKeyring],
      ['a vault behind references', ofEntity],
    ])('of %s is replaced when that is asked for, and not otherwise', async (_name, open) => {
      const { seen, way } = watched()
      const store = memoryStore()
      /** Each is of an instance that has found nothing yet. */
      const login = async (isForced: boolean) =>
        (await open(way, store)(isForced)).findings.find(({ check }) => check === 'login')
      expect(await login(false)).toMatchObject({ outcome: 'ok' })
      await vaultClient(server.address, seen.token).request('POST', 'auth/token/revoke-self')
      expect(await login(false)).toMatchObject({ outcome: 'failed', code: 'ERR_VAULT_DENIED' })
      expect(seen.logins).toBe(1)
      expect(await login(true)).toMatchObject({ outcome: 'ok' })
      expect(seen.logins).toBe(2)
      for (const isForced of [true, false]) expect(await login(isForced)).toMatchObject({ outcome: 'ok' })
      expect(seen.logins).toBe(2)
    })
  })
