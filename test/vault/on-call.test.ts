/** docs/on-call.md, step by step: its own commands, on a server that runs, at a real OpenBao. The trouble is seen first, then the cure. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { CLI } from '../support/local.ts'
import type { NodeServer } from '../support/node-server.ts'
import { API_TOKEN, nodeServer } from '../support/node-server.ts'
import type { Platform } from '../support/releases.ts'
import { RELEASE_TOKEN, onLambda, settingsOf, unpackOld } from '../support/releases.ts'
import { keyString } from '../support/syncing.ts'
import type { FaultyProxy, VaultClient, VaultServer } from '../support/vault.ts'
import { faultyProxy, vaultClient } from '../support/vault.ts'
import { startOpenBao } from './openbao.ts'

const TIMEOUT_MS = 240_000
const MOUNT = 'oncall'
const vault = inject('openbao')
const { address, token: root } = vault ?? { address: '', token: '' }
const [FIRST = '', SECOND = ''] = [1, 2].map((byte) => `w${byte}:${Buffer.alloc(32, byte).toString('base64')}`)

/** Nobody listens there. */
const NOWHERE = 'http://127.0.0.1:9'

/** Each entry's blocks of commands, by its heading. */
const ENTRIES = new Map(
  (readFileSync('docs/on-call.md', 'utf8').split('\n## Step by step\n')[1] ?? '')
    .split(/^## /m)[0]
    ?.split(/^### /m)
    .slice(1)
    .map((text) => [
      text.split('\n')[0] ?? '',
      Array.from(text.matchAll(/^```\n([^]*?)^```$/gm), ([, lines = '']) => lines),
    ]),
)
/** What a test has not yet run of its entry. */
let left: string[] = []
let entry = ''

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

let folder: string
let secrets: VaultClient
let reached = { EDGE_KEYRING_URL: '', EDGE_KEYRING_TOKEN: API_TOKEN }
let vaultAt = { VAULT_ADDR: address, BAO_ADDR: address, VAULT_TOKEN: root, BAO_TOKEN: root }
const servers: NodeServer[] = []

/** In place of what needs an account or systemd; `npx edge-keyring` is this checkout's, `vault` is bao. */
const PROGRAMS = `set -eo pipefail
npx() { if [ "$1" = edge-keyring ]; then shift; "$NODE" "$CLI" "$@"; else echo "ran npx $*"; fi; }
vault() { [ -z "$VAULT_TOKEN" ] || local -x BAO_TOKEN="$VAULT_TOKEN"; "$BAO" "$@"; }
systemctl() { echo "ran systemctl $*"; }
aws() { echo "ran aws $*"; }
`

function bash(script: string, more: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const programs = { NODE: process.execPath, CLI, BAO: vault?.binary ?? '' }
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, ...programs, ...reached, ...vaultAt, ...more }
  return new Promise((resolve) => {
    execFile('bash', ['-c', PROGRAMS + script], { cwd: folder, env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    )
  })
}

const cli = (words: string) => bash(`npx edge-keyring ${words}`)

/** Runs the next block of the entry. @param fill what stands in its `<…>`. */
async function next(fill: Readonly<Record<string, string>> = {}, more: Readonly<Record<string, string>> = {}) {
  const block = left.shift() ?? expect.unreachable(`"${entry}" has no other block`)
  const lines = Object.entries(fill).reduce((text, [name, value]) => text.replaceAll(name, value), block)
  expect(lines).not.toMatch(/(?:^|\s)<[a-z ]+>/)
  return bash(lines, more)
}
const done = async (...what: Parameters<typeof next>): Promise<string> => {
  const ran = await next(...what)
  expect(ran).toMatchObject({ code: 0 })
  return ran.stdout
}

/** A server of the entry's own keyring; what ran before has ended. */
async function deploy(settings: Readonly<Record<string, string>> = {}): Promise<NodeServer> {
  await servers.at(-1)?.end('SIGTERM')
  const own = {
    KEYRING_VAULT_HOST: address,
    KEYRING_VAULT_MOUNT: MOUNT,
    KEYRING_VAULT_PATH: path(),
    KEYRING_VAULT_TOKEN: root,
  }
  const started = await nodeServer({ ...own, KEYRING_DATABASE: join(folder, 'keyring.sqlite'), ...settings })
  servers.push(started)
  reached = { EDGE_KEYRING_URL: `http://127.0.0.1:${started.port}`, EDGE_KEYRING_TOKEN: API_TOKEN }
  return started
}

const path = () => entry.toLowerCase().replaceAll(/[^a-z]/g, '')
async function write(count: number, to = secrets) {
  for (let version = 1; version <= count; version += 1)
    await to.write(path(), { id: `key-${version}`, key: key(version) })
}
const key = (version: number) => keyString(`${entry} ${version}`)
const encrypt = async (): Promise<string> => (await cli('encrypt kept')).stdout.trim()
const decrypt = (value: string) => cli(`decrypt ${value}`)
const READ = { code: 0, stdout: 'kept' }
const failed = (code: string) => ({ code: 1, stderr: expect.stringContaining(code) })
const dataOf = ({ body }: { readonly body: unknown }) => (body as { data: Record<string, string> }).data
const tokenOf = ({ body }: { readonly body: unknown }) => (body as { auth: { client_token: string } }).auth.client_token
const NOTHING_NEEDED = /^needed +nothing$/m
const newKey = (printed: string): string => /^KEYRING_WRAPPING_KEYS=(\S+)$/m.exec(printed)?.[1] ?? ''

describe.skipIf(vault === null)('on call', { timeout: TIMEOUT_MS }, () => {
  beforeAll(async () => {
    secrets = await vaultClient(address, root).mount(MOUNT)
  })
  beforeEach(({ task }) => {
    entry = task.name
    left = [...(ENTRIES.get(entry) ?? expect.unreachable('The page has no such entry.'))]
    folder = mkdtempSync(join(tmpdir(), 'edge-keyring-on-call-'))
    vaultAt = { VAULT_ADDR: address, BAO_ADDR: address, VAULT_TOKEN: root, BAO_TOKEN: root }
  })
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.end('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
    if (left.length > 0) throw new Error(`"${entry}" has commands that were not run: ${left.join('')}`)
  })

  it("Vault's token is dead", async () => {
    await write(1)
    const policy = `path "${MOUNT}/+/${path()}" { capabilities = ["read"] }`
    const dying = await secrets.tokenFor(policy)
    await deploy({ KEYRING_VAULT_TOKEN: dying })
    expect(await cli('sync')).toMatchObject({ code: 0 })
    const value = await encrypt()
    await vaultClient(address, dying).request('POST', 'auth/token/revoke-self')
    expect(await cli('sync')).toMatchObject(failed('ERR_VAULT_DENIED'))
    expect([(await cli('doctor')).code, await decrypt(await encrypt())]).toMatchObject([1, READ])

    const made = await done({}, { KEYRING_VAULT_MOUNT: MOUNT, KEYRING_VAULT_PATH: path() })
    await deploy({ KEYRING_VAULT_TOKEN: made.trim().split('\n').at(-1) ?? '' })
    expect(await done()).toMatch(NOTHING_NEEDED)
    expect(await decrypt(value)).toMatchObject(READ)
  })

  it('A key leaked', async () => {
    await write(1)
    await deploy()
    await cli('sync')
    const old = await encrypt()
    expect(old).toMatch(/^ek1\.key-1\./)
    await done({ '<id>': 'key-1' })
    expect((await cli('keys')).stdout).toMatch(/^key-1 +compromised/m)
    writeFileSync(join(folder, 'old'), old)
    await done()
    const anew = readFileSync(join(folder, 'new'), 'utf8').trim()
    expect(await decrypt(anew)).toMatchObject(READ)
    expect(anew).not.toMatch(/^ek1\.key-1\./)

    const refused = await cli('remove key-1')
    expect(refused).toMatchObject(failed('ERR_KEY_IN_USE'))
    expect(refused.stderr).toMatch(/\d{4}-\d\d-\d\dT[\d:.]+Z/)
    const gone = { '<id>': 'key-1', '<mount>': MOUNT, '<version>': '1', '<path>': path() }
    await expect
      .poll(
        async () => {
          const ran = await next(gone)
          if (ran.code !== 0) left = ENTRIES.get(entry)?.slice(-1) ?? []
          return ran.code
        },
        { timeout: 90_000, interval: 5000 },
      )
      .toBe(0)
    expect(await decrypt(old)).toMatchObject(failed('ERR_KEY_NOT_FOUND'))
    expect((await secrets.metadata(path())).versions['1']).toMatchObject({ destroyed: true })
    expect(await cli('sync')).toMatchObject({ code: 0 })
    expect((await cli('keys')).stdout).not.toMatch(/^key-1 /m)
    expect(await decrypt(anew)).toMatchObject(READ)
  })

  it('An API token leaked', async () => {
    await write(1)
    const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
    const withHash = (hash: string) => ({
      KEYRING_API_TOKENS: JSON.stringify([{ name: 'orders', sha256: hash, grants: ['encrypt'] }]),
    })
    const server = await deploy(withHash(sha256('leaked')))
    await cli('sync')
    const stolen = () => bash('npx edge-keyring encrypt kept', { EDGE_KEYRING_TOKEN: 'leaked' })
    expect(await stolen()).toMatchObject({ code: 0 })

    const made = JSON.parse(await done()) as { api_token: string; sha256: string }
    await deploy(withHash(made.sha256))
    expect(await stolen()).toMatchObject(failed('ERR_UNAUTHENTICATED'))
    expect(await bash('npx edge-keyring encrypt kept', { EDGE_KEYRING_TOKEN: made.api_token })).toMatchObject({
      code: 0,
    })
    expect(server.wrote()).toMatch(/"caller":"orders","action":"encrypt"/)
  })

  it('A rotation is refused', async () => {
    await write(10)
    await deploy()
    await cli('sync')
    expect(await cli('rotate')).toMatchObject(failed('ERR_ROTATION_REFUSED'))
    expect((await cli('status')).stdout).toMatch(/ERR_ROTATION_REFUSED/)
    const [look = '', ...cure] = left[0]?.trim().split('\n') ?? []
    expect(await bash(look)).toMatchObject(failed('prune version 1'))
    left[0] = cure.join('\n')
    await done({ '<mount>': MOUNT, '<path>': path() })
    expect((await secrets.metadata(path())).current_version).toBe(11)
    expect((await cli('status')).stdout).toMatch(NOTHING_NEEDED)
  })

  it('The wrapping key is lost', async () => {
    await write(2)
    await deploy({ KEYRING_WRAPPING_KEYS: FIRST })
    await cli('sync')
    const value = await encrypt()
    await expect(deploy({ KEYRING_WRAPPING_KEYS: SECOND })).rejects.toThrow(/ERR_WRAPPING_KEY_MISSING/)
    servers.pop()
    const made = newKey(await done())
    const proxy = await faultyProxy(address)
    try {
      proxy.spoil('/', 'cut')
      const empty = { KEYRING_DATABASE: join(folder, 'another.sqlite'), KEYRING_VAULT_HOST: proxy.address }
      await deploy({ KEYRING_WRAPPING_KEYS: made, ...empty })
      expect(await decrypt(value)).toMatchObject({ code: 1, stdout: '' })
      proxy.heal()
      expect(await done()).toMatch(/^key-2 +active/m)
      expect(await decrypt(value)).toMatchObject(READ)
    } finally {
      await proxy.close()
    }
  })

  it('The wrapping key leaked', async () => {
    await write(1)
    const [database, copy] = [join(folder, 'keyring.sqlite'), join(folder, 'copy.sqlite')]
    await deploy({ KEYRING_WRAPPING_KEYS: FIRST })
    await cli('sync')
    const value = await encrypt()
    copyFileSync(database, copy)
    const thief = await nodeServer({
      KEYRING_VAULT_HOST: NOWHERE,
      KEYRING_DATABASE: copy,
      KEYRING_WRAPPING_KEYS: FIRST,
    })
    const reads = (ciphertext: string) => thief.call('/keyrings/default/decrypt', { ciphertext })
    expect(await reads(value)).toMatchObject({ status: 200 })

    const made = newKey(await done())
    await deploy({ KEYRING_WRAPPING_KEYS: `${FIRST},${made}` })
    expect((await cli('status')).stdout).toMatch(/^wrapping key +w1 \(first\): needed by record/m)
    await deploy({ KEYRING_WRAPPING_KEYS: `${made},${FIRST}` })
    expect(await done()).toMatch(/^wrapping key +w1 \(behind the first\): not needed$/m)
    await deploy({ KEYRING_WRAPPING_KEYS: made })
    await done({ '<id>': 'key-1' })
    expect(await decrypt(value)).toMatchObject(READ)
    expect(await reads(await encrypt())).toMatchObject({ code: 'ERR_KEY_NOT_FOUND' })
    await thief.end('SIGKILL')
    await expect(deploy({ KEYRING_WRAPPING_KEYS: FIRST })).rejects.toThrow(/ERR_WRAPPING_KEY_MISSING/)
    servers.pop()
  })

  it('Vault moved', async () => {
    await write(2)
    await deploy()
    await cli('sync')
    const value = await encrypt()
    const moved: VaultServer = await startOpenBao(vault?.binary ?? '')
    try {
      const there = await vaultClient(moved.address, moved.token).mount(MOUNT)
      await there.write(path(), { id: 'key-2', key: key(2) })
      await there.write(path(), { id: 'key-3', key: key(3) })
      await deploy({ KEYRING_VAULT_HOST: moved.address, KEYRING_VAULT_TOKEN: moved.token })
      expect(await cli('sync')).toMatchObject(failed('ERR_SOURCE_CHANGED'))
      expect(await decrypt(await encrypt())).toMatchObject(READ)
      const shown = await done()
      expect(shown).toMatch(/^key-1 +deactivated +detached/m)
      expect(shown).toMatch(/^key-3 +active +present/m)
      expect(await decrypt(value)).toMatchObject(READ)
    } finally {
      await moved.close()
    }
  })

  it('Restore', async () => {
    await write(2)
    const [database, kept] = [join(folder, 'keyring.sqlite'), join(folder, 'backup')]
    const server = await deploy()
    await cli('sync')
    const value = await encrypt()
    await secrets.destroy(path(), 1)
    writeFileSync(kept, (await cli('export')).stdout)
    await cli('compromise key-1')
    rmSync(database)
    expect(await server.call('/keyring/vault/sync', {})).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    await deploy()
    expect((await cli('keys')).stdout).not.toMatch(/^key-1/m)

    expect(await done({ '<backup>': kept })).toMatch(/^key-1 +deactivated +detached/m)
    expect(await decrypt(value)).toMatchObject(READ)
  })

  it('Teardown', async () => {
    await write(1)
    const [etc, state] = [join(folder, 'etc.env'), join(folder, 'state')]
    const admin = vaultClient(address, root)
    const policy = `path "${MOUNT}/+/${path()}" { capabilities = ["read"] }`
    await admin.request('POST', 'sys/policies/acl/edge-keyring', { body: { policy } })
    await admin.request('POST', 'sys/auth/approle', { body: { type: 'approle' } })
    await admin.request('POST', 'auth/approle/role/edge-keyring', { body: { token_policies: ['edge-keyring'] } })
    const made = await admin.request('POST', 'auth/token/create', { body: { policies: ['edge-keyring'] } })
    const token = tokenOf(made)
    const ofRole = await admin.request('POST', 'auth/approle/role/edge-keyring/secret-id')
    const { role_id } = dataOf(await admin.request('GET', 'auth/approle/role/edge-keyring/role-id'))
    const credential = { role_id, secret_id: dataOf(ofRole)['secret_id'] }
    const loggedIn = await admin.request('POST', 'auth/approle/login', { token: null, body: credential })
    const tokens = [token, tokenOf(loggedIn)]
    const reads = async () =>
      Promise.all(
        tokens.map(async (each) => (await vaultClient(address, each).request('GET', `${MOUNT}/data/${path()}`)).status),
      )
    writeFileSync(etc, '')
    mkdirSync(state)
    await deploy({ KEYRING_VAULT_TOKEN: token })
    expect([(await cli('sync')).code, await reads()]).toEqual([0, [200, 200]])
    await servers.pop()?.end('SIGTERM')

    const node = await done({ '/var/lib/edge-keyring': state, '/etc/edge-keyring.env': etc })
    expect([node, existsSync(etc), existsSync(state)]).toEqual([
      'ran systemctl disable --now edge-keyring\n',
      false,
      false,
    ])
    expect(await done()).toBe(
      'ran npx wrangler delete\nran npx wrangler kv namespace delete --binding KEYRING_REPLICA\n',
    )
    expect(await done({ '<table>': 'keyring-table' })).toMatch(/^ran npx osls remove\n(ran aws .*\n){3}$/)
    await done({ '<token>': token })
    expect(await reads()).toEqual([403, 403])
    for (const gone of ['sys/policies/acl/edge-keyring', 'auth/approle/role/edge-keyring'])
      expect([gone, (await admin.request('GET', gone)).status]).toEqual([gone, 404])
  })

  describe('at an earlier release', () => {
    let platform: Platform
    let proxy: FaultyProxy
    beforeAll(async () => {
      proxy = await faultyProxy(address)
      platform = await onLambda(unpackOld(), settingsOf(proxy.address, root, MOUNT, ['rollback']))
    }, TIMEOUT_MS)
    afterAll(async () => {
      await platform.close()
      await proxy.close()
    })

    it('Rollback', async () => {
      await write(1)
      const on = async (...deployed: Parameters<Platform['at']>) => {
        const { url } = await platform.at(...deployed)
        reached = { EDGE_KEYRING_URL: url, EDGE_KEYRING_TOKEN: RELEASE_TOKEN }
      }
      const ring = '--keyring rollback'
      await on('new', 'new', { KEYRING_ROTATION: '30d' })
      expect([(await cli(`sync ${ring}`)).code, (await cli(`rotate ${ring}`)).code]).toEqual([0, 0])
      const value = (await cli(`encrypt kept ${ring}`)).stdout.trim()
      await on('old', 'old', { KEYRING_ROTATION: '30d' })
      expect(await cli(`sync ${ring}`)).toMatchObject(failed('ERR_CONFIG_INVALID'))
      expect(platform.output()).toMatch(/"setting":"KEYRING_ROTATION"/)

      await on('old', 'old')
      left = left.map((block) => block.replaceAll(/(status|sync)$/gm, `$1 ${ring}`))
      expect(await done()).toMatch(NOTHING_NEEDED)
      expect(await cli(`decrypt ${value} ${ring}`)).toMatchObject(READ)
    })
  })
})

it('every entry of the page has a test here, by its name', () => {
  const here = readFileSync(import.meta.filename, 'utf8')
  const names = Array.from(here.matchAll(/^ +it\((['"])([A-Z].*?)\1, /gm), ([, , name]) => name)
  expect(names.toSorted()).toEqual([...ENTRIES.keys()].toSorted())
})
