/** The local folder knows its server: who starts, who is refused, whom the command line talks to. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startNode } from '../conformance/driver.ts'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import { runCli } from '../support/cli.ts'
import type { Listening } from '../support/listen.ts'
import { listen } from '../support/listen.ts'
import type { Local } from '../support/local.ts'
import { freePort, local } from '../support/local.ts'
import { vaultClient } from '../support/vault.ts'

const DEFAULT_STORE = '.edge-keyring/dev-vault.sqlite'
const KEY = 'some key material of no importance 0123456789'
const TOKEN = 'canary-own-token'

let on: Local
let trap: Listening
/** What came to an address that nobody may send a token to. */
let trapped: string[]

beforeAll(async () => {
  trap = await listen(async (request, response) => {
    trapped.push(`${request.method} ${request.url}`)
    response.writeHead(404).end()
  })
})
afterAll(() => trap.close())
beforeEach(async () => {
  trapped = []
  on = await local()
})
afterEach(() => on.remove())

const file = (name: string): string => join(on.folder, '.edge-keyring', name)
const said = (): Record<string, unknown> =>
  JSON.parse(readFileSync(file('server.json'), 'utf8')) as Record<string, unknown>
const say = (what: object): void => writeFileSync(file('server.json'), JSON.stringify(what))
const cli = (env: Readonly<Record<string, string>>, ...words: string[]) => runCli(words, { cwd: on.folder, env })
const server = (store: string): string =>
  `local server http://127.0.0.1:${on.port}, store ${store} (EDGE_KEYRING_URL is not set)\n`
const LOCAL_STORE = `local store ${DEFAULT_STORE} (EDGE_KEYRING_URL is not set)\n`
/** Settings under which nothing but the folder could be in a second server's way. */
const elsewhere = async () => ({ PORT: String(await freePort()), KEYRING_DEV_VAULT_PORT: String(await freePort()) })

describe('a server in the local folder', () => {
  it('says who it is while it runs, and takes that back when it is stopped', async () => {
    const { stop } = await on.start()
    const url = `http://127.0.0.1:${on.port}`
    expect(said()).toEqual({ url, pid: expect.any(Number), store: DEFAULT_STORE, token: '.edge-keyring/token' })
    expect(statSync(file('server.json')).mode & 0o777).toBe(0o600)
    await stop()
    expect(existsSync(file('server.json'))).toBe(false)
  })

  it('is the only one: a second start says where it runs and how to stop it, and --fresh deletes nothing', async () => {
    const { stop } = await on.start()
    const token = readFileSync(file('token'), 'utf8')
    const names = readdirSync(file('.'))
    const refusal = `ERR_ALREADY_RUNNING: edge-keyring already runs here: http://127.0.0.1:${on.port}, with ${DEFAULT_STORE}.\nStop it first: Ctrl-C in its terminal, or kill ${Number(said()['pid'])}\n`
    const other = { ...(await elsewhere()), KEYRING_DATABASE: 'other.sqlite' }
    for (const flags of [[], ['--fresh']])
      expect(await on.refuse(other, ...flags)).toEqual({ code: 1, stdout: '', stderr: refusal })
    expect(await cli(other, 'start', '--fresh')).toMatchObject({ code: 1, stdout: '', stderr: refusal })
    expect(readdirSync(file('.'))).toEqual(names)
    expect(readFileSync(file('token'), 'utf8')).toBe(token)
    expect(existsSync(join(on.folder, 'other.sqlite'))).toBe(false)
    expect(await cli({}, 'keys')).toMatchObject({ code: 0, stderr: server(DEFAULT_STORE) })
    await stop()
  })

  it('is one of two that start at the same moment in an empty folder', async () => {
    const starts = await Promise.allSettled([on.start(await elsewhere()), on.start(await elsewhere())])
    const [won, lost] = starts[0]?.status === 'fulfilled' ? starts : starts.toReversed()
    expect([won, lost]).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { message: expect.stringMatching(/^ERR_ALREADY_RUNNING: [^\n]*\nStop it first/) } },
    ])
    expect(await cli({}, 'keys')).toMatchObject({ code: 0, stderr: expect.stringContaining('local server ') })
    if (won?.status === 'fulfilled') await won.value.stop()
  })

  it('that was killed stops nobody, even when another process has its number and its port', async () => {
    const first = await on.start()
    await first.kill()
    expect(existsSync(file('server.json'))).toBe(true)
    say({ ...said(), url: trap.url, pid: process.pid })
    expect(await cli({}, 'keys')).toMatchObject({ code: 0, stderr: LOCAL_STORE })
    const { stop } = await on.start()
    expect(said()).toMatchObject({ url: `http://127.0.0.1:${on.port}` })
    expect(await cli({}, 'keys')).toMatchObject({ code: 0, stderr: server(DEFAULT_STORE) })
    await stop()
    expect(trapped).toEqual([])
  })

  it('keeps the folder to itself after --fresh', async () => {
    writeFileSync(join(on.folder, 'mine'), 'not of the folder')
    mkdirSync(file('.'))
    writeFileSync(file('token'), 'an old one\n')
    const { stop } = await on.start({}, '--fresh')
    expect(readFileSync(file('token'), 'utf8')).toMatch(/^ek_/)
    expect(existsSync(join(on.folder, 'mine'))).toBe(true)
    expect((await on.refuse(await elsewhere(), '--fresh')).stderr).toContain('ERR_ALREADY_RUNNING')
    await stop()
  })

  it('that is a deployment neither makes the folder nor minds who runs in it', async () => {
    for (const settings of [{ NODE_ENV: 'production' }, { HOST: '0.0.0.0' }, { HOST: '::' }]) await on.refuse(settings)
    expect(readdirSync(on.folder)).toEqual([])
    const { stop } = await on.start()
    expect((await on.refuse({ NODE_ENV: 'production' }, '--fresh')).stderr).not.toContain('ERR_ALREADY_RUNNING')
    expect(existsSync(file('token'))).toBe(true)
    await stop()
  })
})

