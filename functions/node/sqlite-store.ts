/**
 * The record store on Node: one SQLite file, which several processes may share. It has a rollback journal and no WAL, so
 * that between two writes the file is all there is: nothing beside it can be lost, and a full or read-only disk can be read.
 */
import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { KeyringError } from '../../src/core/errors.ts'
import type { SharedStore, StoredRecord } from '../../src/core/ports.ts'
import { refuseLargeRecord } from '../../src/core/record-size.ts'
import type { RunSql } from '../../src/secrets/sql-items.ts'
import { LAYOUT, fileIdentity, layoutOf, pauseMs, readRecord, recordsIn, whenUnlocked } from './sqlite-records.ts'
import { GONE, WRITABLE, asUnavailable, isLocked, waitingHelps, sqliteUnavailable } from './sqlite-trouble.ts'

/** How long a process goes by what it has read, in milliseconds. */
export const SQLITE_READERS_MS = 1000
/** How long the start and a write wait for another process's lock, in milliseconds. */
const WAIT_MS = 5000
/** How long reads wait for a lock, all together; then they fail at once until it is gone, and what an instance holds serves. */
const READ_WAIT_MS = 500
/** A lock met this long after the last one is another one. */
const NEXT_LOCK_MS = 1000

export interface SqliteStore extends SharedStore {
  /** Why it could be read and not written when it was opened; `null` = it could. */
  readonly trouble: KeyringError | null
  /** Runs a statement of somebody else's table in the same file. */
  readonly run: RunSql
  close(): void
}

/** @throws `ERR_STORE_UNAVAILABLE`. */
export function sqliteStore(path: string): SqliteStore {
  let file = atStart(path, () => {
    createFile(path)
    return openFile(path)
  })
  const trouble = atStart(path, () => prepare(path, file))
  const lock = { since: 0, last: Number.NEGATIVE_INFINITY }

  /** What stands at the path now: a file that was put back or replaced is taken up, one that is gone is not written to. */
  const current = (): File => {
    const identity = fileIdentity(path)
    if (identity !== file.identity) {
      const next = openFile(path)
      file.database.close()
      file = next
    }
    return file
  }
  const readsGiveUpAt = (): number => {
    const now = performance.now()
    if (now - lock.last > NEXT_LOCK_MS) lock.since = now
    lock.last = now
    return lock.since + READ_WAIT_MS
  }

  return {
    readersMs: SQLITE_READERS_MS,
    trouble,
    async get(name) {
      const stored = await whenUnlocked(path, readsGiveUpAt, () => current().get(name))
      lock.last = Number.NEGATIVE_INFINITY
      return stored
    },
    async put(name, bytes, expected) {
      refuseLargeRecord(name, bytes)
      const patiently = patience(path)
      const isPut = await patiently(() => current().put(name, bytes, expected))
      if (!isPut) return 'conflict'
      const stands = await patiently(() => readFresh(path, name))
      if (stands === null || stands.version <= expected || !isSame(stands, bytes, expected + 1))
        throw sqliteUnavailable(path, 'was taken away or replaced while it was written', GONE)
      // It is not kept: while the read-back waited, somebody else may have written, and a look may have noticed that already.
      return { bytes: bytes.slice(), version: expected + 1 }
    },
    run: (query, ...bindings) =>
      patience(path)(() =>
        current()
          .database.prepare(query)
          .all(...bindings),
      ),
    close: () => file.database.close(),
  }
}

/** For one write, however many steps it has. */
function patience(path: string): <T>(work: () => T) => Promise<T> {
  const giveUpAt = performance.now() + WAIT_MS
  return (work) => whenUnlocked(path, () => giveUpAt, work)
}

/** A newer version is somebody's who has read this one. */
const isSame = (stands: StoredRecord, bytes: Uint8Array, version: number): boolean =>
  stands.version > version || Buffer.compare(stands.bytes, bytes) === 0

type Connection = ReturnType<typeof connect>
/** `identity` says which file it is on: the one at the path may become another one. */
type File = Connection & { readonly identity: string }

/** Opens what is at the path, and once more if that was replaced meanwhile. */
function openFile(path: string): File {
  const identity = fileIdentity(path)
  const connection = connect(path)
  if (fileIdentity(path) === identity) return { ...connection, identity }
  connection.database.close()
  return openFile(path)
}

function connect(path: string) {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    const mode = database.prepare('PRAGMA journal_mode = DELETE').get()?.['journal_mode']
    if (mode !== 'delete')
      throw sqliteUnavailable(path, `cannot be taken out of the journal mode "${String(mode)}"`, WRITABLE)
    // FULL would leave open whether the journal's end outlives a loss of power: the write before would be back.
    database.exec('PRAGMA synchronous = EXTRA')
    return { database, layout: layoutOf(path, database), ...recordsIn(database) }
  } catch (error) {
    database.close()
    throw error
  }
}

/** Reads as the next start will: through the path, past everything that a connection keeps. */
function readFresh(path: string, name: string): StoredRecord | null {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 0 })
  try {
    return readRecord(database, name)
  } finally {
    database.close()
  }
}

/** Makes the file only where there is none, because closing a file that SQLite has open in this process would drop SQLite's locks on it. */
function createFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EEXIST') throw error
  }
}

/** Makes the table, or writes what is there already: a full or read-only disk is to be known before the first sync. */
function prepare(path: string, { database, layout }: File): KeyringError | null {
  if (layout === 0)
    database.exec(
      'CREATE TABLE IF NOT EXISTS record (name TEXT PRIMARY KEY, version INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT',
    )
  try {
    database.exec(`PRAGMA user_version = ${LAYOUT}`)
    return null
  } catch (error) {
    if (layout === 0 || isLocked(error)) throw error
    return asUnavailable(path, error)
  }
}

/** Nothing is served yet, so that this one may wait in place. */
function atStart<T>(path: string, work: () => T): T {
  const giveUpAt = performance.now() + WAIT_MS
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!waitingHelps(error) || performance.now() > giveUpAt) throw asUnavailable(path, error)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs())
    }
  }
}
