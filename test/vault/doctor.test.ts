/** The doctor before a dev Vault and a real OpenBao: each check, well and unwell. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { probeOf } from '../../functions/node-shared/probe.ts'
import { vaultFetch } from '../../functions/node-shared/vault-fetch.ts'
import { createAuthority } from '../../src/app.ts'
import type { Check, Finding } from '../../src/core/findings.ts'
import { CHECKS } from '../../src/core/findings.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'
import { CHECK_FIRST } from '../../src/vault/wire/errors.ts'
import { configOf, keyString, syncing } from '../support/syncing.ts'
import type { TlsVault } from '../support/tls-vault.ts'
import { startTlsVault } from '../support/tls-vault.ts'
import type { FaultyProxy, VaultClient, VaultServer } from '../support/vault.ts'
import { FAULTS, faultyProxy, vaultClient, vaultTargets } from '../support/vault.ts'

type Env = Readonly<Record<string, string>>

function authorityFor(settings: Env, aheadMs = 0) {
  const config = configOf(settings)
  const clock = { now: () => Date.now() + aheadMs, sleep: async () => {} }
  const vault = vaultFetch(config.vault)
  const authority = createAuthority(config, {
    cipher: nodeCipher,
    hash: nodeHash,
    clock,
    store: memoryStore(),
    replica: null,
    fetch: vault.fetch,
    readFile: null,
    vaults: null,
    loadRare: () => rare,
    probe: probeOf(config.vault, clock),
    audit: { note: () => {}, commit: async () => {} },
    syncBatch: 900,
    leftMs: () => Number.POSITIVE_INFINITY,
    log: () => {},
  })
  return { authority, close: () => vault.close() }
}

/** A deployment of its own at each call; its clock may be wrong. */
function doctorOf(settings: Env, aheadMs = 0) {
  const { authority, close } = authorityFor(settings, aheadMs)
  return async (): Promise<Record<Check, Finding>> => {
    const result = await authority.call({ call: 'diagnose', keyring: 'default', login: false })
    await close()
    if (!result.ok) throw new Error(inspect(result.error))
    const { findings } = result.value
    expect(findings.map(({ check }) => check).toSorted()).toEqual([...CHECKS].toSorted())
    for (const { detail, outcome, remedy } of findings) {
      expect(detail).toMatch(/^\S.*\.\)?$/)
      if (outcome === 'failed' || outcome === 'warning') expect(remedy).toMatch(/^[A-Z].{15,}/)
    }
    return Object.fromEntries(findings.map((finding) => [finding.check, finding])) as Record<Check, Finding>
  }
}
const examined = (settings: Env, aheadMs?: number) => doctorOf(settings, aheadMs)()
const outcomes = (found: Record<Check, Finding>) =>
  Object.fromEntries(Object.values(found).map(({ check, outcome }) => [check, outcome]))
const SKIPPED = (...checks: Check[]) => Object.fromEntries(checks.map((check) => [check, 'skipped']))

