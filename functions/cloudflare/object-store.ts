/** The record store in a Durable Object: one row for each record, in its own SQLite. */
import { KeyringError } from '../../src/core/errors.ts'
import type { RecordStore, StoredRecord } from '../../src/core/ports.ts'
import { refuseLargeRecord } from '../../src/core/record-size.ts'

type Row = { version: number; bytes: ArrayBuffer }

/** Each statement is atomic; `sync` makes the answer of a put wait for the disk. */
export function objectStore({ sql, sync }: { sql: SqlStorage; sync: () => Promise<void> }): RecordStore {
  guarded(() =>
    sql.exec(
      'CREATE TABLE IF NOT EXISTS record (name TEXT PRIMARY KEY, version INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT',
    ),
  )
  const known = new Map<string, StoredRecord>()

  const versionOf = (name: string): number | null =>
    guarded(() => sql.exec<{ version: number }>('SELECT version FROM record WHERE name = ?', name).toArray())[0]
      ?.version ?? null
  const load = (name: string): StoredRecord | null => {
    const [row] = guarded(() => sql.exec<Row>('SELECT version, bytes FROM record WHERE name = ?', name).toArray())
    return row === undefined ? null : { version: row.version, bytes: new Uint8Array(row.bytes) }
  }
  const write = (name: string, bytes: Uint8Array<ArrayBuffer>, expected: number): number =>
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
    async get(name) {
      const held = known.get(name)
      if (held !== undefined && held.version === versionOf(name)) return held
      const stored = load(name)
      if (stored !== null) known.set(name, stored)
      return stored
    },
    async put(name, bytes, expected) {
      refuseLargeRecord(name, bytes)
      const written = write(name, bytes, expected)
      known.delete(name)
      if (written === 0) return 'conflict'
      await sync()
      const stored = { bytes: bytes.slice(), version: expected + 1 }
      known.set(name, stored)
      return stored
    },
  }
}

/** The platform's errors by name; their texts stay inside. */
function guarded<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    const name = error instanceof Error ? error.name : 'unknown'
    throw new KeyringError('ERR_STORE_UNAVAILABLE', `The Durable Object's storage cannot be used (${name}).`)
  }
}
