/** `KEYRING_REFERENCES` on Node: resolved at the start, or pushed to a deployment that may ask no Vault; in the status and the doctor of the command line. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../support/cli.ts'
import type { NodeServer } from '../support/node-server.ts'
import { API_TOKEN, nodeServer } from '../support/node-server.ts'
import type { VaultClient, VaultServer } from '../support/vault.ts'
import { vaultClient, vaultTargets } from '../support/vault.ts'

const PASS = '{vault://my-vault/password/pass1}'
const REFERENCES = `${PASS}, {vault://my-vault/password/none}, {vault://no-vault/a/b}`

let cwd: string
let vault: VaultServer
let secrets: VaultClient
let server: NodeServer | null = null
let used = 0
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'edge-keyring-listed-'))
  vault = await vaultTargets()[0].open()
  secrets = await vaultClient(vault.address, vault.token).mount('listed')
  await secrets.write('password', { pass1: 'canary-one' })
  await secrets.write('keyring', { id: 'a', key: 'canary key 0123456789abcdef0123456789abcdef' })
})
afterEach(async () => {
  await server?.end('SIGTERM')
  server = null
})
afterAll(async () => {
  await vault.close()
  rmSync(cwd, { recursive: true })
})

const entity = (prefix: string, more: object = {}) => ({
  name: 'hcv',
  prefix,
  config: {
    host: '127.0.0.1',
    port: Number(new URL(vault.address).port),
    mount: 'listed',
    kv: 'v2',
    ttl: 600,
    ...more,
  },
})
const database = () => join(cwd, `db-${(used += 1)}`)
const OWN = { KEYRING_VAULT_MOUNT: 'listed', KEYRING_VAULT_PATH: 'keyring' }
/** Whoever reaches the vault. */
const inside = () => ({
  ...OWN,
  KEYRING_VAULT_HOST: vault.address,
  KEYRING_VAULT_TOKEN: vault.token,
  KEYRING_REFERENCES: REFERENCES,
  KEYRING_VAULTS: JSON.stringify([entity('my-vault', { token: vault.token })]),
})
async function start(settings: Readonly<Record<string, string>>): Promise<NodeServer> {
  return (server = await nodeServer({ KEYRING_DATABASE: database(), ...settings }))
}
const cli = (words: string[], env: Record<string, string> = {}) =>
  runCli(words, {
    cwd,
    env: { EDGE_KEYRING_URL: `http://127.0.0.1:${server?.port}`, EDGE_KEYRING_TOKEN: API_TOKEN, ...env },
  })
const valueOf = async (reference: string) => {
  const answer = await server?.call('/secrets/resolve', { references: [reference] })
  const { secrets: all = [] } = (answer?.body ?? {}) as { secrets?: { value?: string; error?: { code: string } }[] }
  return all[0]?.value ?? all[0]?.error?.code
}