describe('the command line', () => {
  it('finds the server whatever store and Vault it was started with', async () => {
    const vault = await startDevVault({ port: 0, dataFile: null })
    await vaultClient(vault.address, 'root').write('keyring', { id: 'another1', key: KEY })
    const { stop } = await on.start({
      KEYRING_VAULT_HOST: vault.address,
      KEYRING_VAULT_TOKEN: 'root',
      KEYRING_DATABASE: 'some.sqlite',
    })
    const { code, stdout, stderr } = await cli({ PORT: '1', KEYRING_VAULT_TOKN: 'x' }, 'sync')
    expect([code, stdout, stderr]).toEqual([0, 'ok  nothing new, 1 request to Vault\n', server('some.sqlite')])
    expect((await cli({}, 'keys')).stdout).toContain('another1')
    expect(existsSync(join(on.folder, DEFAULT_STORE))).toBe(false)
    await stop()
    await vault.close()
  })

  const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === '::1'))
  it.each(hasIpv6 ? ['localhost', '127.0.0.2', '::1'] : ['localhost', '127.0.0.2'])(
    'finds the server that listens on %s',
    async (HOST) => {
      const { stop, output } = await on.start({ HOST })
      const { url } = said()
      expect(url).toMatch(/^http:\/\/(127\.0\.0\.[12]|\[::1\]):\d+$/)
      expect(output()).toContain(`listening   ${String(url)} `)
      const { code, stderr } = await cli({}, 'keys')
      expect([code, stderr]).toEqual([0, expect.stringContaining(`local server ${String(url)}, `)])
      await stop()
    },
  )

  it('has the token that the server was started with, or says what to set', async () => {
    const { stop } = await on.start({ KEYRING_API_TOKEN: TOKEN })
    const url = `http://127.0.0.1:${on.port}`
    expect(await cli({ KEYRING_API_TOKEN: TOKEN }, 'keys')).toMatchObject({ code: 0 })
    writeFileSync(file('token'), 'of-another-start\n')
    const unknown = await cli({}, 'keys')
    expect([unknown.code, unknown.stderr]).toEqual([
      2,
      expect.stringMatching(`\n  KEYRING_API_TOKEN: must be .*EDGE_KEYRING_URL=${url} and EDGE_KEYRING_TOKEN\n$`),
    ])
    const wrong = await cli({ KEYRING_API_TOKEN: `${TOKEN}-not` }, 'keys')
    expect([wrong.code, wrong.stderr]).toEqual([
      1,
      expect.stringMatching(`\nERR_UNAUTHENTICATED: .*\nSet EDGE_KEYRING_URL=${url} and EDGE_KEYRING_TOKEN to `),
    ])
    expect(wrong.stdout + wrong.stderr + unknown.stderr).not.toContain('canary')
    const named = { EDGE_KEYRING_URL: url, EDGE_KEYRING_TOKEN: TOKEN }
    expect(await cli(named, 'keys')).toMatchObject({ code: 0, stderr: `deployment ${url}\n` })
    await stop()
  })

  it('sends the token to loopback alone, whatever server.json says', async () => {
    const { stop } = await on.start()
    const { port } = new URL(trap.url)
    const truth = said()
    const lies = [
      { ...truth, url: `http://localhost.example:${port}` },
      { ...truth, url: `http://127.0.0.1:80@localhost:${port}` },
      { ...truth, url: `${trap.url}/path?query` },
      { ...truth, url: `https://127.0.0.1:${port}` },
      { ...truth, url: trap.url, token: '/etc/hostname' },
      { ...truth, url: trap.url, store: '\u001b[2J' },
      { url: trap.url },
    ]
    for (const lie of lies) {
      say(lie)
      const { code, stdout, stderr } = await cli({}, 'keys')
      expect([code, stdout, stderr]).toEqual([3, '', expect.stringMatching(/^ERR_SERVER_UNKNOWN: .*\.\nTry again/)])
    }
    rmSync(file('server.json'))
    expect(await cli({}, 'keys', '--json')).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('SERVER_UNKNOWN'),
    })
    expect((await on.refuse(await elsewhere())).stderr).toMatch(/^ERR_ALREADY_RUNNING: .*\nStop it first/)
    expect(trapped).toEqual([])
    await stop()
  })

  it('goes round the proxy that leads to deployments', async () => {
    const { stop } = await on.start()
    const proxied = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: trap.url, http_proxy: trap.url }
    expect(await cli(proxied, 'keys')).toMatchObject({ code: 0, stderr: server(DEFAULT_STORE) })
    expect(trapped).toEqual([])
    await stop()
  })

  it('makes no store where there is none: exit status 2', async () => {
    for (const [env, store] of [
      [{}, DEFAULT_STORE],
      [{ KEYRING_VAULT_TOKEN: 'root' }, '.edge-keyring/keyring.sqlite'],
      [{ KEYRING_DATABASE: 'mine.sqlite' }, 'mine.sqlite'],
    ] as const)
      expect(await cli(env, 'sync')).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining(
          `ERR_NOTHING_HERE: There is nothing here yet: no server runs in this folder, and ${store} `,
        ),
      })
    expect(readdirSync(on.folder)).toEqual([])
  })

  it('makes no wrapping key for a store that has lost its own', async () => {
    const { stop } = await on.start()
    await stop()
    rmSync(file('wrapping-key'))
    expect(await cli({}, 'keys')).toMatchObject({ code: 2, stderr: expect.stringContaining('KEYRING_WRAPPING_KEYS: ') })
    expect(existsSync(file('wrapping-key'))).toBe(false)
  })
})

