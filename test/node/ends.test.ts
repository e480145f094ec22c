/** What ends soon, as callers of a deployment and a monitor hear of it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import { runCli } from '../support/cli.ts'
import { API_TOKEN, nodeServer } from '../support/node-server.ts'
import type { NodeServer } from '../support/node-server.ts'
import { keyString } from '../support/syncing.ts'
import { vaultClient } from '../support/vault.ts'

let folder: string
let vault: DevVault
let server: NodeServer
let others: Readonly<Record<'well' | 'failing', NodeServer>>

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  vault = await startDevVault({ port: 0, dataFile: null })
  await vaultClient(vault.address, 'root').write('keyring', { id: 'one', key: keyString('one') })
  const well = await nodeServer({ KEYRING_VAULT_HOST: vault.address, KEYRING_DATABASE: join(folder, 'well') })
  await well.call('/keyring/vault/sync', {})
  const failing = await nodeServer({
    KEYRING_VAULT_HOST: 'http://127.0.0.1:9',
    KEYRING_DATABASE: join(folder, 'failing'),
  })
  await failing.call('/keyring/vault/sync', {})
  others = { well, failing }
  const ends = new Date(Date.now() + 5 * 86_400_000).toISOString()
  server = await nodeServer({
    KEYRING_VAULT_HOST: vault.address,
    KEYRING_DATABASE: join(folder, 'db'),
    KEYRING_API_TOKENS: JSON.stringify([{ name: 'ci', sha256: 'a'.repeat(64), grants: ['read'], expires_at: ends }]),
  })
})
afterAll(async () => {
  for (const each of [server, ...Object.values(others)]) await each.end('SIGTERM')
  await vault.close()
  rmSync(folder, { recursive: true })
})

it('is in a header, for those with a credential alone', async () => {
  expect(await server.call('/keyring')).toMatchObject({ status: 200, warning: 'api-token;days=7' })
  expect(await server.call('/readyz')).toMatchObject({ status: 200, warning: null })
})

it('ends a check of the status with exit status 1, and its remedy is said', async () => {
  const env = { EDGE_KEYRING_URL: `http://127.0.0.1:${server.port}`, EDGE_KEYRING_TOKEN: API_TOKEN }
  const checked = await runCli(['status', '--check'], { cwd: folder, env })
  expect(checked).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^ends .*"ci".*\(within 7 days\)\nneeded .*KEYRING_API_TOKENS/m),
  })
  expect((await runCli(['status'], { cwd: folder, env })).code).toBe(0)
})

/** The command lines of a page's blocks that show a status, without what is said of them. */
const shownIn = (page: string): string[] =>
  readFileSync(page, 'utf8')
    .split('```')
    .filter((_part, index) => index % 2 === 1)
    .flatMap((block) =>
      Array.from(block.matchAll(/^npx edge-keyring (status\b[^#\n]*)/gm), ([, words = '']) => words.trim()),
    )
const [README, ON_CALL] = [shownIn('README.md'), shownIn('docs/on-call.md')]

describe('the pages', () => {
  it('show a status, and the README how a monitor asks for it', () => {
    expect(README).toContain('status --check')
    expect(ON_CALL).toContain('status')
  })

  it.each([...new Set([...README, ...ON_CALL])])('show a line that says what they say it does: %s', async (words) => {
    const run = ({ port }: NodeServer) =>
      runCli(words.split(/ +/), {
        cwd: folder,
        env: { EDGE_KEYRING_URL: `http://127.0.0.1:${port}`, EDGE_KEYRING_TOKEN: API_TOKEN },
      })
    const needed = words.includes('--check') ? 1 : 0
    expect(await run(others.well)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^needed +nothing$/m) })
    expect(await run(server)).toMatchObject({ code: needed, stdout: expect.stringMatching(/^ends .*\n^needed +\S/m) })
    expect(await run(others.failing)).toMatchObject({
      code: needed,
      stdout: expect.stringMatching(/^failing +since \S+Z, .*: ERR_VAULT_UNREACHABLE: [^]*^needed +\S/m),
    })
  })
})
