/** What happens to the store while the server runs and when it starts: taken away, locked, full, read-only, damaged. */
import { execFileSync, spawn } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs'
import { createInterface } from 'node:readline'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import { keyString } from '../support/syncing.ts'
import type { NodeServer } from '../support/node-server.ts'
import { nodeServer } from '../support/node-server.ts'
import { smallDisk } from '../support/small-disk.ts'
import { vaultClient } from '../support/vault.ts'

type Vault = Awaited<ReturnType<typeof startDevVault>>

const GONE = { status: 503, code: 'ERR_STORE_UNAVAILABLE' }
const DONE = { status: 204 }
const SYNC = '/keyring/vault/sync'

const running: NodeServer[] = []
let vault: Vault
beforeEach(async () => {
  vault = await startDevVault({ port: 0, dataFile: null })
})
afterEach(async () => {
  for (const server of running.splice(0)) await server.end('SIGKILL')
  await vault.close()
})

const write = (id: string) => vaultClient(vault.address, 'root').write('keyring', { id, key: keyString(id) })

async function serve(database: string): Promise<NodeServer> {
  const server = await nodeServer({ KEYRING_VAULT_HOST: vault.address, KEYRING_DATABASE: database })
  running.push(server)
  return server
}

/** Keys "one" and "two"; "two" is active. */
async function withTwoKeys(database: string): Promise<NodeServer> {
  await write('one')
  const server = await serve(database)
  await write('two')
  expect(await server.call(SYNC, {})).toMatchObject(DONE)
  return server
}

/** As a crash leaves it: nothing is written at the end, and Vault does not bring anything back. */
async function restarted(server: NodeServer, database: string): Promise<NodeServer> {
  await server.end('SIGKILL')
  await vaultClient(vault.address, 'root').request('PUT', 'sys/seal')
  return serve(database)
}

it('a limit on the size of files stops a write: it is said so, and the next one goes on where it is lifted', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  const path = join(folder, 'db')
  const server = await withTwoKeys(path)
  const limit = (bytes: number | 'unlimited') =>
    void execFileSync('prlimit', ['--pid', String(server.pid), `--fsize=${bytes}:`])
  const { body } = await server.call('/keyrings/default/encrypt', { plaintext: 'x' })
  await write('three')
  limit(statSync(path).size / 2)
  expect(await server.call(SYNC, {})).toMatchObject({
    ...GONE,
    body: { detail: expect.stringContaining('a limit on the size of files'), remedy: expect.stringContaining('limit') },
  })
  expect(await server.call('/keyrings/default/decrypt', { ciphertext: body['ciphertext'] })).toMatchObject({
    body: { plaintext: 'x' },
  })
  limit('unlimited')
  expect(await server.call(SYNC, {})).toMatchObject(DONE)
  expect(await server.call('/keyrings/default/encrypt', { plaintext: 'x' })).toMatchObject({
    body: { key_id: 'three' },
  })
  rmSync(folder, { recursive: true })
})

