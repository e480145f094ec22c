/** `edge-keyring/references/node` beside a server on SQLite, which resolves, is asked, and dies. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openReferences } from '../../functions/node/resolving.ts'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import { runCli } from '../support/cli.ts'
import type { NodeServer } from '../support/node-server.ts'
import { API_TOKEN, nodeServer } from '../support/node-server.ts'
import type { VaultClient, VaultServer } from '../support/vault.ts'
import { vaultClient, vaultTargets } from '../support/vault.ts'

const run = promisify(execFile)
const APP = join(import.meta.dirname, 'children/resolve.ts')
const PASS = '{vault://my-vault/password/pass1}'
const UNLISTED = '{vault://my-vault/other/a}'
const NEVER = '{vault://my-vault/never/a}'
const KEYS = `w1:${Buffer.alloc(32, 1).toString('base64')}`

let folder: string
let database: string
let vault: VaultServer
let secrets: VaultClient
let server: NodeServer
beforeAll(async () => {
  vault = await vaultTargets()[0].open()
  secrets = await vaultClient(vault.address, vault.token).mount('stored')
})
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'edge-keyring-stored-'))
  database = join(folder, 'keyring.sqlite')
  await secrets.write('password', { pass1: 'canary-one' })
  await secrets.write('other', { a: 'canary-other' })
  const config = { host: '127.0.0.1', port: Number(new URL(vault.address).port), mount: 'stored', kv: 'v2', ttl: 600 }
  server = await nodeServer({
    KEYRING_DATABASE: database,
    KEYRING_VAULT_HOST: vault.address,
    KEYRING_VAULT_MOUNT: 'stored',
    KEYRING_VAULT_TOKEN: vault.token,
    KEYRING_VAULTS: JSON.stringify([{ name: 'hcv', prefix: 'my-vault', config: { ...config, token: vault.token } }]),
    KEYRING_REFERENCES: PASS,
  })
})
afterEach(async () => {
  await server.end('SIGKILL')
  rmSync(folder, { recursive: true })
})
afterAll(() => vault.close())

const own = (more: Readonly<Record<string, string>> = {}) => ({
  KEYRING_DATABASE: database,
  KEYRING_WRAPPING_KEYS: KEYS,
  ...more,
})
const asking = () => ({ EDGE_KEYRING_URL: `http://127.0.0.1:${server.port}`, EDGE_KEYRING_TOKEN: API_TOKEN })
/** A process that has just begun. */
async function app(references: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const env = { PATH: process.env['PATH'] ?? '', ...own(more) }
  const { stdout } = await run(process.execPath, [APP, ...references], { env })
  return stdout.trimEnd().split('\n')
}

describe('an application beside a server', () => {
  it('has its secrets from the file, and from the server what is not there', async () => {
    expect(await app([PASS, UNLISTED])).toEqual(['canary-one', 'ERR_AUTHORITY_UNAVAILABLE'])
    expect(await app([PASS, UNLISTED], asking())).toEqual(['canary-one', 'canary-other'])
    expect(await app([UNLISTED])).toEqual(['canary-other'])
  })

  it('has them in a new process when the server was killed', async () => {
    const address = asking()
    await using running = await openReferences(own(address))
    expect(await running.resolve(UNLISTED)).toBe('canary-other')
    await server.end('SIGKILL')
    expect(await app([PASS, UNLISTED, NEVER], address)).toEqual([
      'canary-one',
      'canary-other',
      'ERR_AUTHORITY_UNAVAILABLE',
    ])
    expect(await running.resolve(PASS)).toBe('canary-one')
  })

  it('needs no more than the key that the command line has derived for the vault', async () => {
    const words = ['secrets', 'derive', '--references', 'my-vault']
    const { stdout } = await runCli(words, { cwd: folder, env: { KEYRING_WRAPPING_KEYS: KEYS } })
    const [name, KEYRING_WRAPPING_KEYS = ''] = stdout.trim().split(/=(.*)/s)
    expect([name, KEYRING_WRAPPING_KEYS.split(':')[0]]).toEqual(['KEYRING_WRAPPING_KEYS', 'w1/secrets/my-vault'])
    expect(await app([PASS, '{vault://other/a/b}'], { KEYRING_WRAPPING_KEYS })).toEqual([
      'canary-one',
      'ERR_WRAPPING_KEY_MISSING',
    ])
  })

  it('names what it lacks, and makes no file', async () => {
    await expect(openReferences({})).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      message: expect.stringMatching(/KEYRING_WRAPPING_KEYS is required.*KEYRING_DATABASE is required/),
    })
    await expect(openReferences(own({ KEYRING_DATABASE: join(folder, 'none') }))).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
    })
    await expect(openReferences(own({ EDGE_KEYRING_URL: 'http://keyring.example' }))).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
    })
  })

  it('goes on with a file in which no reference was ever resolved, and one that is taken away', async () => {
    const path = join(folder, 'other.sqlite')
    sqliteStore(path).close()
    await using references = await openReferences(own({ KEYRING_DATABASE: path }))
    const code = () => references.resolve(PASS).catch((error: { code: string }) => error.code)
    expect(await code()).toBe('ERR_AUTHORITY_UNAVAILABLE')
    rmSync(path)
    expect(await code()).toBe('ERR_STORE_UNAVAILABLE')
  })
})
