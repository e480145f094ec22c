/** The command line on a deployment over HTTP and on the local store: the same cases. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask } from '../../functions/cli/answer.ts'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import { Secret } from '../../src/core/secret.ts'
import type { Deployment } from '../conformance/driver.ts'
import { startNode } from '../conformance/driver.ts'
import type { Ran } from '../support/cli.ts'
import { runCli } from '../support/cli.ts'
import { freePort } from '../support/local.ts'
import type { VaultClient } from '../support/vault.ts'
import { vaultClient } from '../support/vault.ts'

const WRAPPING_KEYS = `w1:${Buffer.alloc(32, 1).toString('base64')}`
const ADMIN = 'ek_command_line_admin_of_the_tests'
const SYNCER = 'ek_command_line_syncer_of_the_tests'
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const KEY = (name: string): string => `${name}: some key material of no importance 0123456789`

const settings = (address: string) => ({
  KEYRING_VAULT_HOST: address,
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_VAULT_TOKEN: 'root',
  KEYRINGS: '[{"name":"orders","path":"orders"},{"name":"invoices","path":"none"}]',
  KEYRING_WRAPPING_KEYS: WRAPPING_KEYS,
  KEYRING_API_TOKENS: JSON.stringify([
    { name: 'admin', sha256: sha256(ADMIN), grants: ['admin'] },
    { name: 'syncer', sha256: sha256(SYNCER), grants: ['sync', 'read'] },
  ]),
})

const JSON_TYPE = { 'content-type': 'application/json' }
const HTML = { 'content-type': 'text/html' }

type Env = Readonly<Record<string, string>>

interface Place {
  readonly env: Env
  readonly cwd: string
  readonly where: string
  readonly close: () => Promise<void>
}

const folder = (): string => mkdtempSync(join(tmpdir(), 'edge-keyring-cli-'))

async function onDeployment(address: string): Promise<Place> {
  const [deployment, cwd] = [await startNode(settings(address)), folder()]
  const { url } = deployment
  const close = async () => {
    await deployment.stop()
    rmSync(cwd, { recursive: true })
  }
  return { env: { EDGE_KEYRING_URL: `${url}/`, EDGE_KEYRING_TOKEN: ADMIN }, cwd, where: `deployment ${url}\n`, close }
}

async function onLocalStore(address: string): Promise<Place> {
  const cwd = folder()
  mkdirSync(join(cwd, '.edge-keyring'))
  sqliteStore(join(cwd, '.edge-keyring/keyring.sqlite')).close()
  return {
    env: settings(address),
    cwd,
    where: 'local store .edge-keyring/keyring.sqlite (EDGE_KEYRING_URL is not set)\n',
    close: async () => rmSync(cwd, { recursive: true }),
  }
}

describe.each([
  ['a deployment', onDeployment],
  ['the local store', onLocalStore],
])('on %s', (_name, open) => {
  let vault: DevVault
  let secrets: VaultClient
  let place: Place
  const cli = (words: string[], input?: string | Buffer): Promise<Ran> =>
    runCli(words, { ...place, ...(input !== undefined && { input }) })
  const json = async (...words: string[]) => {
    const { code, stdout } = await cli([...words, '--json'])
    return { code, document: JSON.parse(stdout) as Record<string, unknown> }
  }

  beforeAll(async () => {
    vault = await startDevVault({ port: 0, dataFile: null })
    secrets = vaultClient(vault.address, 'root')
    for (const id of ['first001', 'second02', 'third003']) await secrets.write('keyring', { id, key: KEY(id) })
    place = await open(vault.address)
    await secrets.write('orders', { id: 'order001', key: KEY('order') })
    await cli(['sync'])
  })
  afterAll(async () => {
    await place.close()
    await vault.close()
  })

  it('syncs, and says whose keyring, what changed and how many requests that took', async () => {
    await secrets.write('keyring', { id: 'second02', key: KEY('another') })
    await secrets.write('keyring', { id: 'third003', key: KEY('third003') })
    expect(await cli(['sync'])).toMatchObject({
      code: 0,
      stdout: 'ok  changed, 3 requests to Vault\n    version 4 (second02): id-collision\n',
      stderr: place.where,
    })
    expect(await cli(['sync'])).toMatchObject({ code: 0, stdout: 'ok  nothing new, 1 request to Vault\n' })
    expect(await json('sync')).toEqual({
      code: 0,
      document: { changed: false, requests: 1, remaining: 0, notes: [] },
    })
  })

  it('lists keys and shows the status, for people and for machines', async () => {
    const { stdout } = await cli(['keys'])
    expect(stdout.split('\n')[0]).toMatch(/^ID {8}STATE {8}AT SOURCE {2}VERSIONS {2}CREATED$/)
    expect(stdout).toMatch(/\nthird003 {2}active {7}present {4}3[ ,5]+20\S+Z\n$/)
    expect((await json('keys')).document).toMatchObject([{ id: 'first001', state: 'deactivated' }, {}, {}])
    expect((await cli(['status'])).stdout).toMatch(
      /^keyring {7}default: 3 keys, active third003\nsource {8}http\S+ secret\/keyring\n[^]*\nneeded {8}nothing\n$/,
    )
    expect((await json('status')).document).toMatchObject({ keyring: 'default', active: 'third003', needed: [] })
  })

  it('looks at the way to Vault, and says who one is there; the exit status tells machines', async () => {
    const { code, stdout } = await cli(['doctor'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ {2}✔ {2}dns {11}127\.0\.0\.1 is 127\.0\.0\.1\.\n {2}✔ {2}tcp /)
    expect(stdout).toMatch(/\n {2}! {2}capabilities {2}The token may do everything\.\n {19}Give it a policy/)
    expect(stdout).toMatch(/\n {2}✔ {2}secret {8}Version 5, the current one, is the key "third003"\.\n/)
    expect(await json('doctor')).toMatchObject({ code: 0, document: { keyring: 'default', healthy: true } })
    expect(await json('doctor', '--login')).toMatchObject({ code: 0, document: { keyring: 'default', healthy: true } })
    const me = await cli(['login'])
    expect([me.code, me.stdout]).toEqual([
      0,
      expect.stringMatching(/\n {2}! {2}token {9}You are "\S+"; policies root; /),
    ])
    expect(me.stdout).not.toMatch(/ {2}(mount|secret) {7}/)
    const absent = await json('doctor', '--keyring', 'invoices')
    expect(absent).toMatchObject({ code: 1, document: { healthy: false } })
  })

  it('acts on the keyring named, and on no other', async () => {
    expect((await cli(['keys', '--keyring', 'orders'])).stdout).toBe(
      'no keys yet: edge-keyring sync --keyring orders\n',
    )
    expect(await cli(['sync', '--keyring', 'orders'])).toMatchObject({ code: 0 })
    expect((await json('status', '--keyring=orders')).document).toMatchObject({ keyring: 'orders', active: 'order001' })
    const { code, stderr } = await cli(['status', '--keyring', 'nobodys'])
    expect([code, stderr]).toEqual([1, expect.stringMatching(/\nERR_KEYRING_NOT_FOUND: .*\.\n.+\.\n$/)])
  })

  it('encrypts and decrypts an argument and the bytes on standard input, in their context', async () => {
    const value = (await cli(['encrypt', 'grüße 🌍', '--context', 'orders/17'])).stdout
    expect(value).toMatch(/^ek1\.third003\.[\w-]+\n$/)
    expect((await cli(['decrypt', value.trim(), '--context', 'orders/17'])).stdout).toBe('grüße 🌍')
    const bytes = randomBytes(300)
    const sealed = await cli(['encrypt'], bytes)
    expect((await cli(['decrypt'], sealed.stdout)).bytes).toEqual(bytes)
    expect(await json('decrypt', sealed.stdout.trim())).toEqual({
      code: 0,
      document: { plaintext: bytes.toString('base64'), encoding: 'base64', key_id: 'third003' },
    })
    expect(await json('decrypt', value.trim())).toMatchObject({
      code: 1,
      document: { code: 'ERR_DECRYPT_FAILED', remedy: expect.any(String), status: 422 },
    })
  })

  it('encrypts what looks like a flag, after two dashes', async () => {
    const value = (await cli(['encrypt', '--', '--help'])).stdout
    expect((await cli(['decrypt'], value)).stdout).toBe('--help')
  })

  it('compromises and removes keys, the active one by force or not at all', async () => {
    expect(await cli(['compromise', 'first001'])).toMatchObject({ code: 0, stdout: 'ok  compromised first001\n' })
    expect(await json('remove', 'first001')).toEqual({ code: 0, document: { keyring: 'default', removed: 'first001' } })
    for (const words of [
      ['remove', 'third003'],
      ['remove', 'third003', '--force'],
      ['compromise', 'third003'],
    ]) {
      const { code, stderr } = await cli(words)
      expect([code, stderr]).toEqual([1, expect.stringMatching(/\nERR_KEY_ACTIVE: .*\.\nRotate first/)])
    }
    expect(await cli(['compromise', 'third003', '--force'])).toMatchObject({ code: 0 })
    expect((await json('remove', 'first001')).document).toMatchObject({ code: 'ERR_KEY_NOT_FOUND' })
    expect((await json('keys')).document).toMatchObject([
      { id: 'second02', state: 'deactivated' },
      { id: 'third003', state: 'compromised' },
    ])
    expect((await json('encrypt', 'x')).document).toMatchObject({ code: 'ERR_NO_ACTIVE_KEY' })
  })

  it('does not wait for a key that some instance may still use, when forced', async () => {
    await secrets.write('keyring', { id: 'fourth04', key: KEY('fourth') })
    await secrets.write('orders', { id: 'order002', key: KEY('order2') })
    expect((await cli(['sync', '--keyring', 'orders'])).code).toBe(0)
    expect(await cli(['remove', 'order001', '--keyring', 'orders', '--force'])).toMatchObject({ code: 0 })
    expect((await json('keys', '--keyring', 'orders')).document).toMatchObject([{ id: 'order002' }])
  })

  it('accepts a secret that was made anew only when told to', async () => {
    await secrets.deleteMetadata('orders')
    await secrets.write('orders', { id: 'anew0001', key: KEY('anew') })
    expect((await json('sync', '--keyring', 'orders')).document).toMatchObject({ code: 'ERR_SOURCE_RECREATED' })
    expect((await cli(['sync', '--keyring', 'orders', '--force'])).code).toBe(0)
    expect((await json('status', '--keyring', 'orders')).document).toMatchObject({ active: 'anew0001' })
  })

  it('prints the sealed record, and brings it back from a file and from standard input', async () => {
    const [out, name] = [await cli(['export', '--keyring', 'orders']), 'record']
    expect(out.stdout).toMatch(/^ekr1 w1 [\w-]{43}\n\{.*\}$/)
    expect(await json('export', '--keyring', 'orders')).toEqual({
      code: 0,
      document: { keyring: 'orders', record: out.stdout },
    })
    expect(await cli(['remove', 'order002', '--keyring', 'orders', '--force'])).toMatchObject({ code: 0 })
    const words = ['import', '--keyring', 'orders']
    const nothing = { code: 0, stdout: 'ok  keys added: 0; removed: 0; anew0001 is active\n' }
    expect(await cli(words, out.bytes)).toMatchObject(nothing)
    writeFileSync(join(place.cwd, name), out.bytes)
    expect(await cli([...words, name])).toMatchObject(nothing)
    expect(await cli([...words, '-', '--force'], out.bytes)).toMatchObject(nothing)
    expect((await json('keys', '--keyring', 'orders')).document).toMatchObject([{ id: 'anew0001' }])
    expect(await cli(['import'], out.bytes)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/\nERR_RECORD_INVALID: The record given .*\.\nGive what "export" printed/),
    })
    expect(await cli(['import', 'nowhere'])).toMatchObject({ code: 2, stderr: expect.stringContaining('ENOENT') })
    expect(await cli(['export', '--keyring', 'invoices'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('ERR_NO_ACTIVE_KEY'),
    })
  })

  it('tells of Vault what is wrong, and since when', async () => {
    await secrets.seal()
    const { code, stderr } = await cli(['sync'])
    expect([code, stderr]).toEqual([1, expect.stringMatching(/\nERR_VAULT_SEALED: .*\nUnseal/)])
    expect((await cli(['status'])).stdout).toMatch(/\nfailing {7}since \S+Z, once: ERR_VAULT_SEALED: /)
  })
})

describe('on the local store', () => {
  it('what changes the keyring is in the audit log, and does not happen when that cannot be written', async () => {
    const vault = await startDevVault({ port: 0, dataFile: null })
    await vaultClient(vault.address, 'root').write('keyring', { id: 'first001', key: KEY('first') })
    const { env, cwd, close } = await onLocalStore(vault.address)
    await runCli(['sync'], { env, cwd })
    await runCli(['compromise', 'first001', '--force'], { env, cwd })
    const lines = readFileSync(join(cwd, '.edge-keyring/audit.log'), 'utf8').trim().split('\n')
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { caller: 'cli', action: 'sync', outcome: 'ok' },
      { caller: 'cli', action: 'remove', keyId: 'first001', outcome: 'begun' },
      { caller: 'cli', action: 'remove', keyId: 'first001', outcome: 'ok' },
    ])
    rmSync(join(cwd, '.edge-keyring/audit.log'))
    mkdirSync(join(cwd, '.edge-keyring/audit.log'))
    for (const words of [['remove', 'first001'], ['export'], ['import']]) {
      const refused = await runCli(words, { env, cwd, input: 'x' })
      expect(refused).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringContaining('\nERR_AUDIT_UNAVAILABLE: '),
      })
    }
    const deployed = { ...env, NODE_ENV: 'production', KEYRING_DATABASE: '.edge-keyring/keyring.sqlite' }
    const { stdout, stderr } = await runCli(['keys', '--json'], { env: deployed, cwd })
    expect([JSON.parse(stdout), stderr]).toMatchObject([
      [{ id: 'first001' }],
      expect.stringContaining('"caller":"cli"'),
    ])
    await close()
    await vault.close()
  })

  it('names every setting that is missing or wrong, with exit status 2', async () => {
    const cwd = folder()
    const { code, stderr } = await runCli(['status'], { cwd, env: { NODE_ENV: 'production' } })
    expect([code, stderr]).toEqual([2, expect.stringMatching(/KEYRING_VAULT_HOST: [^]*KEYRING_WRAPPING_KEYS: /)])
    const off = await runCli(['status', '--json'], { cwd, env: { KEYRING_ENABLED: 'off' } })
    expect([off.code, JSON.parse(off.stdout)]).toMatchObject([
      2,
      { code: 'ERR_CONFIG_INVALID', problems: [{ name: 'KEYRING_ENABLED' }] },
    ])
    rmSync(cwd, { recursive: true })
  })
})

describe('the words', () => {
  it.each([
    ['a command that does not exist', ['synk']],
    ['a flag that does not exist', ['remove', 'a', '--forse']],
    ['a word too many', ['sync', 'orders']],
    ['no id', ['remove']],
    ['a keyring without a name', ['status', '--keyring']],
    ['a keyring that is a path', ['status', '--keyring', '../default']],
    ['a group without its command', ['secrets']],
  ])('are wrong: %s, with exit status 2', async (_name, words) => {
    const cwd = folder()
    const ran = await runCli(words, { cwd, env: {} })
    expect(ran).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^ERR_USAGE: [\w <>.-]+[.?]\nSee "edge-keyring help /),
    })
    rmSync(cwd, { recursive: true })
  })

  it.each([[[]], [['--help']], [['remove', '--help']]])('%j show the usage', async (words) => {
    const { code, stdout } = await runCli(words, { cwd: tmpdir(), env: { NO_COLOR: '1' } })
    expect([code, stdout]).toEqual([0, expect.stringMatching(words.length > 1 ? /--force/ : /compromise/)])
  })
})

describe('EDGE_KEYRING_URL and EDGE_KEYRING_TOKEN', () => {
  let cwd: string
  beforeAll(() => {
    cwd = folder()
  })
  afterAll(() => rmSync(cwd, { recursive: true }))
  const status = (url: string, token: string, ...more: string[]): Promise<Ran> =>
    runCli(['status', ...more], { cwd, env: { EDGE_KEYRING_URL: url, EDGE_KEYRING_TOKEN: token } })

  it.each([
    ['', ADMIN, 'EDGE_KEYRING_URL: is required'],
    ['https://keyring.example', '', 'EDGE_KEYRING_TOKEN: is required'],
    ['http://keyring.example', ADMIN, 'EDGE_KEYRING_URL: must be https'],
    ['keyring.example', ADMIN, 'EDGE_KEYRING_URL: must be https'],
    ['https://user:word@keyring.example', ADMIN, 'EDGE_KEYRING_URL: must be https'],
    ['https://keyring.example/?token=x', ADMIN, 'EDGE_KEYRING_URL: must be https'],
    ['https://keyring.example', 'canary token', 'EDGE_KEYRING_TOKEN: must be printable'],
    ['ftp://keyring.example', 'canary\ntoken', 'EDGE_KEYRING_TOKEN: must be printable'],
  ])('%j and %j are refused before anything is asked: %s', async (url, token, expected) => {
    const { code, stdout, stderr } = await status(url, token)
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(expected)])
    expect(stderr).not.toMatch(/canary|word|local store/)
  })

  describe('name a deployment', () => {
    let vault: DevVault
    let secrets: VaultClient
    let deployment: Deployment
    beforeAll(async () => {
      vault = await startDevVault({ port: 0, dataFile: null })
      secrets = vaultClient(vault.address, 'root')
      await secrets.write('keyring', { id: 'first001', key: KEY('first') })
      deployment = await startNode(settings(vault.address))
    })
    afterAll(async () => {
      await deployment.stop()
      await vault.close()
    })
    const cli = (token: string, ...words: string[]) =>
      runCli(words, { cwd, env: { EDGE_KEYRING_URL: deployment.url, EDGE_KEYRING_TOKEN: token } })

    it('that refuses a wrong token, which is not shown', async () => {
      for (const words of [['status'], ['sync'], ['remove', 'a'], ['encrypt', 'x'], ['keys', '--json']]) {
        const { code, stdout, stderr } = await cli('canary-wrong-token', ...words)
        expect([code, stdout + stderr]).toEqual([1, expect.stringContaining('ERR_UNAUTHENTICATED')])
        expect(stdout + stderr).not.toContain('canary')
      }
      expect((await cli('canary-wrong-token', 'keys')).stderr).toContain('\nCheck EDGE_KEYRING_TOKEN')
    })

    it('that allows what the token has a grant for', async () => {
      expect((await cli(SYNCER, 'sync')).code).toBe(0)
      for (const words of [
        ['sync', '--force'],
        ['remove', 'first001'],
        ['encrypt', 'x'],
      ]) {
        const { code, stderr } = await cli(SYNCER, ...words)
        expect([code, stderr]).toEqual([1, expect.stringContaining('ERR_FORBIDDEN: ')])
      }
    })

    it('that syncs in batches: the command goes on until nothing remains, and says how many are left', async () => {
      await secrets.configure('keyring', { max_versions: 2000 })
      for (let version = 2; version <= 950; version += 1)
        await secrets.write('keyring', { id: `k${version}`, key: KEY(`${version}`) })
      const { code, stdout, stderr } = await cli(ADMIN, 'sync')
      expect([code, stdout]).toEqual([0, 'ok  changed, 951 requests to Vault\n'])
      expect(stderr).toContain('\n    49 versions still to read\n')
      expect(JSON.parse((await cli(ADMIN, 'status', '--json')).stdout)).toMatchObject({ active: 'k950', lost: 0 })
    })
  })

  describe('name something else', () => {
    /** @returns exit status, what was printed, and the requests that came. */
    async function against(answer: RequestListener, ...words: string[]) {
      const seen: string[] = []
      const server = createServer((request, response) => {
        seen.push(`${request.method} ${request.url}`)
        answer(request, response)
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const env = { EDGE_KEYRING_URL: `${url}/base/`, EDGE_KEYRING_TOKEN: 'canary-token' }
      const ran = await runCli(words.length === 0 ? ['status'] : words, { cwd, env })
      await new Promise((resolve) => server.close(resolve).closeAllConnections())
      expect(ran.stdout + ran.stderr).not.toContain('canary')
      return { ...ran, seen }
    }
    const answering =
      (status: number, type: string, body: string): RequestListener =>
      (_request, response) =>
        response.writeHead(status, { 'content-type': type }).end(body)

    it.each<[string, RequestListener, string[]]>([
      ['a page', answering(200, 'text/html', '<html>canary</html>'), []],
      ['a page without an end', (_request, response) => void response.writeHead(200, HTML).write('canary'), []],
      ['a page that is not found', answering(404, 'text/html', 'canary'), ['encrypt', 'x']],
      ['a gateway without a keyring', answering(502, 'text/html', 'canary'), ['sync']],
      ['JSON of something else', answering(200, 'application/json', '{"canary":1}'), []],
      ['JSON of something else to a change', answering(200, 'application/json', '{}'), ['remove', 'a']],
      ['text that says that it is JSON', answering(200, 'application/json', 'canary'), []],
      ['an error of something else', answering(403, 'application/json', '{"error":"canary"}'), ['sync']],
      ['no body', answering(200, 'application/json', ''), ['decrypt', 'x']],
    ])('%s: exit status 3', async (_name, answer, words) => {
      const { code, stdout, stderr } = await against(answer, ...words)
      expect([code, stdout]).toEqual([3, ''])
      expect(stderr).toMatch(/\nERR_DEPLOYMENT_UNKNOWN: What answers at http:\S+\/base is not a keyring \(.*\)\.\n/)
    })

    it('a redirect: the token does not follow it', async () => {
      const { code, stderr, seen } = await against((_request, response) => {
        response.writeHead(307, { location: '/elsewhere' }).end()
      })
      expect([code, stderr]).toEqual([3, expect.stringContaining('is not a keyring (307)')])
      expect(seen).toEqual(['GET /base/keyrings/default'])
    })

    it('an answer that is cut off: exit status 3', async () => {
      const { code, stderr } = await against((_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).write('{"keyring":')
        setImmediate(() => response.destroy())
      })
      expect([code, stderr]).toEqual([3, expect.stringContaining('ERR_DEPLOYMENT_UNREACHABLE: ')])
    })

    it('a problem with characters that a terminal would obey: they are left out', async () => {
      const problem = JSON.stringify({ code: 'ERR_FORBIDDEN', detail: 'No\u001b[2J.', remedy: 'Ask\u0007.' })
      const { code, stderr } = await against(answering(403, 'application/problem+json', problem))
      expect([code, stderr]).toEqual([1, expect.stringMatching(/\nERR_FORBIDDEN: No\[2J\.\nAsk\.\n$/)])
    })

    describe('a keyring whose texts a terminal would obey, or that have no end', () => {
      const OBEYED = '\u001b[2J\u009b2J\u202egnp\u200b\u2028\n\u0007\u{e0041}'
      const bad = `${OBEYED}${'x'.repeat(100_000)}`
      const key = { id: bad, state: bad, source: bad, versions: [1], created: bad, weak: false }
      const none = { lost: 0, last_success: bad, next_try: bad, replica: null, [OBEYED]: OBEYED }
      const view = {
        keyring: bad,
        active: bad,
        source: { address: bad, mount: bad, path: bad },
        keys: [key],
        skipped: [{ version: 1, why: bad }],
        last_error: { code: bad, message: bad, since: bad, failures: 1 },
        needed: [bad],
        ...none,
      }
      const check = { check: bad, outcome: bad, detail: bad, code: bad, remedy: bad }
      const diagnosis = { keyring: bad, time: bad, healthy: false, checks: [check], [OBEYED]: OBEYED }
      const problem = { code: 'ERR_FORBIDDEN', detail: bad, remedy: bad, [OBEYED]: OBEYED }
      const answers: RequestListener = ({ url = '' }, response) => {
        const body = url.endsWith('/doctor') ? diagnosis : url.endsWith('/remove') ? problem : view
        const isSync = url.endsWith('/sync')
        const notes = `key-weak;version=1;id="\u009b2J", key-weak;version=2;id="good", ${'x'.repeat(60)};version=3`
        if (isSync) response.writeHead(204, { 'keyring-notes': notes }).end()
        else if (url.endsWith('/encrypt')) response.writeHead(200, JSON_TYPE).end(JSON.stringify(sealed))
        else response.writeHead(body === problem ? 403 : 200, JSON_TYPE).end(JSON.stringify(body))
      }
      const sealed = { ciphertext: `ek1.a.${OBEYED}`, key_id: OBEYED }

      it.each([['status'], ['doctor'], ['login'], ['keys'], ['sync'], ['remove'], ['encrypt']])(
        '%s: shown in short and harmless lines, and as JSON of the same kind',
        async (name) => {
          const words = name === 'remove' || name === 'encrypt' ? [name, 'a'] : [name]
          const { stdout, stderr } = await against(answers, ...words)
          const lines = (stdout + stderr).split('\n')
          expect(lines.length).toBeGreaterThan(1)
          for (const line of lines) {
            expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
            expect(line.length).toBeLessThan(8000)
          }
          const json = await against(answers, ...words, '--json')
          expect(json.stdout.trim()).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
          expect(JSON.parse(json.stdout)).toBeTypeOf('object')
        },
      )
    })

    it('a keyring of a newer release: what it adds is kept, what is known of it is shown', async () => {
      const none = { active: null, source: null, keys: [], skipped: [], last_success: null, last_error: null }
      const view = { keyring: 'default', ...none, lost: 2, next_try: null, needed: ['Sleep.'], future: 1 }
      const answer = answering(200, 'application/json', JSON.stringify({ ...view, replica: { lags: true } }))
      expect((await against(answer)).stdout).toMatch(/\nreplica {7}lags [^]*\nlost {10}2 [^]*\nneeded {8}Sleep\.\n$/)
      expect(JSON.parse((await against(answer, 'status', '--json')).stdout)).toMatchObject({ future: 1 })
    })

    it('nobody: exit status 3, with the reason', async () => {
      const url = `http://127.0.0.1:${await freePort()}`
      const { code, stderr } = await status(url, ADMIN)
      const expected = `ERR_DEPLOYMENT_UNREACHABLE: ${url} cannot be reached (ECONNREFUSED).\n`
      expect([code, stderr]).toEqual([3, expect.stringContaining(expected)])
      expect(JSON.parse((await status(url, ADMIN, '--json')).stdout)).toMatchObject({
        code: 'ERR_DEPLOYMENT_UNREACHABLE',
        remedy: expect.any(String),
      })
    })

    it('somebody who never answers: given up, after the time allowed', async () => {
      const server = createServer(() => {})
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const target = {
        where: '',
        base,
        token: new Secret('x'),
        tokenRemedy: '',
        fetch,
        answerMs: 20,
        close: async () => {},
      }
      await expect(ask(target, 'GET', '/')).rejects.toMatchObject({
        exit: 3,
        document: { code: 'ERR_DEPLOYMENT_TIMEOUT' },
      })
      await new Promise((resolve) => server.close(resolve).closeAllConnections())
    })
  })
})