describe('a server with a list', () => {
  const wrong = { name: 'hcv', prefix: 'wrong', config: { host: ':x' } }
  const files = (prefix: string, folder: string) => ({ name: 'fs', prefix, config: { prefix: folder } })

  it('has resolved it when it has started, and says what is wrong with an entry', async () => {
    const own = inside()
    const vaults = [...(JSON.parse(own.KEYRING_VAULTS) as object[]), wrong, files('my-files', join(cwd, 'none'))]
    const on = await start({ ...own, KEYRING_VAULTS: JSON.stringify(vaults) })
    expect(on.said()).toContain('KEYRING_REFERENCES: entry 3 names no vault that can be used')
    expect(on.said().match(/entry 2: ERR_SECRET_UNUSABLE/g)).toHaveLength(1)
    await secrets.write('password', { pass1: 'canary-two' })
    expect(await valueOf(PASS)).toBe('canary-one')

    const status = await cli(['status'])
    expect(status.stdout).toMatch(/^vault +my-vault: 1 kept$/m)
    expect(status.stdout).toMatch(/^needed +Vault "my-vault": Entry 2 of KEYRING_REFERENCES: /m)
    expect(status.stdout).toMatch(/^needed +Correct vaults\.wrong\.config\./m)
    expect(status.stdout).not.toMatch(/canary|password/)
    expect((await cli(['status', '--check'])).code).toBe(1)
    const document = JSON.parse((await cli(['status', '--json'])).stdout) as Record<string, unknown>
    expect(document['vaults']).toMatchObject([{ vault: 'my-files' }, { vault: 'my-vault', kept: 1, listed: 2 }])

    const doctor = await cli(['doctor'])
    expect(doctor.code).toBe(1)
    expect(doctor.stdout).toMatch(/^vault my-vault\n(?: .*\n)* {2}✔ {2}mount +"listed" is KV version 2\./m)
    expect(doctor.stdout).toMatch(/^vault my-files\n {2}✘ {2}secret +ERR_SECRET_NOT_FOUND: The folder is not there\.$/m)
  })

  it('spells remedies of the doctor as the fields of the entity', async () => {
    const own = inside()
    const other = entity('my-vault', { token: vault.token, kv: 'v1' })
    await start({ ...own, KEYRING_VAULTS: JSON.stringify([other, files('my-files', cwd)]) })
    const { stdout } = await cli(['doctor'])
    expect(stdout).toContain('vaults.my-vault.config.kv')
    expect(stdout).toMatch(/^vault my-files\n {2}✔ {2}secret +The folder is there\.$/m)
  })
})

describe('edge-keyring push', () => {
  const pushed = (more: object = {}) => ({
    ...OWN,
    KEYRING_STRATEGY: 'push',
    KEYRING_VAULT_TOKEN: '',
    KEYRING_VAULTS: JSON.stringify([entity('my-vault', { host: 'vault.of-no.example', ...more })]),
  })

  it('reads what the list has, and hands it over with the keys', async () => {
    await secrets.write('password', { pass1: 'canary-one' })
    await start(pushed())
    expect(await valueOf(PASS)).toBe('ERR_SECRET_NOT_FOUND')
    const first = await cli(['push', '--json'], inside())
    expect(first.code).toBe(0)
    expect(JSON.parse(first.stdout)).toMatchObject({ changed: true, references: { taken: 1, older: 0, failures: [] } })
    expect(await valueOf(PASS)).toBe('canary-one')
    await secrets.write('password', { pass1: 'canary-two' })
    const second = await cli(['push'], inside())
    expect(second.stdout).toContain('ok  1 secret of references handed over\n')
    const refreshed = await server?.call('/secrets/resolve', { references: [PASS], refresh: true })
    expect(refreshed?.body['secrets']).toEqual([{ reference: PASS, value: 'canary-two' }])
    expect((await cli(['status'])).stdout).toMatch(/^vault +my-vault: 1 kept$/m)
    expect((await cli(['doctor'])).stdout).toMatch(/^vault my-vault\n {2}- {2}server +Not asked from here/m)
    expect(first.stderr + second.stdout + second.stderr + (server?.said() ?? '')).not.toContain('canary')
  })

  it('to a deployment that reads elsewhere hands over keys alone, and fails', async () => {
    await start(pushed({ mount: 'other' }))
    const { code, stderr } = await cli(['push'], inside())
    expect([code, stderr]).toEqual([1, expect.stringContaining('ERR_SOURCE_CHANGED')])
    expect(await valueOf(PASS)).toBe('ERR_SECRET_NOT_FOUND')
    expect((await server?.call('/keyring/active'))?.body).toEqual({ id: 'a' })
  })

  it('says which entry it could not read', async () => {
    await start(pushed())
    const vaults = JSON.stringify([entity('my-vault', { token: 'wrong' })])
    const { code, stdout } = await cli(['push'], { ...inside(), KEYRING_VAULTS: vaults })
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^! {3}KEYRING_REFERENCES, entry 1, 2: ERR_/m)])
  })
})
