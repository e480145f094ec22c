/** What a start says where API tokens could be read on the way. It listens in a network of its own that leads nowhere (on Linux, as root). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { NodeServer } from '../support/node-server.ts'
import { API_TOKEN, nodeServer } from '../support/node-server.ts'

const NOWHERE = ['unshare', '--net']
let folder: string
let server: NodeServer
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))))
afterEach(async () => {
  await server.end('SIGTERM')
  rmSync(folder, { recursive: true })
})

async function saidAt(HOST: string, through: readonly string[]): Promise<unknown[]> {
  const settings = { HOST, KEYRING_VAULT_HOST: 'http://127.0.0.1:9', KEYRING_DATABASE: join(folder, 'db') }
  server = await nodeServer({ ...settings, KEYRING_API_TOKEN: API_TOKEN.padEnd(32, 'x') }, 'read', through)
  return server
    .said()
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
}

it.each([
  ['0.0.0.0', 'http://0.0.0.0:'],
  ['::', 'http://[::]:'],
])('on %s plain http is said once, with what to do', async (host, where) => {
  const lines = (await saidAt(host, NOWHERE)).filter((line) => JSON.stringify(line).includes('clear text'))
  expect(lines).toMatchObject([
    { level: 'warn', part: 'http', message: expect.stringContaining(where), remedy: expect.stringContaining('TLS') },
  ])
})

it.each(['127.0.0.1', 'localhost', '127.1.2.3'])('on %s it is not said', async (host) =>
  expect(JSON.stringify(await saidAt(host, []))).not.toMatch(/clear text|"part":"http"/),
)
