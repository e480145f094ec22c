/** `edge-keyring push` from a real Vault to a deployment that is told of none, on every platform: what is read, what is handed over, what a fault leaves. */
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Deployment, Start } from '../conformance/driver.ts'
import { startNode, startWorker } from '../conformance/driver.ts'
import { startLambda } from '../conformance/lambda-driver.ts'
import { runCli } from '../support/cli.ts'
import type { FaultyProxy, VaultClient, VaultServer, VaultTarget } from '../support/vault.ts'
import { faultyProxy, vaultClient, vaultTargets } from '../support/vault.ts'

const ADMIN = 'ek_push_admin_of_the_tests'
const PUSHER = 'ek_push_pusher_of_the_tests'
const tokenOf = (name: string, token: string, grants: string[]) => {
  return { name, sha256: createHash('sha256').update(token).digest('hex'), grants }
}
const NAMES = Array.from({ length: 12 }, (_, index) => `ring-${index + 1}`)
const KEYRINGS = JSON.stringify(NAMES.map((name) => ({ name, path: name })))
const DEPLOYMENT = {
  KEYRING_STRATEGY: 'push',
  KEYRING_VAULT_MOUNT: 'pushed',
  KEYRING_VAULT_PATH: 'unused',
  KEYRINGS,
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  KEYRING_API_TOKENS: JSON.stringify([tokenOf('admin', ADMIN, ['admin']), tokenOf('pusher', PUSHER, ['push'])]),
}
const KEY = (id: string) => `canary ${id} 0123456789abcdef0123456789abcdef`

const [dev, openbao] = vaultTargets()
const PLACES: readonly (readonly [string, VaultTarget, Start])[] = [
  ['the dev Vault to Node', dev, startNode],
  ['OpenBao to Node', openbao, startNode],
  ['OpenBao to workerd', openbao, startWorker],
  ['OpenBao to Lambda', openbao, startLambda],
]

