/** A start whose settings cannot open the stored record. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { KeyringClient } from '../../functions/cli/client.ts'
import { resealKeyring } from '../../functions/cli/reseal.ts'
import type { Target } from '../../functions/cli/target.ts'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import { Secret } from '../../src/core/secret.ts'
import { runCli } from '../support/cli.ts'
import { API_TOKEN, nodeServer } from '../support/node-server.ts'
import { keyString } from '../support/syncing.ts'
import { vaultClient } from '../support/vault.ts'

const keyOf = (id: string, fill: number) => `${id}:${Buffer.alloc(32, fill).toString('base64')}`

let folder: string
let vault: DevVault
const start = (keys: string) =>
  nodeServer({
    KEYRING_VAULT_HOST: vault.address,
    KEYRING_DATABASE: join(folder, 'db'),
    KEYRING_WRAPPING_KEYS: keys,
  })

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  vault = await startDevVault({ port: 0, dataFile: null })
  await vaultClient(vault.address, 'root').write('keyring', { id: 'one', key: keyString('one') })
  await (await start(keyOf('w1', 1))).end('SIGTERM')
})
afterAll(async () => {
  await vault.close()
  rmSync(folder, { recursive: true })
})

it.each([
  [
    'that lack the wrapping key of the record',
    keyOf('w2', 2),
    { code: 'ERR_WRAPPING_KEY_MISSING', message: /"default".*"w1"/, remedy: /^Add / },
  ],
  [
    'with another key under its id',
    keyOf('w1', 2),
    { code: 'ERR_WRAPPING_KEY_WRONG', message: /"w1".*"default"/, remedy: /^Put / },
  ],
])('ends with exit status 1, a code, a sentence and a remedy on settings %s', async (_name, keys, said) => {
  const refused: unknown = await start(keys).catch((error: unknown) => error)
  expect(refused).toMatchObject({ cause: 1 })
  expect(JSON.parse((refused as Error).message)).toMatchObject({
    process: 'ended',
    code: said.code,
    message: expect.stringMatching(said.message),
    remedy: expect.stringMatching(said.remedy),
  })
})

it('succeeds with the old key behind the new one, and without it once the status says that it is not needed', async () => {
  const both = await start([keyOf('w2', 2), keyOf('w1', 1)].join(','))
  const env = { EDGE_KEYRING_URL: `http://127.0.0.1:${both.port}`, EDGE_KEYRING_TOKEN: API_TOKEN }
  const held = 'wrapping key  w2 (first): needed by record, status\nwrapping key  w1 (behind the first): not needed\n'
  const resealed = await runCli(['reseal'], { cwd: folder, env })
  expect(resealed).toMatchObject({ code: 0, stdout: `${held}ok  sealed anew\n` })
  expect((await runCli(['status'], { cwd: folder, env })).stdout).toContain(held)
  await both.end('SIGTERM')
  const server = await start(keyOf('w2', 2))
  expect((await server.call('/keyring')).body).toMatchObject({ active: 'one' })
  await server.end('SIGTERM')
})

it('learns from reseal that a key is still needed, with exit status 1', async () => {
  const target: Target = {
    where: 'here',
    base: 'http://keyring.example',
    token: new Secret('of-no-importance'),
    tokenRemedy: '',
    fetch: async () =>
      Response.json({
        done: false,
        wrapping_keys: [
          { id: 'w3', configured: true, first: true, needed_by: ['record', 'status'] },
          { id: 'w2', configured: true, first: false, needed_by: ['token'] },
        ],
      }),
    answerMs: 1000,
    close: async () => {},
  }
  const { exit, screen } = await resealKeyring(new KeyringClient(target, 'default'))
  expect([exit, screen]).toEqual([1, expect.stringContaining('w2 (behind the first): needed by token\nnot yet: ')])
})

it('succeeds where only another keyring is used: no record is missed', async () => {
  const server = await start(`w2/keyring/orders:${Buffer.alloc(32, 2).toString('base64')}`)
  expect(await server.call('/keyring')).toMatchObject({ code: 'ERR_WRAPPING_KEY_MISSING' })
  expect(server.said()).not.toContain('"part":"settings"')
  await server.end('SIGTERM')
})
