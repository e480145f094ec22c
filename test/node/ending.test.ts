/** How connections end, and the server: what is under way is finished, nothing new begins, and the exit status is 0. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { Listening } from '../support/listen.ts'
import { listen } from '../support/listen.ts'
import type { NodeServer } from '../support/node-server.ts'
import { API_TOKEN, nodeServer } from '../support/node-server.ts'
import { keyString } from '../support/syncing.ts'
import { vaultClient } from '../support/vault.ts'

const ROOT = join(import.meta.dirname, '../..')

let folder: string
let vault: Awaited<ReturnType<typeof startDevVault>>
let slow: Listening
/** While it is there, Vault's answers wait for it. */
let held: Promise<void> | null
let asked: () => void
const running: NodeServer[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  vault = await startDevVault({ port: 0, dataFile: null })
  await vaultClient(vault.address, 'root').write('keyring', { id: 'one', key: keyString('one') })
  held = null
  asked = () => {}
  slow = await listen(async ({ url = '', headers }, response) => {
    asked()
    await held
    const token = String(headers['x-vault-token'])
    const answer = await fetch(vault.address + url, { headers: { 'x-vault-token': token } })
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
  })
})
afterEach(async () => {
  for (const server of running.splice(0)) await server.end('SIGKILL')
  await slow.close()
  await vault.close()
  rmSync(folder, { recursive: true })
})

const settings = () => ({
  KEYRING_VAULT_HOST: slow.url,
  KEYRING_DATABASE: join(folder, 'db'),
  KEYRING_VAULT_TIMEOUT_MS: '60000',
})

async function serve(more: Readonly<Record<string, string>> = {}): Promise<NodeServer> {
  const server = await nodeServer({ ...settings(), ...more })
  running.push(server)
  return server
}

/** Vault answers nothing more until it is let go. @returns what is over when it was asked. */
function hold(): { letGo: () => void; asked: Promise<void> } {
  let letGo: () => void = () => {}
  held = new Promise((resolve) => (letGo = resolve))
  return { letGo: () => letGo(), asked: new Promise((resolve) => (asked = resolve)) }
}

interface Got {
  readonly status: number
  readonly connection: string | undefined
}

function ask(port: number, path: string, agent: Agent): Promise<Got> {
  const headers = { authorization: `Bearer ${API_TOKEN}`, 'content-type': 'application/json' }
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent }, (response) => {
      const { statusCode = 0, headers: answered } = response
      response.resume().once('end', () => resolve({ status: statusCode, connection: answered.connection }))
    })
      .once('error', reject)
      .end('{}')
  })
}

const SYNC = '/keyring/vault/sync'
const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
  })

/** Over when nobody listens there any more. */
async function closedTo(port: number): Promise<void> {
  while (await accepts(port));
}

const QUICK = pathToFileURL(join(import.meta.dirname, 'children/quick-connections.ts')).href
const HEADERS = `host: localhost\r\nauthorization: Bearer ${API_TOKEN}\r\ncontent-type: application/json\r\n`

async function connected(port: number) {
  const socket = connect(port, '127.0.0.1')
  const said: string[] = []
  socket.setEncoding('utf8').on('data', (text: string) => said.push(text))
  const cut = new Promise<string>((resolve) => socket.once('close', () => resolve(said.join(''))))
  await new Promise((resolve) => socket.once('connect', resolve))
  return {
    cut,
    write: (text: string) => socket.write(text),
    end: () => socket.destroy(),
    ask: (line: string) =>
      new Promise<string>((resolve) => {
        socket.once('data', () => resolve(said.join('')))
        socket.write(`${line} HTTP/1.1\r\n${HEADERS}\r\n`)
      }),
  }
}

