/** The record store on Node: one SQLite file, which several processes may share. */
import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { KeyringError } from '../../src/core/errors.ts'
import type { RecordStore, StoredRecord } from '../../src/core/ports.ts'
import { refuseLargeRecord } from '../../src/core/record-size.ts'

/** Raised with the layout of the table; a newer one is refused. */
const LAYOUT = 1
/** How long a statement waits for another process's write, in milliseconds. */
const BUSY_MS = 5000

export interface SqliteStore extends RecordStore {
  close(): void
}

/** @throws `ERR_STORE_UNAVAILABLE`. */
export function sqliteStore(path: string): SqliteStore {
  return guarded(path, () => openStore(path))
}

function openStore(path: string): SqliteStore {
  closeSync(openSync(path, 'a', 0o600))
  const database = new DatabaseSync(path, { timeout: BUSY_MS })
  patiently(() => database.exec('PRAGMA journal_mode = WAL'))
  database.exec('PRAGMA synchronous = FULL')
  const layout = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
  if (layout > LAYOUT) throw unavailable(path, `was written by a newer release (layout ${layout})`)
  database.exec(
    `CREATE TABLE IF NOT EXISTS record (name TEXT PRIMARY KEY, version INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT; PRAGMA user_version = ${LAYOUT}`,
  )

  const select = database.prepare('SELECT version, bytes FROM record WHERE name = ?')
  const insert = database.prepare('INSERT INTO record (name, version, bytes) VALUES (?, 1, ?) ON CONFLICT DO NOTHING')
  const update = database.prepare('UPDATE record SET version = version + 1, bytes = ? WHERE name = ? AND version = ?')
  const dataVersion = database.prepare('PRAGMA data_version')
  let known = new Map<string, StoredRecord | null>()
  let knownAt: unknown = null

  /** Another process's commit changes the data version; our own does not. */
  const get = (name: string): StoredRecord | null => {
    const at = dataVersion.get()?.['data_version']
    if (at !== knownAt) known = new Map()
    knownAt = at
    const held = known.get(name)
    if (held !== undefined) return held
    const row = select.get(name)
    const stored =
      row === undefined ? null : { version: Number(row['version']), bytes: row['bytes'] as Uint8Array<ArrayBuffer> }
    known.set(name, stored)
    return stored
  }

  return {
    get: async (name) => guarded(path, () => get(name)),
    async put(name, bytes, expected) {
      refuseLargeRecord(name, bytes)
      const { changes } = guarded(path, () =>
        expected === 0 ? insert.run(name, bytes) : update.run(bytes, name, expected),
      )
      known.delete(name)
      if (Number(changes) === 0) return 'conflict'
      const stored = { bytes: bytes.slice(), version: expected + 1 }
      known.set(name, stored)
      return stored
    },
    close: () => database.close(),
  }
}

const SQLITE_BUSY = 5
const PAUSE_MS = 10

/** Another process has the lock. */
export const isBusy = (error: unknown): boolean => (error as { errcode?: unknown }).errcode === SQLITE_BUSY

/** The first switch to WAL needs the file alone, and does not wait for others by itself as statements do. */
function patiently(work: () => void): void {
  const deadline = Date.now() + BUSY_MS
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || Date.now() > deadline) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
    }
  }
}

/** SQLite's and the system's errors by their code; their texts stay inside. */
export function guarded<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof KeyringError) throw error
    throw unavailable(path, `cannot be used (${reason(error)})`)
  }
}

function reason(error: unknown): string {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  return typeof errcode === 'number' ? `SQLite ${errcode}` : typeof code === 'string' ? code : 'unknown'
}

const unavailable = (path: string, what: string): KeyringError =>
  new KeyringError('ERR_STORE_UNAVAILABLE', `The database ${path} ${what}.`)
