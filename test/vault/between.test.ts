/** What may stand before a real OpenBao: a gateway that gives it a path and asks for a password, and a proxy of its own with a cache. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { gateway } from '../support/gateway.ts'
import type { Listening } from '../support/listen.ts'
import { opened } from '../support/opened.ts'
import { keyString, syncing } from '../support/syncing.ts'
import type { VaultClient, VaultServer } from '../support/vault.ts'
import { vaultClient, vaultTargets } from '../support/vault.ts'
import { freePort } from './openbao.ts'

const [, target] = vaultTargets()
const BASIC = `Basic ${Buffer.from('edge:password').toString('base64')}`
const POLICY = ['metadata', 'data'].map((kind) => `path "kv/${kind}/*" { capabilities = ["read"] }`).join('\n')

describe.skipIf(!target.isAvailable)('before OpenBao', () => {
  let server: VaultServer
  let root: VaultClient
  beforeAll(async () => {
    server = await target.open()
    root = vaultClient(server.address, server.token)
    for (const namespace of ['', 'team']) {
      if (namespace !== '') await root.request('POST', `sys/namespaces/${namespace}`, { body: {} })
      const kv = await vaultClient(server.address, server.token, 'secret', namespace).mount('kv')
      await kv.write('keyring', { id: namespace || 'root', key: keyString(namespace) })
    }
    await root.request('POST', 'sys/auth/approle', { body: { type: 'approle' } })
    await root.request('POST', 'sys/policies/acl/reads', { body: { policy: POLICY } })
  })
  afterAll(() => server.close())

  async function approle(): Promise<Record<string, string>> {
    const at = `auth/approle/role/role-${crypto.randomUUID()}`
    await root.request('POST', at, { body: { token_ttl: '1h', token_policies: ['reads'] } })
    const id = (await root.request('GET', `${at}/role-id`)).body as { data: { role_id: string } }
    const secret = (await root.request('POST', `${at}/secret-id`)).body as { data: { secret_id: string } }
    return {
      KEYRING_VAULT_MOUNT: 'kv',
      KEYRING_VAULT_TOKEN: '',
      KEYRING_VAULT_AUTH_METHOD: 'approle',
      KEYRING_VAULT_APPROLE_ROLE_ID: id.data.role_id,
      KEYRING_VAULT_APPROLE_SECRET_ID: secret.data.secret_id,
    }
  }

  describe('a gateway with a path and a password', () => {
    let front: Listening
    let address: string
    let away: string | null
    const seen: string[] = []
    beforeAll(async () => {
      front = await gateway(server.address, async (request) => {
        const { pathname, search } = new URL(request.url)
        const from = request.headers.get('authorization')
        seen.push(`${pathname} ${from}`)
        if (!pathname.startsWith('/vault/v1/')) return new Response('no such service', { status: 404 })
        if (from !== BASIC) return new Response('who are you?', { status: 401 })
        if (away !== null) return new Response(null, { status: 307, headers: { location: away } })
        const onward = new Request(server.address + pathname.slice('/vault'.length) + search, request)
        onward.headers.delete('authorization')
        return fetch(onward)
      })
      address = `${front.url}/vault`
    })
    beforeEach(() => {
      seen.length = 0
      away = null
    })
    afterAll(() => front.close())

    const settings = async () => ({
      ...(await approle()),
      KEYRING_VAULT_HOST: `${address}/`,
      KEYRING_VAULT_NAMESPACE: 'team',
      KEYRING_VAULT_LOGIN_NAMESPACE: '/',
      KEYRING_VAULT_HEADERS: JSON.stringify({ Authorization: BASIC }),
    })

    it('is passed by a login, by reads, by the look for namespaces and by the doctor', async () => {
      const policy = POLICY.replaceAll('kv/', 'team/kv/')
      await root.request('POST', 'sys/policies/acl/reads', { body: { policy: `${POLICY}\n${policy}` } })
      const one = opened(await settings())
      expect(await one.sync()).toMatchObject({ ok: true })
      const found = await one.findings()
      expect(Object.values(found).filter(({ outcome }) => outcome === 'failed')).toEqual([])
      expect(seen.map((each) => each.split(' ')[0])).toEqual(
        expect.arrayContaining([
          '/vault/v1/sys/health',
          '/vault/v1/auth/approle/login',
          '/vault/v1/kv/metadata/keyring',
        ]),
      )
      expect(seen.every((each) => each.startsWith('/vault/v1/') && each.endsWith(BASIC))).toBe(true)
    })

    it('is a part of what the source is called, and of what is said of it', async () => {
      const where = address.slice('http://'.length)
      const token = await root.tokenFor('path "kv/data/*" { capabilities = ["read"] }')
      const env = { ...(await settings()), KEYRING_VAULT_AUTH_METHOD: 'token', KEYRING_VAULT_NAMESPACE: '' }
      const error = await opened({ ...env, KEYRING_VAULT_TOKEN: token }).error()
      expect(error.message).toBe(`Vault at ${where} does not let the token read kv/metadata/keyring.`)
      expect(error.facts).toMatchObject({ host: where, path: '/v1/kv/metadata/keyring' })
      const none = await opened({ ...env, KEYRING_VAULT_TOKEN: server.token, KEYRING_VAULT_PATH: 'none' }).error()
      expect(none.facts).toMatchObject({ address })
    })

    it('leads to a standby that names its leader with the path or without it, and no other redirect is one', async () => {
      for (const [location, times] of [
        ['http://leader.example:8200/v1/kv/metadata/keyring', 7],
        ['http://leader.example:8200/vault/v1/kv/metadata/keyring', 7],
        ['http://leader.example:8200/elsewhere', 1],
        [`${address}/v1/kv/metadata/keyring`, 1],
      ] as const) {
        seen.length = 0
        away = location
        const env = { ...(await settings()), KEYRING_VAULT_AUTH_METHOD: 'token', KEYRING_VAULT_NAMESPACE: '' }
        const one = await syncing({ ...env, KEYRING_VAULT_TOKEN: 'x' })
        expect(await one.refusal()).toMatchObject({ code: 'ERR_VAULT_REDIRECTED' })
        expect(seen).toHaveLength(times)
      }
    })
  })

  describe('its own proxy with a cache', () => {
    let address: string
    let close: () => Promise<void>
    beforeAll(async () => {
      const [folder, port] = [await mkdtemp(join(tmpdir(), 'bao-proxy-')), await freePort()]
      const config = `vault { address = "${server.address}" }
cache {}
listener "tcp" {
  address = "127.0.0.1:${port}"
  tls_disable = true
  require_request_header = true
}`
      await writeFile(join(folder, 'proxy.hcl'), config)
      const child = spawn(inject('openbao')?.binary ?? '', ['proxy', `-config=${join(folder, 'proxy.hcl')}`], {
        env: { PATH: process.env['PATH'], HOME: folder },
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      const ended = new Promise((resolve) => child.once('close', resolve))
      const kill = () => child.kill('SIGKILL')
      process.once('exit', kill)
      close = async () => {
        process.off('exit', kill)
        kill()
        await ended
        await rm(folder, { recursive: true })
      }
      await new Promise<void>((resolve, reject) => {
        createInterface(child.stdout).on('line', (line) => line.includes('Proxy started') && resolve())
        void ended.then(() => reject(new Error('The proxy ended.')))
      })
      address = `http://127.0.0.1:${port}`
    })
    afterAll(() => close())

    const accessors = async () =>
      ((await root.request('GET', 'auth/token/accessors?list=true')).body as { data: { keys: string[] } }).data.keys

    it('gives no dead token to a new login', async () => {
      const one = opened({ ...(await approle()), KEYRING_VAULT_HOST: address })
      const before = await accessors()
      expect(await one.sync()).toMatchObject({ ok: true })
      const accessor = (await accessors()).find((each) => !before.includes(each))
      await root.request('POST', 'auth/token/revoke-accessor', { body: { accessor } })
      expect(await one.sync()).toMatchObject({ ok: true })
    })
  })

  it('a bearer token of a gateway is not taken for that of Vault', async () => {
    const headers = JSON.stringify({ Authorization: 'Bearer of-the-gateway' })
    const one = opened({ ...(await approle()), KEYRING_VAULT_HOST: server.address, KEYRING_VAULT_HEADERS: headers })
    expect(await one.sync()).toMatchObject({ ok: true })
    expect((await one.findings())['server']).toMatchObject({ outcome: 'ok' })
  })

  it('BAO_NAMESPACE is the namespace', async () => {
    const env = { KEYRING_VAULT_HOST: server.address, KEYRING_VAULT_MOUNT: 'kv', KEYRING_VAULT_TOKEN: server.token }
    const { sync } = opened({ ...env, BAO_NAMESPACE: 'team' })
    expect(await sync()).toMatchObject({ ok: true })
    expect((await opened({ ...env, BAO_NAMESPACE: 'none' }).sync()).ok).toBe(false)
  })
})
