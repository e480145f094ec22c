import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DevVault } from '../../functions/dev-vault/server.ts'
import { UNSEAL_KEY, startDevVault } from '../../functions/dev-vault/server.ts'
import type { FaultyProxy } from '../support/vault.ts'
import { FAULTS, faultyProxy, vaultClient, vaultTargets } from '../support/vault.ts'
import { vaultServerContract } from './server-contract.ts'

for (const { name, isAvailable, open } of vaultTargets())
  describe.skipIf(!isAvailable)(`as ${name} does`, () => {
    vaultServerContract(name, open)
  })

describe('the dev Vault', () => {
  let folder: string
  const running: DevVault[] = []
  const file = () => join(folder, 'vault.json')
  const start = async (options: Partial<Parameters<typeof startDevVault>[0]> = {}) => {
    const vault = await startDevVault({ port: 0, dataFile: file(), ...options })
    running.push(vault)
    return { ...vault, client: vaultClient(vault.address, options.rootToken ?? 'root') }
  }
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dev-vault-'))
  })
  afterEach(async () => {
    await Promise.all(running.splice(0).map((vault) => vault.close()))
    rmSync(folder, { recursive: true })
  })

  it('listens on 127.0.0.1 and says where', async () => {
    const { address, port } = await start()
    expect(address).toBe(`http://127.0.0.1:${port}`)
  })

  it('rejects with the reason when the port is taken', async () => {
    const { port } = await start()
    await expect(startDevVault({ port, dataFile: null })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  it('rejects when its file holds something else, and leaves that alone', async () => {
    for (const text of ['', 'no JSON', '{"secret":{}}', '[1]']) {
      writeFileSync(file(), text)
      await expect(start()).rejects.toThrow(`${file()} does not hold a dev Vault's data`)
      expect(readFileSync(file(), 'utf8')).toBe(text)
    }
  })

  it('keeps every write in a file of mode 600, and leaves no other behind', async () => {
    const { client } = await start()
    await client.write('keyring', { id: 'kept' })
    expect(readFileSync(file(), 'utf8')).toContain('kept')
    expect(statSync(file()).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['vault.json'])
  })

  it('has its data again after a restart, unsealed', async () => {
    const first = await start()
    await first.client.write('keyring', { id: 'a' })
    await first.client.write('__proto__', { id: 'b' })
    await first.client.mount('plain', 1)
    await first.client.request('POST', 'plain/x', { body: { id: 'c' } })
    const before = await first.client.metadata('keyring')
    await first.client.seal()
    await first.close()
    const { client } = await start()
    expect(await client.metadata('keyring')).toEqual(before)
    expect((await client.metadata('__proto__')).current_version).toBe(1)
    expect((await client.request('GET', 'plain/x')).body).toMatchObject({ data: { id: 'c' } })
  })

  it('is seeded once, when its data is new', async () => {
    const seed = { mount: 'secret', path: 'keyring', data: { id: 'seeded' } }
    const first = await start({ seed })
    expect((await first.client.metadata('keyring')).current_version).toBe(1)
    await first.client.deleteMetadata('keyring')
    await first.close()
    const { client } = await start({ seed })
    expect((await client.request('GET', 'secret/metadata/keyring')).status).toBe(404)
  })

  it('takes the root token that it is given', async () => {
    const { client, address } = await start({ rootToken: 'another' })
    await client.write('keyring', { id: 'a' })
    await expect(vaultClient(address, 'root').metadata('keyring')).rejects.toThrow('403')
  })

  it('opens with the one key that is documented', async () => {
    const { client } = await start({ dataFile: null })
    await client.seal()
    await expect(client.unseal('another')).rejects.toThrow('400')
    await client.unseal(UNSEAL_KEY)
    expect(await client.write('keyring', { id: 'a' })).toBe(1)
  })

  it('refuses a host name that is not of loopback', async () => {
    const { port } = await start()
    const status = await new Promise((resolve, reject) => {
      const headers = { host: 'attacker.example', 'x-vault-token': 'root' }
      request({ port, host: '127.0.0.1', path: '/v1/sys/health', headers }, ({ statusCode }) => resolve(statusCode))
        .once('error', reject)
        .end()
    })
    expect(status).toBe(403)
  })
})

describe('the faulty proxy of the tests', () => {
  let vault: DevVault
  let proxy: FaultyProxy
  beforeEach(async () => {
    vault = await startDevVault({ port: 0, dataFile: null })
    proxy = await faultyProxy(vault.address)
  })
  afterEach(async () => {
    await proxy.close()
    await vault.close()
  })
  const client = () => vaultClient(proxy.address, 'root')

  it('forwards, and counts', async () => {
    await client().write('a', { id: 'x' })
    await Promise.all([client().metadata('a'), client().metadata('a')])
    const write = 'POST /v1/secret/data/a'
    const read = 'GET /v1/secret/metadata/a'
    expect(proxy.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([write, read, read])
    expect(proxy.mostAtOnce).toBe(2)
  })

  it('answers itself, as often as it is told', async () => {
    proxy.spoil('/metadata/', FAULTS.rateLimited('7'), 1)
    proxy.spoil(/^GET .*[?]version=2$/, FAULTS.error(500, 'boom'))
    const limited = await client().request('GET', 'secret/metadata/a')
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7'])
    expect((await client().request('GET', 'secret/metadata/a')).status).toBe(404)
    expect(await client().request('GET', 'secret/data/a?version=2')).toMatchObject({ body: { errors: ['boom'] } })
    proxy.heal()
    expect((await client().request('GET', 'secret/data/a?version=2')).status).toBe(404)
  })

  it('answers what is not of the API', async () => {
    for (const [fault, body] of [
      [FAULTS.plainHttpToTls, /HTTPS server/],
      [FAULTS.html, /Welcome/],
      [FAULTS.cutOffJson, /^\{"data"/],
    ] as const) {
      proxy.spoil('/data/', fault, 1)
      expect((await client().request('GET', 'secret/data/a')).body).toMatch(body)
    }
    proxy.spoil('/data/', FAULTS.redirect('https://vault.example/v1/secret/data/a'))
    expect((await client().request('GET', 'secret/data/a')).status).toBe(307)
  })

  it('cuts, and hangs until it is closed', async () => {
    proxy.spoil('/cut', 'cut')
    proxy.spoil('/hang', 'hang')
    await expect(client().request('GET', 'secret/data/cut')).rejects.toThrow('fetch failed')
    const hanging = client()
      .request('GET', 'secret/data/hang')
      .catch(() => 'cut off')
    await expect.poll(() => proxy.seen.length).toBe(2)
    await proxy.close()
    expect(await hanging).toBe('cut off')
  })

  it('replays an earlier answer', async () => {
    const write = () => vaultClient(vault.address, 'root').write('a', { id: 'x' })
    await write()
    await client().metadata('a')
    await write()
    proxy.spoil('/metadata/a', 'replay')
    expect((await client().metadata('a')).current_version).toBe(1)
    proxy.heal()
    expect((await client().metadata('a')).current_version).toBe(2)
  })

  it('leads to another Vault when told', async () => {
    const other = await startDevVault({ port: 0, dataFile: null, rootToken: 'other' })
    proxy.target = other.address
    expect((await client().request('GET', 'auth/token/lookup-self')).status).toBe(403)
    await other.close()
  })
})
