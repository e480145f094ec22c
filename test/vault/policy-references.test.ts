/** What `edge-keyring policy --references` prints, before the servers that take it: it is enough for the references that are listed, and for no others. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { policy } from '../../functions/cli/policy.ts'
import { readEntities } from '../../src/config/entities.ts'
import { openStraight } from '../../functions/node/straight.ts'
import type { VaultClient, VaultServer } from '../support/vault.ts'
import { vaultClient, vaultTargets } from '../support/vault.ts'

const vaults = (config: object) =>
  JSON.stringify([
    { name: 'hcv', prefix: 'mine', config },
    { name: 'aws', prefix: 'amazon', config: { region: 'eu-west-1' } },
    { name: 'env', prefix: 'variables', config: { prefix: 'APP_' } },
    { name: 'hcv', prefix: 'wrong', config: { ttl: 1 } },
  ])

for (const target of vaultTargets())
  describe.skipIf(!target.isAvailable)(`the policy of a vault behind references, before ${target.name}`, () => {
    let server: VaultServer
    let root: VaultClient
    beforeAll(async () => {
      server = await target.open()
      root = vaultClient(server.address, server.token)
      const kv2 = await root.mount('two')
      await root.mount('one', 1)
      for (const path of ['password', 'app/db', 'other']) {
        await kv2.write(path, { field: 'a value' })
        await root.request('POST', `one/${path}`, { body: { field: 'a value' } })
      }
    })
    afterAll(() => server.close())

    it.each([
      ['v2', 'two'],
      ['v1', 'one'],
    ])('of KV %s allows what is listed, and nothing else', async (kv, mount) => {
      const { hostname: host, port } = new URL(server.address)
      const fields = { protocol: 'http', host, port: Number(port), kv, mount }
      const listed = '{vault://mine/password/field} {vault://mine/password/more} {vault://mine/app/db/}'
      const { screen } = await policy({ KEYRING_VAULTS: vaults(fields), KEYRING_REFERENCES: listed }, false, 'mine')
      const token = await root.tokenFor(String(screen))
      const { entities } = readEntities({ KEYRING_VAULTS: vaults({ ...fields, token }) }, 'node')
      const { secrets, close } = openStraight(entities, () => {})
      const asked = ['password/field', 'app/db/', 'other/field', 'app/field', 'none/field']
      const answers = await secrets?.resolve(asked.map((path) => `{vault://mine/${path}}`))
      expect(answers?.map((one) => (one.ok ? one.value.value : one.error.code))).toEqual([
        'a value',
        '{"field":"a value"}',
        ...Array.from({ length: 3 }, () => 'ERR_SECRET_FORBIDDEN'),
      ])
      await close()
    })
  })

describe('edge-keyring policy', () => {
  const printed = async (env: Readonly<Record<string, string>>, prefix?: string) =>
    String((await policy(env, false, prefix)).screen)

  it('says what is to be added where nothing is listed, and in which namespace', async () => {
    const text = await printed({ KEYRING_VAULTS: vaults({ kv: 'v2', namespace: 'team', mount: 'kv' }) }, 'mine')
    expect(text).toMatch(/^# For the login of the vault "mine", in the namespace "team"\.\n/)
    expect(text).toMatch(/# path "kv\/data\/<secret>" \{ capabilities = \["read"\] \}\n$/)
    expect(text.split('\n').filter((line) => !line.startsWith('#'))).toEqual([''])
    expect(await printed({ KONG_VAULT_HCV_MOUNT: 'kong' }, 'hcv')).toContain('# path "kong/<secret>"')
  })

  it.each(['x*', '+', 'a/+/b', 'a"b', '{{identity.entity.id}}'])('widens no rule by %s', async (resource) => {
    const reference = `{vault://mine/${resource
      .split('/')
      .map((each) => encodeURIComponent(encodeURIComponent(each)))
      .join('/')}/}`
    const text = await printed(
      { KEYRING_VAULTS: vaults({ kv: 'v2' }), KEYRING_REFERENCES: JSON.stringify([reference]) },
      'mine',
    )
    expect(text).toContain(
      `# No rule can name this secret alone, because of a character in it: ${JSON.stringify(resource)}\n`,
    )
    expect(text).not.toMatch(/^path/m)
  })

  it.each([
    ['amazon', /secretsmanager:GetSecretValue/],
    ['variables', /without a login/],
    ['nowhere', /no vault of that prefix/],
    ['wrong', /vaults\.wrong\.config\.ttl/],
  ])('has none for %s, and says why', async (prefix, why) => {
    const env = { KEYRING_VAULTS: vaults({ kv: 'v2' }) }
    await expect(policy(env, false, prefix)).rejects.toThrow(why)
    await expect(policy({}, false, prefix)).rejects.toThrow(/no vault of that prefix/)
  })

  it('of the keyrings does not have it, and says so', async () => {
    const told = vi.spyOn(console, 'error').mockImplementation(() => {})
    const settings = { KEYRING_VAULT_MOUNT: 'kv', KEYRING_VAULT_PATH: 'keyring' }
    const text = await printed({ ...settings, KEYRING_VAULTS: vaults({ kv: 'v2' }) })
    const calls = told.mock.calls.flat()
    told.mockRestore()
    expect(text).toBe(await printed(settings))
    expect(calls).toEqual(['note: not in it is what references need: policy --references mine'])
  })
})
