/** The Dockerfile without Docker: what it copies, sets and runs, in a folder made as the image would be. */
import { execFile, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { allOf, oneOf, stagesOf, variablesOf, wordsOf } from '../support/image.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')

const [build = [], image = []] = stagesOf(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))
const one = (name: string): string => oneOf(image, name)
const sent = readFileSync(join(ROOT, '.dockerignore'), 'utf8').matchAll(/^!(.*)$/gm)
const CONTEXT = new Set(Array.from(sent, ([, path = '']) => path))

const outside = mkdtempSync(join(tmpdir(), 'edge-keyring-image-'))
const [builder, app] = [join(outside, 'builder'), join(outside, 'app')]
/** What was fetched once is not fetched again. */
const OFFLINE = { npm_config_prefer_offline: 'true' }

/** What a COPY line takes must be sent to the builder. */
function copy(line: string): void {
  const paths = line.split(' ')
  const to = paths.pop() ?? ''
  for (const path of paths) {
    if (!CONTEXT.has(path)) throw new Error(`The builder is not sent ${path}.`)
    cpSync(join(ROOT, path), join(builder, to, to.endsWith(path) ? '' : path), { recursive: true })
  }
}

beforeAll(async () => {
  mkdirSync(builder)
  for (const [name, line] of build)
    if (name === 'COPY') copy(line)
    else if (name === 'RUN') await run('bash', ['-c', line], { cwd: builder, env: { ...process.env, ...OFFLINE } })
  const [copied = '', ...others] = allOf(image, 'COPY')
  if (copied !== '--from=build /app/dist/node ./' || others.length > 0) throw new Error(`It copies ${copied}.`)
  cpSync(join(builder, 'dist/node'), app, { recursive: true })
  rmSync(builder, { recursive: true })
}, 300_000)
afterAll(() => rmSync(outside, { recursive: true, force: true }))

const port = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port: free } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return free
}

/** What ENV sets, its folder being elsewhere. */
function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const set = variablesOf(image)
  const database = join(outside, set['KEYRING_DATABASE'] ?? '')
  mkdirSync(dirname(database), { recursive: true })
  return { PATH: process.env['PATH'] ?? '', ...set, KEYRING_DATABASE: database, ...more }
}

/** `node` is this one. */
function start(instruction: string, env: Record<string, string>) {
  const [program, ...args] = wordsOf(one(instruction))
  expect(program).toBe('node')
  const child = spawn(process.execPath, args, { cwd: app, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, ended }
}

const CONFIGURED = {
  KEYRING_VAULT_HOST: 'http://127.0.0.1:1',
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_VAULT_TOKEN: 'root',
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  KEYRING_API_TOKENS: JSON.stringify([{ name: 'admin', sha256: '0'.repeat(64), grants: ['admin'] }]),
}

it('runs as nobody who may write what is run, and keeps what it keeps in a volume that is theirs', () => {
  const order = image.map(([name]) => name)
  expect(one('USER')).toBe('node')
  expect(order.indexOf('USER')).toBeGreaterThan(order.lastIndexOf('COPY'))
  expect(one('RUN')).toBe(`mkdir -p ${one('VOLUME')} && chown node:node ${one('VOLUME')}`)
  expect(environment()['KEYRING_DATABASE']).toBe(join(outside, one('VOLUME'), 'keyring.sqlite'))
})

it('has what was built, and neither sources nor libraries', () => {
  expect(readdirSync(app).toSorted()).toEqual(['edge-keyring', 'edge-keyring.mjs', 'server', 'server.mjs'])
})

it('unconfigured it ends with 1, lists what is missing, and leaves nothing', async () => {
  const env = environment()
  const { child, ended } = start('CMD', env)
  const [code, stderr] = [ended, await text(child.stderr)]
  expect(await code).toBe(1)
  for (const name of ['KEYRING_VAULT_HOST', 'KEYRING_VAULT_TOKEN', 'KEYRING_WRAPPING_KEYS', 'KEYRING_API_TOKENS'])
    expect(stderr).toContain(name)
  expect(existsSync(env['KEYRING_DATABASE'] ?? '')).toBe(false)
})

it('configured it serves while Vault is down, its health check says so, and a SIGTERM ends it with 0', async () => {
  const env = environment({ ...CONFIGURED, PORT: String(await port()) })
  expect(await start('HEALTHCHECK', env).ended).toBe(1)
  const { child, ended } = start('CMD', env)
  const isListening = new Promise<void>((resolve, reject) => {
    const printed: string[] = []
    child.stderr.on('data', (chunk: Buffer) => {
      printed.push(chunk.toString())
      if (printed.join('').includes('"listening":')) resolve()
    })
    void ended.then(() => reject(new Error(printed.join(''))))
  })
  await isListening
  expect(await start('HEALTHCHECK', env).ended).toBe(0)
  const { stdout } = await run(process.execPath, ['edge-keyring.mjs', 'status'], { cwd: app, env }).catch(
    (error: unknown) => error as { stdout: string },
  )
  expect(stdout).toMatch(/^keyring +default: 0 keys/)
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
})