for (const [name, target, start] of PLACES)
  describe.skipIf(!target.isAvailable)(`a push from ${name}`, () => {
    let server: VaultServer
    let secrets: VaultClient
    let proxy: FaultyProxy
    let deployment: Deployment
    let used = 0
    const cwd = mkdtempSync(join(tmpdir(), 'edge-keyring-push-'))

    beforeAll(async () => {
      server = await target.open()
      secrets = await vaultClient(server.address, server.token).mount('pushed')
      proxy = await faultyProxy(server.address)
      deployment = await start(DEPLOYMENT)
    })
    afterAll(async () => {
      await deployment.stop()
      await proxy.close()
      await server.close()
      rmSync(cwd, { recursive: true })
    })

    async function call(path: string, body?: object): Promise<{ status: number; body: Record<string, unknown> }> {
      const headers = { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' }
      const more = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
      const response = await fetch(`${deployment.url}${path}`, { headers, ...more })
      const text = await response.text()
      return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
    }

    /** A keyring of its own, with so many versions in Vault. */
    async function fresh(versions: number) {
      proxy.heal()
      const ring = NAMES[used++] ?? expect.unreachable()
      const write = (id: string) => secrets.write(ring, { id, key: KEY(id) })
      for (let version = 1; version <= versions; version += 1) await write(`key-${version}`)
      const push = async (words: readonly string[] = [], env: Readonly<Record<string, string>> = {}) => {
        proxy.seen.length = 0
        const all = {
          EDGE_KEYRING_URL: deployment.url,
          EDGE_KEYRING_TOKEN: PUSHER,
          KEYRING_VAULT_HOST: proxy.address,
          KEYRING_VAULT_MOUNT: 'pushed',
          KEYRING_VAULT_PATH: 'unused',
          KEYRING_VAULT_TOKEN: server.token,
          KEYRING_VAULT_TIMEOUT_MS: '2000',
          KEYRINGS,
          ...env,
        }
        const ran = await runCli(['push', '--keyring', ring, ...words], { cwd, env: all })
        return { ...ran, asked: proxy.seen.map(({ method, path }) => `${method} ${path.replace(ring, '…')}`) }
      }
      const status = async () => (await call(`/keyrings/${ring}`)).body
      return { ring, write, push, status }
    }

    it('reads what is lacking and that alone, with a login of its own, and keeps nothing', async () => {
      const { push, write, status, ring } = await fresh(2)
      const first = await push()
      expect(first).toMatchObject({ code: 0, stdout: 'ok  changed, 2 versions handed over\n' })
      expect(first.asked.toSorted()).toEqual([
        'GET /v1/pushed/data/…?version=1',
        'GET /v1/pushed/data/…?version=2',
        'GET /v1/pushed/metadata/…',
      ])
      await write('key-3')
      expect((await push()).asked).toEqual(['GET /v1/pushed/metadata/…', 'GET /v1/pushed/data/…?version=3'])
      const same = await push()
      expect(same).toMatchObject({ code: 0, stdout: 'ok  nothing new, 0 versions handed over\n' })
      expect(same.asked).toEqual(['GET /v1/pushed/metadata/…'])
      expect(await status()).toMatchObject({ active: 'key-3', source: { address: 'push://inside', path: ring } })
      expect(readdirSync(cwd)).toEqual([])
    })

    it('logs in with a setting by reference', async () => {
      const { push } = await fresh(1)
      const byReference = { KEYRING_VAULT_TOKEN: '{vault://env/pusher-token}', PUSHER_TOKEN: server.token }
      expect(await push([], byReference)).toMatchObject({ code: 0, stdout: 'ok  changed, 1 version handed over\n' })
    })

    it('lets the deployment encrypt and decrypt, Vault or no Vault', async () => {
      const { ring, push } = await fresh(1)
      await push()
      const { body } = await call(`/keyrings/${ring}/encrypt`, { plaintext: 'hello' })
      expect(body).toMatchObject({ key_id: 'key-1' })
      expect(await call(`/keyrings/${ring}/decrypt`, { ciphertext: body['ciphertext'] })).toMatchObject({
        body: { plaintext: 'hello' },
      })
      expect(await call(`/keyrings/${ring}/sync`, {})).toMatchObject({
        status: 400,
        body: { code: 'ERR_REQUEST_INVALID', remedy: expect.stringContaining('edge-keyring push') },
      })
      expect(await call(`/keyrings/${ring}/doctor`)).toMatchObject({
        body: { healthy: true, checks: [{ check: 'server', outcome: 'skipped' }] },
      })
    })

    it('says nothing of what it hands over, in no log and on no screen', async () => {
      const { push, status } = await fresh(1)
      const { stdout, stderr } = await push(['--json'])
      expect(JSON.parse(stdout)).toEqual({ changed: true, versions: 1, notes: [] })
      const said = [stdout, stderr, JSON.stringify(await status()), deployment.output()].join('\n')
      expect(said).not.toContain('canary')
      expect(said).toContain('push')
    })

    it('of a secret that was made anew waits for force, which needs a grant of its own', async () => {
      const { ring, push, write, status } = await fresh(1)
      await push()
      await secrets.deleteMetadata(ring)
      await write('other-1')
      const plain = await push()
      expect(plain.code).toBe(1)
      expect(plain.stderr).toMatch(/ERR_SOURCE_RECREATED: .*\n.*run "edge-keyring push --keyring ring-\d+ --force"/)
      expect((await push(['--force'])).stderr).toContain('ERR_FORBIDDEN')
      expect((await status())['active']).toBe('key-1')
      expect(await push(['--force'], { EDGE_KEYRING_TOKEN: ADMIN })).toMatchObject({ code: 0 })
      expect((await status())['active']).toBe('other-1')
    })

    it('of another secret than the deployment has in its settings is refused', async () => {
      const { push, status } = await fresh(1)
      const wrong = JSON.stringify(NAMES.map((each) => ({ name: each, path: NAMES[0] })))
      expect((await push([], { KEYRINGS: wrong })).stderr).toContain('ERR_SOURCE_CHANGED')
      expect((await status())['keys']).toEqual([])
    })

    it('with --rotate writes a key with four requests to Vault, which is active at once', async () => {
      const { push, status } = await fresh(1)
      await push()
      const rotated = await push(['--rotate'])
      expect(rotated).toMatchObject({
        code: 0,
        stdout: 'ok  changed, 1 version handed over\nok  version 2 was written\n',
      })
      expect(rotated.asked).toEqual([
        'GET /v1/pushed/metadata/…',
        'GET /v1/pushed/config',
        'POST /v1/pushed/data/…',
        'GET /v1/pushed/metadata/…',
      ])
      expect(await status()).toMatchObject({
        active: expect.stringMatching(/^[A-Za-z0-9]{8}$/),
        keys: [{ id: 'key-1' }, { versions: [2] }],
        rotation: { left: 8 },
      })
    })

    it('whose answer gets lost while it rotates has written the key or not: the next push sees which', async () => {
      const { ring, push, status } = await fresh(1)
      await push()
      proxy.spoil(new RegExp(`^POST .*/data/${ring}`), 'lose')
      expect((await push(['--rotate'])).code).toBe(1)
      expect((await status())['active']).toBe('key-1')
      proxy.heal()
      expect(await push()).toMatchObject({ code: 0, stdout: 'ok  changed, 1 version handed over\n' })
      expect(await secrets.metadata(ring)).toMatchObject({ current_version: 2 })
      expect((await status())['active']).toMatch(/^[A-Za-z0-9]{8}$/)
    })

    it('that rotates when somebody else has just written writes nothing, and hands over what is there', async () => {
      const { ring, push, write, status } = await fresh(1)
      await push()
      await write('key-2')
      proxy.spoil(`/metadata/${ring}`, 'replay', 1)
      expect(await push(['--rotate'])).toMatchObject({
        code: 0,
        stdout: 'ok  changed, 1 version handed over\nok  the next version was written by somebody else\n',
      })
      expect(await secrets.metadata(ring)).toMatchObject({ current_version: 2 })
      expect((await status())['active']).toBe('key-2')
    })

    it('that would let Vault prune a key is refused', async () => {
      const { ring, push } = await fresh(10)
      expect((await push(['--rotate'])).stderr).toMatch(/ERR_ROTATION_REFUSED.*prune version 1/)
      expect(await secrets.metadata(ring)).toMatchObject({ current_version: 10 })
    })

    it('while Vault is down fails, and the deployment goes on', async () => {
      const { ring, push } = await fresh(1)
      await push()
      proxy.spoil('/v1/', 'cut')
      expect(await push()).toMatchObject({ code: 1, stderr: expect.stringContaining('ERR_VAULT_UNREACHABLE') })
      expect(await call(`/keyrings/${ring}/encrypt`, { plaintext: 'hello' })).toMatchObject({ status: 200 })
    })
  })