describe('the first sync', () => {
  const KEYRINGS = '[{"name":"orders","path":"none"},{"name":"invoices","path":"keyring"}]'

  it('is one of every keyring, each with its line on the screen', async () => {
    const { stop, output } = await on.start({ KEYRINGS })
    expect(output().match(/^ {2}(ok|no) {2}keyring.*\n( {18}.*\n)?/gm)).toEqual([
      expect.stringMatching(
        /^ {2}ok {2}keyring {5}default: 8zgITLQh \(active\); secret\/keyring: 1 key, 2 requests to /,
      ),
      expect.stringMatching(/^ {2}no {2}keyring {5}orders: no active key; ERR_SOURCE_NOT_FOUND: .*\n {18}Check /),
      expect.stringMatching(/^ {2}ok {2}keyring {5}invoices: 8zgITLQh \(active\); secret\/keyring: 1 key, 2 requests/),
    ])
    await stop()
  })

  it('that fails says what is served nevertheless', async () => {
    const vault = await startDevVault({ port: 0, dataFile: null })
    const secrets = vaultClient(vault.address, 'root')
    await secrets.write('keyring', { id: 'first001', key: KEY })
    const settings = { KEYRING_VAULT_HOST: vault.address, KEYRING_VAULT_TOKEN: 'root' }
    await (await on.start(settings)).stop()
    await secrets.seal()
    const { stop, output } = await on.start(settings)
    expect(output()).toMatch(/^ {2}no {2}keyring {5}default: first001 \(active\); ERR_VAULT_SEALED: .*\n {18}Unseal/m)
    await stop()
    await vault.close()
  })

  it('is lines of JSON in production, also where it fails', async () => {
    const vault = await startDevVault({ port: 0, dataFile: null })
    await vaultClient(vault.address, 'root').write('keyring', { id: 'first001', key: KEY })
    const deployment = await startNode({
      KEYRING_VAULT_HOST: vault.address,
      KEYRING_VAULT_TOKEN: 'root',
      KEYRING_VAULT_MOUNT: 'secret',
      KEYRING_VAULT_PATH: 'keyring',
      KEYRINGS,
      KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
      KEYRING_API_TOKEN: 'of-no-importance-but-long-enough',
    })
    const lines = deployment.output().trim().split('\n')
    const first = { start: 'sync', level: 'info', outcome: 'synced', code: null, active: 'first001', keys: 1 }
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { ...first, keyring: 'default', requests: 2 },
      {
        start: 'sync',
        level: 'warn',
        keyring: 'orders',
        outcome: 'failed',
        code: 'ERR_SOURCE_NOT_FOUND',
        active: null,
      },
      { ...first, keyring: 'invoices' },
      { listening: expect.any(String) },
    ])
    await deployment.stop()
    await vault.close()
  })
})