describe('the store is taken away under the process', () => {
  let folder: string
  let path: string
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'edge-keyring-')), 'data')
    mkdirSync(folder)
    path = join(folder, 'db')
  })
  afterEach(() => rmSync(join(folder, '..'), { recursive: true }))

  const removeOne = (server: NodeServer) => server.call('/keyring/remove', { id: 'one', force: true })
  const beside = () => readdirSync(folder).filter((name) => name !== 'db')

  it.each([
    ['the file is deleted', () => rmSync(path)],
    ['its folder is deleted', () => rmSync(folder, { recursive: true })],
    ['its folder is moved', () => renameSync(folder, `${folder}-moved`)],
    ['the file is cut to nothing', () => truncateSync(path, 0)],
    ['the file is cut to half', () => truncateSync(path, statSync(path).size / 2)],
    ['an empty file stands there', () => (rmSync(path), new DatabaseSync(path).close(), truncateSync(path, 0))],
  ])('%s: nothing is answered as done, and what is held serves', async (_, takeAway) => {
    const server = await withTwoKeys(path)
    await write('three')
    takeAway()
    expect(await server.call(SYNC, {})).toMatchObject(GONE)
    expect(await removeOne(server)).toMatchObject(GONE)
    expect(await server.call('/keyrings/default/encrypt', { plaintext: 'x' })).toMatchObject({
      status: 200,
      body: { key_id: 'two' },
      warning: 'ERR_STORE_UNAVAILABLE',
    })
    expect(await server.call('/keyring')).toMatchObject({ status: 200, body: { ids: ['one', 'two'], active: 'two' } })
    expect(server.said()).not.toContain('"defect"')
  })

  it.each([
    ['deleted', (name: string) => rmSync(name)],
    ['cut short', (name: string) => truncateSync(name, 100)],
  ])('all that stands beside the file is %s: a removed key stays removed', async (_, spoil) => {
    const server = await withTwoKeys(path)
    for (const name of beside()) spoil(join(folder, name))
    expect(await removeOne(server)).toMatchObject(DONE)
    await write('three')
    expect(await server.call(SYNC, {})).toMatchObject(DONE)
    const after = await restarted(server, path)
    expect(await after.call('/keyring')).toMatchObject({ body: { ids: ['two', 'three'], active: 'three' } })
  })

  it('put back, or replaced by a copy, it is taken up without a restart', async () => {
    const server = await withTwoKeys(path)
    renameSync(folder, `${folder}-moved`)
    expect(await removeOne(server)).toMatchObject(GONE)
    renameSync(`${folder}-moved`, folder)
    expect(await removeOne(server)).toMatchObject(DONE)
    copyFileSync(path, `${path}-copy`)
    renameSync(`${path}-copy`, path)
    await write('three')
    expect(await server.call(SYNC, {})).toMatchObject(DONE)
    const after = await restarted(server, path)
    expect(await after.call('/keyring')).toMatchObject({ body: { ids: ['two', 'three'], active: 'three' } })
  })

  it('an older copy in its place is a rollback, not a state to go on from', async () => {
    const server = await withTwoKeys(path)
    copyFileSync(path, `${path}-copy`)
    expect(await removeOne(server)).toMatchObject(DONE)
    renameSync(`${path}-copy`, path)
    expect(await server.call(SYNC, {})).toMatchObject({ status: 500, code: 'ERR_RECORD_ROLLED_BACK' })
    expect(await server.call('/keyring')).toMatchObject({ body: { ids: ['two'] }, warning: 'ERR_RECORD_ROLLED_BACK' })
  })

  it.each([
    ['a database that was cut short', () => truncateSync(path, statSync(path).size / 2)],
    ['a WAL of an older release that was cut short', () => cutWal(path)],
  ])('%s is refused with a code, a sentence and a remedy', async (_, spoil) => {
    await (await withTwoKeys(path)).end('SIGTERM')
    spoil()
    let refused: unknown = null
    try {
      await sqliteStore(path).get('keyring/default')
    } catch (error) {
      refused = error
    }
    expect(refused).toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: expect.stringContaining(path),
      remedy: expect.stringContaining('Put a backup in its place'),
    })
  })
})

/** The database is now in its WAL alone, and the middle of that is gone. */
function cutWal(path: string): void {
  rmSync(path)
  const database = new DatabaseSync(path)
  database.exec(
    'PRAGMA journal_mode = WAL; PRAGMA user_version = 1; CREATE TABLE record (name TEXT PRIMARY KEY, version INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT',
  )
  database.prepare('INSERT INTO record VALUES (?, 1, ?)').run('keyring/default', new Uint8Array(50_000))
  for (const suffix of ['', '-wal']) copyFileSync(`${path}${suffix}`, `${path}-copy${suffix}`)
  database.close()
  for (const suffix of ['', '-wal']) renameSync(`${path}-copy${suffix}`, `${path}${suffix}`)
  truncateSync(`${path}-wal`, 10_000)
}

