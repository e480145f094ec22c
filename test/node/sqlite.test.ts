import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startDevVault } from '../../functions/dev-vault/server.ts'
import { sqliteStore } from '../../functions/node/sqlite-store.ts'
import { killedAfter } from '../support/killed.ts'
import { vaultClient } from '../support/vault.ts'
import { recordNumber } from './children/numbered.ts'

const run = promisify(execFile)
const child = (name: string): string => join(import.meta.dirname, 'children', `${name}.ts`)

/** In memory where there is one: what processes do to each other is the same there, and thousands of writes are quick. */
const DISK = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

describe('one SQLite file', () => {
  let folder: string
  let path: string
  beforeEach(() => {
    folder = mkdtempSync(join(DISK, 'edge-keyring-'))
    path = join(folder, 'db')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('is opened by three threads at the same moment, a hundred times', async () => {
    const task = { folder, files: 100, threads: 3, gate: new SharedArrayBuffer(4) }
    const threads = [1, 2, 3].map(() => new Worker(child('open'), { workerData: task }))
    const refused = await Promise.all(threads.map(async (thread) => (await once(thread, 'message')) as string[][]))
    expect(refused.flat(2)).toEqual([])
  })

  it('counts to 4,000 when four processes raise a counter 1,000 times each', async () => {
    sqliteStore(path).close()
    await Promise.all([1, 2, 3, 4].map(() => run(process.execPath, [child('count'), path, '1000'])))
    const store = sqliteStore(path)
    expect(new TextDecoder().decode((await store.get('counter'))?.bytes)).toBe('4000')
    store.close()
  })

  it('has mode 600, and stands alone between two writes', async () => {
    const store = sqliteStore(path)
    await store.put('k', new Uint8Array(1), 0)
    const modes = readdirSync(folder).map((name) => [name, (statSync(join(folder, name)).mode & 0o777).toString(8)])
    store.close()
    expect(modes).toEqual([['db', '600']])
  })

  it('of an older release comes out of its WAL with all that it holds', async () => {
    const database = new DatabaseSync(path)
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA user_version = 1; CREATE TABLE record (name TEXT PRIMARY KEY, version INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT',
    )
    database.prepare('INSERT INTO record VALUES (?, 7, ?)').run('k', new Uint8Array([7]))
    for (const suffix of ['', '-wal']) copyFileSync(`${path}${suffix}`, join(folder, `killed${suffix}`))
    database.close()
    const store = sqliteStore(join(folder, 'killed'))
    expect(await store.get('k')).toEqual({ version: 7, bytes: new Uint8Array([7]) })
    store.close()
    expect(readdirSync(folder)).toEqual(['db', 'killed'])
  })

  it('of a newer release is refused', () => {
    const database = new DatabaseSync(path)
    database.exec('PRAGMA user_version = 99')
    database.close()
    expect(() => sqliteStore(path)).toThrow(
      expect.objectContaining({ code: 'ERR_STORE_UNAVAILABLE', message: expect.stringMatching(/newer release/) }),
    )
  })

  it.each([
    ['a folder that does not exist', () => join(folder, 'none', 'db')],
    ['a folder', () => folder],
    ['a file that is no database', () => import.meta.filename],
  ])('in %s is refused with its path', (_name, where) => {
    expect(() => sqliteStore(where())).toThrow(
      expect.objectContaining({ code: 'ERR_STORE_UNAVAILABLE', message: expect.stringContaining(where()) }),
    )
  })
})

/** Their rounds are tests, so that the limit of time is for a part of the work, on a busy machine too; what they leave stays for the next. */
const inOneFolder = (): (() => string) => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(DISK, 'edge-keyring-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))
  return () => join(folder, 'db')
}

describe('one SQLite file of three processes that sync at once', () => {
  const path = inOneFolder()
  const ids: string[] = []
  let vault: Awaited<ReturnType<typeof startDevVault>>
  beforeAll(async () => {
    vault = await startDevVault({ port: 0, dataFile: null })
  })
  afterAll(() => vault.close())

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])('loses no key in round %i', async (round) => {
    ids.push(`round-${round}`)
    const key = `key of round ${round}: 0123456789abcdefghij`
    await vaultClient(vault.address, 'root').write('keyring', { id: `round-${round}`, key })
    const told = await Promise.all(
      [1, 2, 3].map(() => run(process.execPath, [child('sync'), path(), vault.address, 'keyring'])),
    )
    for (const { stdout } of told) expect(JSON.parse(stdout)).toEqual({ ids, active: `round-${round}` })
  })
})

/** Over when the time of the file has just changed: most kills then fall into a write. */
function inTheMiddle(path: string): void {
  const before = statSync(path, { bigint: true }).mtimeNs
  for (let looks = 0; looks < 100_000; looks += 1) if (statSync(path, { bigint: true }).mtimeNs !== before) return
}

describe('one SQLite file, killed at 200 times', () => {
  const path = inOneFolder()
  const ROUNDS = Array.from({ length: 10 }, (_, round) => ({ first: 20 * round + 1, last: 20 * round + 20 }))

  it.each(ROUNDS)(
    'holds a whole record, not older than the last one told, after each kill: $first to $last',
    async ({ first, last }) => {
      for (let kill = first; kill <= last; kill += 1) {
        const told = await killedAfter([child('write'), path()], 1 + (kill % 7), () => inTheMiddle(path()))
        const store = sqliteStore(path())
        const stored = await store.get('record')
        store.close()
        expect(stored?.version).toBeGreaterThanOrEqual(told)
        expect(Buffer.compare(stored?.bytes ?? Buffer.alloc(0), recordNumber(stored?.version ?? 0))).toBe(0)
      }
    },
  )
})
