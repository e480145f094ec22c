/** The record store in a Durable Object: one row for each record, in its own SQLite. */
import type { Bytes } from '../../src/core/bytes.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { isOfProgram } from '../../src/core/network.ts'
import type { SharedStore, StoredRecord } from '../../src/core/ports.ts'
import { refuseLargeRecord } from '../../src/core/record-size.ts'
import type { RunSql } from '../../src/secrets/sql-items.ts'

/** What is used of a `SqlStorage`. */
interface Sql {
  exec(query: string, ...bindings: (string | number | Bytes)[]): { toArray(): object[]; readonly rowsWritten: number }
}

interface Row {
  readonly version: number
  readonly bytes: ArrayBuffer
}

/**
 * Each statement is atomic; `sync` makes the answer of a put wait for the disk. What was read once is not read again:
 * an object's storage has no other writer, and one that was superseded loses its next put and reads anew.
 * @param readersMs of isolates, which read the replica or ask the object.
 */
export function objectStore({ sql, sync }: { sql: Sql; sync: () => Promise<void> }, readersMs: number): SharedStore {
  guarded(() =>
    sql.exec(
      'CREATE TABLE IF NOT EXISTS record (name TEXT PRIMARY KEY, version INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT',
    ),
  )
  const known = new Map<string, StoredRecord>()

  const load = (name: string): StoredRecord | null => {
    const [row] = guarded(() => sql.exec('SELECT version, bytes FROM record WHERE name = ?', name).toArray() as Row[])
    return row === undefined ? null : { version: row.version, bytes: new Uint8Array(row.bytes) }
  }
  const write = (name: string, bytes: Bytes, expected: number): number =>
    guarded(() =>
      expected === 0
        ? sql.exec('INSERT INTO record (name, version, bytes) VALUES (?, 1, ?) ON CONFLICT DO NOTHING', name, bytes)
        : sql.exec(
            'UPDATE record SET version = version + 1, bytes = ? WHERE name = ? AND version = ?',
            bytes,
            name,
            expected,
          ),
    ).rowsWritten

  return {
    readersMs,
    async get(name) {
      const held = known.get(name)
      if (held !== undefined) return held
      const stored = load(name)
      if (stored !== null) known.set(name, stored)
      return stored
    },
    async put(name, bytes, expected) {
      refuseLargeRecord(name, bytes)
      try {
        if (write(name, bytes, expected) === 0) return 'conflict'
        await sync()
        return { bytes: bytes.slice(), version: expected + 1 }
      } finally {
        known.delete(name)
      }
    },
  }
}

/** Runs a statement of another table in the same storage. */
export const objectSql =
  ({ sql, sync }: { sql: Sql; sync: () => Promise<void> }): RunSql =>
  async (query, ...bindings) => {
    const rows = guarded(() => sql.exec(query, ...bindings).toArray())
    if (!query.startsWith('SELECT')) await sync()
    return rows
  }

/** The platform's errors are told by name; their texts stay inside. */
function guarded<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (isOfProgram(error)) throw error
    const name = error instanceof Error ? error.name : 'unknown'
    throw new KeyringError('ERR_STORE_UNAVAILABLE', `The Durable Object's storage cannot be used (${name}).`)
  }
}