describe('the store is locked by another process', () => {
  let folder: string
  let path: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
    path = join(folder, 'db')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** Holds the file alone until told to let go. */
  async function lock(): Promise<{ release: () => Promise<void> }> {
    const holder = spawn(
      process.execPath,
      [
        '-e',
        `const { DatabaseSync } = require('node:sqlite')
         const database = new DatabaseSync(process.argv[1], { timeout: 5000 })
         database.exec('BEGIN EXCLUSIVE')
         console.log('locked')
         process.stdin.on('end', () => (database.exec('ROLLBACK'), database.close())).resume()`,
        path,
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    await once(createInterface(holder.stdout), 'line')
    return {
      async release() {
        holder.stdin.end()
        await once(holder, 'close')
      },
    }
  }

  it('encryption and liveness go on while a removal waits for the lock, and it is done when that is gone', async () => {
    const server = await withTwoKeys(path)
    const held = await lock()
    const order: string[] = []
    const ask = async (name: string, path: string, body?: object) => {
      const answered = await server.call(path, body)
      order.push(`${name} ${answered.status}`)
    }
    const removal = ask('removal', '/keyring/remove', { id: 'one', force: true })
    await ask('liveness', '/healthz')
    await ask('encryption', '/keyrings/default/encrypt', { plaintext: 'x' })
    await held.release()
    await removal
    expect(order).toEqual(['liveness 200', 'encryption 200', 'removal 204'])
    expect(await server.call('/keyring')).toMatchObject({ body: { ids: ['two'] }, warning: null })
  })

  it('a write gives up after a while, and a start too: with a code and a remedy', async () => {
    const store = sqliteStore(path)
    await store.put('k', new Uint8Array([1]), 0)
    const held = await lock()
    const locked = { code: 'ERR_STORE_UNAVAILABLE', message: expect.stringContaining('is locked by another process') }
    await expect(store.put('k', new Uint8Array([2]), 1)).rejects.toMatchObject(locked)
    await expect(store.get('k')).rejects.toMatchObject(locked)
    expect(() => sqliteStore(path)).toThrow(expect.objectContaining(locked))
    await held.release()
    expect(await store.get('k')).toMatchObject({ version: 1 })
    store.close()
  })
})

it('a put that was overtaken while it was read back leaves nothing old behind', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  try {
    const path = join(folder, 'db')
    const [store, other] = [sqliteStore(path), new DatabaseSync(path)]
    await store.put('k', new Uint8Array([1]), 0)
    other.exec('BEGIN IMMEDIATE; ROLLBACK')
    const put = store.put('k', new Uint8Array([2]), 1)
    other.exec("BEGIN EXCLUSIVE; UPDATE record SET version = 3, bytes = x'03'")
    await new Promise((resolve) => setImmediate(resolve))
    other.exec('COMMIT')
    await store.get('another')
    await put.catch(() => 'late')
    expect(await store.get('k')).toMatchObject({ version: 3 })
    other.close()
    store.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

describe('a disk that takes nothing', () => {
  it.each([
    ['full', 'its disk is full', 'SIGTERM'],
    ['full', 'its disk is full', 'SIGKILL'],
    ['read-only', 'not be written', 'SIGTERM'],
    ['read-only', 'not be written', 'SIGKILL'],
  ] as const)(
    '%s: what is stored serves after a restart, and writes say why not (%s, %s)',
    async (kind, why, signal) => {
      const disk = smallDisk()
      try {
        const path = join(disk.folder, 'db')
        const before = await withTwoKeys(path)
        const { body } = await before.call('/keyrings/default/encrypt', { plaintext: 'x' })
        await before.end(signal)
        if (kind === 'full') disk.fill()
        else disk.setReadOnly()
        await write('three')
        const server = await serve(path)
        expect(server.said()).toMatch(
          new RegExp(`"part":"store","code":"ERR_STORE_UNAVAILABLE","message":"[^"]*${why}`),
        )
        expect(await server.call('/readyz')).toMatchObject({ status: 200 })
        expect(await server.call('/keyring')).toMatchObject({ body: { ids: ['one', 'two'], active: 'two' } })
        expect(await server.call('/keyrings/default')).toMatchObject({ status: 200 })
        expect(await server.call('/keyrings/default/encrypt', { plaintext: 'x' })).toMatchObject({ status: 200 })
        const { ciphertext } = body
        expect(await server.call('/keyrings/default/decrypt', { ciphertext })).toMatchObject({
          body: { plaintext: 'x' },
        })
        for (const refused of [
          await server.call(SYNC, {}),
          await server.call('/keyring/remove', { id: 'one', force: true }),
        ])
          expect(refused).toMatchObject({
            ...GONE,
            body: { remedy: expect.stringMatching(/until then what is stored serves/) },
          })
        await server.end('SIGKILL')
        expect(existsSync(`${path}-wal`)).toBe(false)
      } finally {
        for (const server of running.splice(0)) await server.end('SIGKILL')
        disk.remove()
      }
    },
  )
})