describe('a connection', () => {
  it('is kept for longer than load balancers keep theirs', async () => {
    const socket = await connected((await serve()).port)
    expect(/^keep-alive: timeout=(\d+)\r$/im.exec(await socket.ask('GET /healthz'))?.[1]).toBe('75')
    socket.end()
  })

  it('is cut when a request does not end within those 75 s, of which a hundredth is waited for here', async () => {
    const server = await serve({ NODE_OPTIONS: `--import ${QUICK}` })
    const waits = { keepAliveTimeout: 75_000, headersTimeout: 75_000, requestTimeout: 75_000 }
    expect(JSON.parse(server.said().split('\n')[0] ?? '')).toEqual({
      waits: { ...waits, connectionsCheckingInterval: 5000 },
    })
    const [head, body] = [await connected(server.port), await connected(server.port)]
    head.write('GET /healthz HTTP/1.1\r\nhost: ')
    body.write(`POST ${SYNC} HTTP/1.1\r\n${HEADERS}content-length: 1000\r\n\r\n{"force":`)
    for (const each of [head, body]) expect(await each.cut).toContain('HTTP/1.1 408 ')
    expect((await server.call('/healthz')).status).toBe(200)
  })
})

describe('SIGTERM', () => {
  it('lets a sync finish, takes nothing new, and closes connections that are kept', async () => {
    const server = await serve()
    const agent = new Agent({ keepAlive: true })
    expect(await ask(server.port, SYNC, agent)).toEqual({ status: 204, connection: 'keep-alive' })
    const { letGo, asked: isAsked } = hold()
    const [busy, idle] = [new Agent({ keepAlive: true }), connect(server.port, '127.0.0.1')]
    const idleClosed = new Promise((resolve) => idle.once('close', resolve))
    idle.on('error', () => {}).write(`GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n`)
    await new Promise((resolve) => idle.once('data', resolve))
    const sync = ask(server.port, SYNC, busy)
    await isAsked
    const ended = server.end('SIGTERM')
    await closedTo(server.port)
    await idleClosed
    letGo()
    expect(await sync).toEqual({ status: 204, connection: 'close' })
    expect(await ended).toBe(0)
    expect(server.wrote().match(/"action":"sync"/g)).toHaveLength(2)
    expect(server.said()).not.toContain('"level":"error"')
  })

  it('cuts what does not end, and ends all the same with 0', async () => {
    const server = await serve()
    const { asked: isAsked } = hold()
    const cut = ask(server.port, SYNC, new Agent()).catch((error: unknown) => error)
    await isAsked
    expect(await server.end('SIGTERM')).toBe(0)
    expect(await cut).toBeInstanceOf(Error)
  })

  it('a second time ends it at once', async () => {
    const server = await serve()
    const { asked: isAsked } = hold()
    const cut = ask(server.port, SYNC, new Agent()).catch((error: unknown) => error)
    await isAsked
    const again = setInterval(() => void server.end('SIGTERM'), 50)
    expect(await server.end('SIGTERM')).toBe(128 + 15)
    clearInterval(again)
    expect(await cut).toBeInstanceOf(Error)
  })

  it('to `npm start` comes to the server: npm waits for what is under way, and ends with 0', async () => {
    const npm = spawn('npm', ['start'], {
      cwd: ROOT,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: folder,
        npm_config_cache: join(folder, 'cache'),
        npm_config_update_notifier: 'false',
        NODE_ENV: 'production',
        PORT: '0',
        KEYRING_VAULT_MOUNT: 'secret',
        KEYRING_VAULT_PATH: 'keyring',
        KEYRING_VAULT_TOKEN: 'root',
        KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
        KEYRING_API_TOKEN: API_TOKEN,
        ...settings(),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = new Promise((resolve) => npm.once('close', (code, signal) => resolve(signal ?? code)))
    const port = await new Promise<number>((resolve) =>
      createInterface(npm.stderr).on('line', (line) => {
        const found = /"listening":"[^"]+:(\d+)"/.exec(line)?.[1]
        if (found !== undefined) resolve(Number(found))
      }),
    )
    npm.stdout.resume()
    const { letGo, asked: isAsked } = hold()
    const sync = ask(port, SYNC, new Agent())
    await isAsked
    npm.kill('SIGTERM')
    await closedTo(port)
    letGo()
    expect(await sync).toMatchObject({ status: 204 })
    expect(await ended).toBe(0)
  })
})