describe('secrets derive', () => {
  it('prints a setting under which this keyring is served, and no other', async () => {
    const vault = await startDevVault({ port: 0, dataFile: null })
    const secrets = vaultClient(vault.address, 'root')
    await secrets.write('keyring', { id: 'first001', key: KEY('first') })
    await secrets.write('orders', { id: 'order001', key: KEY('order') })
    const { env, cwd, close } = await onLocalStore(vault.address)
    const cli = (env: Env, ...words: string[]) => runCli(words, { env, cwd })
    await cli(env, 'sync')
    await cli(env, 'sync', '--keyring', 'orders')
    const { stdout, code } = await cli(env, 'secrets', 'derive', '--keyring', 'orders')
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^KEYRING_WRAPPING_KEYS=w1\/keyring\/orders:\S{44}\n$/)])
    const derived = { ...env, KEYRING_WRAPPING_KEYS: stdout.trim().slice('KEYRING_WRAPPING_KEYS='.length) }
    expect((await cli(derived, 'secrets', 'derive', '--keyring', 'orders')).stdout).toBe(stdout)
    const value = (await cli(derived, 'encrypt', 'hello', '--keyring', 'orders')).stdout.trim()
    expect((await cli(env, 'decrypt', value, '--keyring', 'orders')).stdout).toBe('hello')
    for (const words of [['encrypt', 'x'], ['status']])
      expect((await cli(derived, ...words)).stderr).toContain('ERR_WRAPPING_KEY_MISSING: ')
    await close()
    await vault.close()
  })

  it('prints a setting that opens what the references to one vault gave, and nothing else', async () => {
    const derive = (setting: string, ...words: string[]) =>
      runCli(['secrets', 'derive', ...words], { cwd: tmpdir(), env: { KEYRING_WRAPPING_KEYS: setting } })
    const { stdout, code } = await derive(WRAPPING_KEYS, '--references', 'my-hcv')
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^KEYRING_WRAPPING_KEYS=w1\/secrets\/my-hcv:\S{44}\n$/)])
    const derived = stdout.trim().slice('KEYRING_WRAPPING_KEYS='.length)
    expect((await derive(derived, '--references', 'my-hcv')).stdout).toBe(stdout)
    for (const [said, ...words] of [
      ['has no key for this vault', '--references', 'other'],
      ['has no key for this keyring'],
      ['takes the prefix of a vault', '--references', 'My-HCV'],
      ['ERR_USAGE', '--references', 'my-hcv', '--keyring', 'orders'],
    ] as const)
      expect(await derive(derived, ...words)).toMatchObject({ code: 2, stderr: expect.stringContaining(said) })
  })

  it.each<[string, Env, string]>([
    ['nothing', {}, 'is required'],
    ['what is no key', { KEYRING_WRAPPING_KEYS: 'w1:canary' }, 'must be 32 bytes'],
    [
      'the key of another keyring',
      { KEYRING_WRAPPING_KEYS: WRAPPING_KEYS.replace('w1', 'w1/keyring/a') },
      'has no key',
    ],
  ])('refuses %s, by name', async (_name, env, expected) => {
    const { code, stderr } = await runCli(['secrets', 'derive'], { cwd: tmpdir(), env })
    expect([code, stderr]).toEqual([2, expect.stringContaining(`KEYRING_WRAPPING_KEYS: ${expected}`)])
    expect(stderr).not.toContain('canary')
  })
})