for (const target of vaultTargets())
  describe.skipIf(!target.isAvailable)(`the doctor before ${target.name}`, () => {
    let server: VaultServer
    let root: VaultClient
    let kv: VaultClient
    let proxy: FaultyProxy
    let reader: string
    beforeAll(async () => {
      server = await target.open()
      root = vaultClient(server.address, server.token)
      kv = await root.mount('kv')
      await root.mount('old', 1)
      for (const id of ['a', 'b']) await kv.write('keyring', { id, key: keyString(id) })
      const paths = ['metadata', 'data'].map((each) => `path "kv/${each}/*" { capabilities = ["read"] }`)
      reader = await root.tokenFor([...paths, 'path "old/*" { capabilities = ["read", "list"] }'].join('\n'))
      proxy = await faultyProxy(server.address)
    })
    afterAll(async () => {
      await proxy.close()
      await server.close()
    })
    const settings = (more: Env = {}) => ({
      KEYRING_VAULT_HOST: server.address,
      KEYRING_VAULT_MOUNT: 'kv',
      KEYRING_VAULT_TOKEN: reader,
      ...more,
    })

    it('finds all well, and says who one is', async () => {
      const found = await examined(settings())
      const { token, versions, secret } = found
      expect(outcomes(found)).toMatchObject({
        dns: 'ok',
        tcp: 'ok',
        server: 'ok',
        clock: 'ok',
        login: 'ok',
        mount: 'ok',
      })
      expect(outcomes(found)).toMatchObject({ token: expect.stringMatching(/ok|warning/), capabilities: 'ok' })
      expect(found.tls).toMatchObject({ outcome: 'ok', detail: expect.stringMatching(/Plain http/) })
      expect(token.facts).toMatchObject({ policies: expect.stringMatching(/default, policy-/), tokenType: 'service' })
      expect(secret).toMatchObject({ outcome: 'ok', detail: 'Version 2, the current one, is the key "b".' })
      expect(versions).toMatchObject({ outcome: 'ok', facts: { versions: 2, limit: 10, left: 8 } })
      expect(JSON.stringify(found)).not.toContain(reader)
      expect(JSON.stringify(found)).not.toContain(keyString('b'))
    })

    it('answers from what it has just found, whoever asks how often', async () => {
      const doctor = doctorOf(settings({ KEYRING_VAULT_HOST: proxy.address }))
      proxy.seen.length = 0
      const [one, two] = await Promise.all([doctor(), doctor()])
      const asked = proxy.seen.length
      expect([two, await doctor(), proxy.seen.length]).toEqual([one, one, asked])
    })

    it('does not take for a key what a sync refuses: the id of another key, or a key that was removed', async () => {
      const [store, env] = [memoryStore(), settings({ KEYRING_VAULT_PATH: 'refused' })]
      const instance = () => syncing(env, store)
      const secret = async () => {
        const result = await (await instance()).authority.diagnose('default')
        return result.ok ? result.value.findings.find(({ check }) => check === 'secret') : result
      }
      const write = async (id: string, key: string) => kv.write('refused', { id, key: keyString(key) })
      const sync = async () => (await instance()).sync()
      const refused = (version: number, why: string) => ({
        outcome: 'failed',
        code: 'ERR_ACTIVE_UNUSABLE',
        detail: `Version ${version}, the current one, ${why}.`,
        remedy: expect.stringContaining('under a new "id"'),
      })
      await write('a', 'a')
      await sync()
      await write('a', 'another')
      expect(await secret()).toMatchObject(refused(2, 'has the id of another key'))
      await sync()
      expect(await secret()).toMatchObject(refused(2, 'has the id of another key'))
      await write('b', 'b')
      expect(await secret()).toMatchObject({ outcome: 'ok' })
      await sync()
      await (await instance()).authority.change('default', { op: 'compromise', id: 'b', force: true })
      expect(await secret()).toMatchObject(refused(3, 'is a key that was compromised'))
      await (await instance()).authority.change('default', { op: 'remove', id: 'b', force: true })
      expect(await secret()).toMatchObject(refused(3, 'is a key that was removed'))
    })

    it('names a token that is too much: root, writing, of few uses', async () => {
      const found = await examined(settings({ KEYRING_VAULT_TOKEN: server.token }))
      expect(found.token).toMatchObject({ outcome: 'warning', detail: expect.stringMatching(/root/) })
      const writer = await root.tokenFor('path "kv/*" { capabilities = ["read", "update", "delete"] }')
      expect((await examined(settings({ KEYRING_VAULT_TOKEN: writer }))).capabilities).toMatchObject({
        outcome: 'warning',
        detail: expect.stringMatching(/and also delete, update|and also update, delete/),
      })
      const { body } = await root.request('POST', 'auth/token/create', { body: { policies: ['root'], num_uses: 50 } })
      const few = (body as { auth: { client_token: string } }).auth.client_token
      expect((await examined(settings({ KEYRING_VAULT_TOKEN: few }))).token.outcome).toBe('warning')
    })

    it('says what to add to the policy', async () => {
      const half = await root.tokenFor('path "kv/metadata/keyring" { capabilities = ["read"] }')
      const { capabilities, secret } = await examined(settings({ KEYRING_VAULT_TOKEN: half }))
      expect(capabilities).toMatchObject({
        outcome: 'failed',
        code: 'ERR_VAULT_DENIED',
        remedy: `${CHECK_FIRST} to the policy: path "kv/data/keyring" { capabilities = ["read"] }`,
      })
      expect(secret).toMatchObject({ outcome: 'failed', code: 'ERR_VAULT_DENIED' })
    })

    it('stops at a token that is not known', async () => {
      const found = await examined(settings({ KEYRING_VAULT_TOKEN: 'hvs.not-known' }))
      expect(found.login).toMatchObject({ outcome: 'failed', code: 'ERR_VAULT_DENIED' })
      expect(outcomes(found)).toMatchObject(
        SKIPPED('token', 'mount', 'capabilities', 'secret', 'versions', 'rate-limit'),
      )
    })

    it('tells a mount of the other version, and one that is not there', async () => {
      const other = await examined(settings({ KEYRING_VAULT_MOUNT: 'old' }))
      expect(other.mount).toMatchObject({ outcome: 'failed', code: 'ERR_VAULT_KV_VERSION' })
      const none = await examined(settings({ KEYRING_VAULT_MOUNT: 'none' }))
      expect(none.mount).toMatchObject({ outcome: 'warning', detail: expect.stringMatching(/"none" is not there/) })
      expect(none.capabilities.outcome).toBe('failed')
    })

    it('looks at KV version 1 in its layout', async () => {
      await root.request('POST', 'old/ring/1', { body: { id: 'a', key: keyString('a') } })
      const more = { KEYRING_VAULT_MOUNT: 'old', KEYRING_VAULT_PATH: 'ring', KEYRING_VAULT_KV: 'v1' }
      const found = await examined(settings(more))
      expect(outcomes(found)).toMatchObject({ mount: 'ok', capabilities: 'ok', secret: 'ok', versions: 'ok' })
    })

    it.each<[string, Record<string, unknown>, string, RegExp]>([
      ['no key', { id: 'x' }, 'failed', /has no "key"/],
      ['a key that is no string', { id: 'x', key: 7 }, 'failed', /has a "key" that is no string/],
      ['a bad id', { id: 'a b', key: 'x' }, 'failed', /"id" that is not/],
      ['a weak key', { id: 'x', key: 'password' }, 'warning', /weak or published/],
    ])('tells of a current version with %s', async (name, data, outcome, text) => {
      const path = `shape-${name.replaceAll(' ', '-')}`
      await kv.write(path, data)
      const { secret } = await examined(settings({ KEYRING_VAULT_PATH: path }))
      expect(secret).toMatchObject({ outcome, detail: expect.stringMatching(text) })
    })

    it('tells of a secret that is not there, and of a deleted version', async () => {
      const absent = await examined(settings({ KEYRING_VAULT_PATH: 'absent' }))
      expect(absent.secret).toMatchObject({ outcome: 'failed', code: 'ERR_SOURCE_NOT_FOUND' })
      await kv.write('deleted', { id: 'x', key: keyString('x') })
      await kv.remove('deleted')
      const deleted = await examined(settings({ KEYRING_VAULT_PATH: 'deleted' }))
      expect(deleted.secret).toMatchObject({ outcome: 'failed', detail: expect.stringMatching(/is deleted/) })
    })

    it('warns before the oldest version is destroyed', async () => {
      await kv.configure('full', { max_versions: 3 })
      for (const id of ['a', 'b', 'c']) await kv.write('full', { id, key: keyString(id) })
      const { versions } = await examined(settings({ KEYRING_VAULT_PATH: 'full' }))
      expect(versions).toMatchObject({ outcome: 'warning', facts: { versions: 3, limit: 3, left: 0 } })
    })

    it('makes nothing of a second, which whole seconds and the way there alone may be', async () => {
      for (const aheadMs of [0, 1500])
        expect((await examined(settings(), aheadMs)).clock.detail).toBe('The clocks agree within 30 s.')
    })

    it('tells how far the clocks are apart', async () => {
      expect((await examined(settings(), 300_000)).clock).toMatchObject({
        outcome: 'warning',
        detail: expect.stringMatching(/Vault's clock is (299|300|301) s behind/),
      })
    })

    it('stops at a page of a proxy, and where nobody listens', async () => {
      proxy.spoil('sys/health', FAULTS.html)
      const page = await examined(settings({ KEYRING_VAULT_HOST: proxy.address }))
      proxy.heal()
      expect(page.server).toMatchObject({ outcome: 'failed', code: 'ERR_VAULT_ANSWER_INVALID' })
      const closed = await freePort()
      const found = await examined(settings({ KEYRING_VAULT_HOST: `http://127.0.0.1:${closed}` }))
      expect(found.tcp).toMatchObject({ outcome: 'failed', code: 'ERR_VAULT_UNREACHABLE' })
      expect(outcomes(found)).toMatchObject(SKIPPED('tls', 'server', 'clock', 'login', 'secret'))
    })

    it('logs in by itself, shares what it got, and keeps off while the last login was refused', async () => {
      await root.request('POST', 'sys/auth/userpass', { body: { type: 'userpass' } })
      const user = { password: 'right', token_policies: 'reads' }
      const policy = ['metadata', 'data'].map((each) => `path "kv/${each}/*" { capabilities = ["read"] }`).join('\n')
      await root.request('POST', 'sys/policies/acl/reads', { body: { policy } })
      await root.request('POST', 'auth/userpass/users/doctor', { body: user })
      const more = (password: string) => ({
        KEYRING_VAULT_HOST: proxy.address,
        KEYRING_VAULT_TOKEN: '',
        KEYRING_VAULT_AUTH_METHOD: 'userpass',
        KEYRING_VAULT_USERPASS_USERNAME: 'doctor',
        KEYRING_VAULT_USERPASS_PASSWORD: password,
      })
      const logins = () => proxy.seen.filter(({ path }) => path.includes('/login')).length
      proxy.seen.length = 0
      const found = await examined(settings(more('right')))
      expect(found.login).toMatchObject({ outcome: 'ok', detail: expect.stringMatching(/userpass at auth\/userpass/) })
      expect([logins(), outcomes(found)]).toMatchObject([1, { token: 'ok', secret: 'ok' }])
      proxy.seen.length = 0
      const refused = doctorOf(settings(more('wrong')))
      expect((await refused()).login).toMatchObject({ outcome: 'failed', code: 'ERR_VAULT_LOGIN_REFUSED' })
      expect(logins()).toBe(1)
    })

    it('finds nothing to say of batch tokens of a login, which gets another by itself', async () => {
      await root.request('POST', 'sys/auth/approle', { body: { type: 'approle' } })
      const policy = ['metadata', 'data'].map((each) => `path "kv/${each}/*" { capabilities = ["read"] }`).join('\n')
      await root.request('POST', 'sys/policies/acl/reads', { body: { policy } })
      const role = { token_type: 'batch', token_ttl: '1h', token_policies: 'reads' }
      await root.request('POST', 'auth/approle/role/batch', { body: role })
      const id = (await root.request('GET', 'auth/approle/role/batch/role-id')).body as { data: { role_id: string } }
      const secret = (await root.request('POST', 'auth/approle/role/batch/secret-id')).body as {
        data: { secret_id: string }
      }
      const { token } = await examined(
        settings({
          KEYRING_VAULT_TOKEN: '',
          KEYRING_VAULT_AUTH_METHOD: 'approle',
          KEYRING_VAULT_APPROLE_ROLE_ID: id.data.role_id,
          KEYRING_VAULT_APPROLE_SECRET_ID: secret.data.secret_id,
        }),
      )
      expect(token).toMatchObject({ outcome: 'ok', facts: { tokenType: 'batch' } })
    })

    it('leaves it to the schedule as well to look what ends, after a sync', async () => {
      const wish = { ttl: '120h', renewable: false, policies: ['root'] }
      const made = (await root.request('POST', 'auth/token/create', { body: wish })).body as {
        auth: { client_token: string }
      }
      const { authority, close } = authorityFor(settings({ KEYRING_VAULT_TOKEN: made.auth.client_token }))
      expect(await authority.call({ call: 'syncIfDue', keyring: 'default' })).toMatchObject({ value: 'synced' })
      const status = await authority.call({ call: 'status', keyring: 'default' })
      expect(status).toMatchObject({ value: { ahead: { ends: [{ what: 'vault-token', at: expect.any(Number) }] } } })
      await close()
    })

    if (target.name !== 'dev Vault')
      it('looks at the login of rotations by its name, beside the other one', async () => {
        const policy = 'path "kv/*" { capabilities = ["read", "update"] }'
        await root.request('POST', 'sys/policies/acl/rotates', { body: { policy } })
        const ending = async () => {
          const wish = { ttl: '120h', explicit_max_ttl: '120h', renewable: true, policies: ['rotates'] }
          const made = (await root.request('POST', 'auth/token/create', { body: wish })).body as {
            auth: { client_token: string }
          }
          return made.auth.client_token
        }
        const [reads, rotates] = [await ending(), await ending()]
        const tokens = { KEYRING_VAULT_TOKEN: reads, KEYRING_ROTATION_VAULT_TOKEN: rotates }
        const { authority, close } = authorityFor(settings(tokens), 4 * 86_400_000)
        const seen = async () => {
          const status = await authority.call({ call: 'status', keyring: 'default' })
          return status.ok && status.value.ahead?.ends.map(({ what, name }) => [what, name])
        }
        const rotation = async (login: boolean) => {
          const told = await authority.call({ call: 'diagnose', keyring: 'default', login })
          return told.ok && told.value.findings.find(({ check }) => check === 'rotation')
        }
        const BOTH = [
          ['vault-token', null],
          ['vault-token', 'rotation'],
        ]
        expect(await authority.call({ call: 'syncIfDue', keyring: 'default' })).toMatchObject({ value: 'synced' })
        expect(await seen()).toEqual(BOTH)
        expect(await rotation(false)).toMatchObject({
          outcome: 'warning',
          detail: expect.stringMatching(/^Logged in: .*Vault's token "rotation" is over at /),
          remedy: expect.stringContaining('KEYRING_ROTATION_VAULT_TOKEN'),
        })
        expect(await seen()).toEqual(BOTH)
        await vaultClient(server.address, rotates).request('POST', 'auth/token/revoke-self')
        expect(await rotation(true)).toMatchObject({ outcome: 'failed', code: 'ERR_VAULT_DENIED' })
        expect(await seen()).toEqual(BOTH)
        await close()
      })

    it('says of the login of rotations that there is none, or that its token may do more than that', async () => {
      expect((await examined(settings())).rotation).toMatchObject({ outcome: 'skipped' })
      const { rotation } = await examined(settings({ KEYRING_ROTATION_VAULT_TOKEN: server.token }))
      expect(rotation).toMatchObject({ outcome: 'warning', remedy: expect.stringContaining('policy --rotate') })
    })

    if (target.name !== 'dev Vault')
      it('warns of a secret id that ends, where the policy lets the token ask', async () => {
        await root.request('POST', 'sys/auth/ending', { body: { type: 'approle' } })
        const rules = ['path "kv/*" { capabilities = ["read"] }']
        rules.push('path "auth/ending/role/ends/secret-id/lookup" { capabilities = ["update"] }')
        await root.request('POST', 'sys/policies/acl/ends', { body: { policy: rules.join('\n') } })
        const role = { token_policies: 'ends', secret_id_ttl: '120h' }
        await root.request('POST', 'auth/ending/role/ends', { body: role })
        const id = (await root.request('GET', 'auth/ending/role/ends/role-id')).body as { data: { role_id: string } }
        const secret = (await root.request('POST', 'auth/ending/role/ends/secret-id')).body as {
          data: { secret_id: string }
        }
        const of = {
          KEYRING_VAULT_TOKEN: '',
          KEYRING_VAULT_AUTH_METHOD: 'approle',
          KEYRING_VAULT_APPROLE_AUTH_PATH: 'ending',
          KEYRING_VAULT_APPROLE_ROLE_NAME: 'ends',
          KEYRING_VAULT_APPROLE_ROLE_ID: id.data.role_id,
          KEYRING_VAULT_APPROLE_SECRET_ID: secret.data.secret_id,
        }
        expect((await examined(settings(of))).login).toMatchObject({ outcome: 'ok', ends: [{ what: 'secret-id' }] })
        const { login } = await examined(settings(of), 4 * 86_400_000)
        expect(login).toMatchObject({
          outcome: 'warning',
          detail: expect.stringContaining('The secret id of the login'),
        })
        const renamed = Object.entries(of).map(([name, value]) => [
          name.replace('KEYRING_', 'KEYRING_ROTATION_'),
          value,
        ])
        const rotating = { KEYRING_VAULT_TOKEN: reader, ...Object.fromEntries(renamed) }
        expect((await examined(settings(rotating))).rotation).toMatchObject({
          outcome: 'ok',
          detail: expect.stringMatching(/^Logged in: approle at auth\/ending\. You are /),
          ends: [
            { what: 'secret-id', name: 'rotation', remedy: expect.stringContaining('KEYRING_ROTATION_VAULT_APPROLE') },
          ],
        })
      })

    it.each([
      'path "old/*" { capabilities = ["read", "list"] }',
      'path "old/ring/*" { capabilities = ["read", "list"] }',
    ])('takes any policy of KV version 1 that is enough: %s', async (policy) => {
      await root.request('POST', 'old/ring/1', { body: { id: 'a', key: keyString('a') } })
      const more = { KEYRING_VAULT_MOUNT: 'old', KEYRING_VAULT_PATH: 'ring', KEYRING_VAULT_KV: 'v1' }
      const found = await examined(settings({ ...more, KEYRING_VAULT_TOKEN: await root.tokenFor(policy) }))
      expect(outcomes(found)).toMatchObject({ capabilities: 'ok', secret: 'ok' })
    })

    it('misses no Retry-After where no quota limits the rate of requests', async () => {
      const limit = async () => (await examined(settings({ KEYRING_VAULT_TOKEN: server.token })))['rate-limit'].outcome
      if (target.name === 'dev Vault') {
        expect(await limit()).toBe('skipped')
        return
      }
      expect(await limit()).toBe('ok')
      await root.request('POST', 'sys/quotas/rate-limit/some', { body: { rate: 1000 } })
      expect(await limit()).toBe('warning')
      await root.request('DELETE', 'sys/quotas/rate-limit/some')
    })

    it('warns of a token that is neither of the namespace nor of one above it', async () => {
      const { token } = await examined(settings({ KEYRING_VAULT_TOKEN: server.token, KEYRING_VAULT_NAMESPACE: 'team' }))
      if (target.name === 'OpenBao') expect(token.outcome).toBe('skipped')
      await root.request('POST', 'sys/namespaces/team', {})
      const found = await examined(settings({ KEYRING_VAULT_TOKEN: server.token, KEYRING_VAULT_NAMESPACE: 'team' }))
      if (target.name === 'dev Vault') {
        expect(found.login).toMatchObject({ outcome: 'failed', code: 'ERR_VAULT_NAMESPACE_IGNORED' })
        return
      }
      expect(found.token).toMatchObject({ outcome: 'warning', remedy: expect.stringMatching(/^Give it a policy/) })
      await root.request('POST', 'sys/namespaces/other', {})
      const tokenIn = async (namespace: string) => {
        const headers = { 'x-vault-namespace': namespace }
        const policy = 'path "*" { capabilities = ["read", "list"] }'
        await root.request('POST', 'sys/policies/acl/all', { headers, body: { policy } })
        const made = await root.request('POST', 'auth/token/create', { headers, body: { policies: ['all'] } })
        return (made.body as { auth: { client_token: string } }).auth.client_token
      }
      const at = async (namespace: string) =>
        (await examined(settings({ KEYRING_VAULT_TOKEN: await tokenIn(namespace), KEYRING_VAULT_NAMESPACE: 'team' })))
          .token
      for (const good of ['', 'team']) expect(await at(good)).toMatchObject({ outcome: 'ok' })
      expect((await at('other')).outcome).not.toBe('ok')
    })

    it('says that Vault is sealed', async () => {
      await root.seal()
      const found = await examined(settings())
      await root.unseal(server.unsealKey)
      expect(found.server).toMatchObject({ outcome: 'failed', code: 'ERR_VAULT_SEALED' })
    })
  })

const openbao = inject('openbao') ?? null
describe.skipIf(openbao === null)('the doctor over TLS', () => {
  let vault: TlsVault
  beforeAll(async () => {
    vault = await startTlsVault(openbao?.binary ?? '')
  }, 60_000)
  afterAll(() => vault.close())
  const over = (listener: keyof TlsVault['address'], aheadMs = 0) => {
    const KEYRING_VAULT_CACERT = `${vault.folder}/ca.pem`
    const settings = { KEYRING_VAULT_HOST: vault.address[listener], KEYRING_VAULT_TOKEN: vault.token }
    return examined({ ...settings, KEYRING_VAULT_CACERT }, aheadMs)
  }

  it('counts the days that a certificate is still good for', async () => {
    const shown = { detail: expect.stringMatching(/^TLSv1\.3; the chain and the name hold/) }
    const DAY_MS = 86_400_000
    expect((await over('good', -30 * DAY_MS)).tls).toMatchObject({ outcome: 'ok', ...shown })
    // It lives for two days, so that it is not due while one of them is left.
    expect((await over('good')).tls).toMatchObject({ outcome: 'ok', ...shown })
    expect((await over('good', 0.7 * DAY_MS)).tls).toMatchObject({ outcome: 'warning', ...shown })
  })

  it('trusts what a sync trusts: an intermediate', async () => {
    const [, intermediate = ''] = readFileSync(`${vault.folder}/good.pem`, 'utf8').split(/(?<=END CERTIFICATE-----\n)/)
    const settings = { KEYRING_VAULT_HOST: vault.address.incomplete, KEYRING_VAULT_TOKEN: vault.token }
    expect((await examined({ ...settings, KEYRING_VAULT_CACERT: intermediate })).tls).toMatchObject({ outcome: 'ok' })
  })

  it.each([
    ['selfSigned', 'ERR_VAULT_TLS_UNTRUSTED', /KEYRING_VAULT_CACERT/],
    ['wrongHost', 'ERR_VAULT_TLS_HOST_MISMATCH', /KEYRING_VAULT_HOST/],
    ['incomplete', 'ERR_VAULT_TLS_UNTRUSTED', /tls_cert_file/],
    ['expired', 'ERR_VAULT_TLS_EXPIRED', /./],
  ] as const)('stops at the certificate of %s', async (listener, code, remedy) => {
    const found = await over(listener)
    expect(found.tls).toMatchObject({ outcome: 'failed', code, remedy: expect.stringMatching(remedy) })
    expect(outcomes(found)).toMatchObject({ dns: 'ok', tcp: 'ok', ...SKIPPED('server', 'login', 'secret') })
  })
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
