/** The store of secrets in SQLite, beside the records: the same table on Node and in a Durable Object. */
import type { Bytes } from '../core/bytes.ts'
import { refuseLargeRecord } from '../core/record-size.ts'
import type { ItemStore } from '../core/secrets.ts'

/** Runs one statement, which is atomic. @throws `ERR_STORE_UNAVAILABLE`. */
export type RunSql = (query: string, ...bindings: readonly (string | number | Bytes)[]) => Promise<readonly object[]>

const TABLE = `CREATE TABLE IF NOT EXISTS secret (vault TEXT, name TEXT, version INTEGER NOT NULL, due INTEGER NOT NULL, expires INTEGER NOT NULL,
  bytes BLOB NOT NULL, PRIMARY KEY (vault, name)) STRICT`
/** So many that have expired go with each put. */
const SWEPT = 10
/** The column takes neither fractions nor infinity. */
const whole = (time: number): number => Math.min(Math.ceil(time), Number.MAX_SAFE_INTEGER)

export function sqlItems(run: RunSql, now: () => number): ItemStore {
  let isMade = false
  const made: RunSql = async (...statement) => {
    if (!isMade) await run(TABLE)
    isMade = true
    return run(...statement)
  }
  const names = async (...statement: Parameters<RunSql>) =>
    ((await made(...statement)) as { readonly name: string }[]).map(({ name }) => name)
  return {
    async get(group, name) {
      const rows = await made(
        'SELECT version, bytes FROM secret WHERE vault = ? AND name = ? AND expires > ?',
        group,
        name,
        now(),
      )
      const [row] = rows as { readonly version: number; readonly bytes: ArrayBuffer | Bytes }[]
      return row ? { version: Number(row.version), bytes: new Uint8Array(row.bytes) } : null
    },
    async put(group, name, bytes, expected, { due, expires }) {
      refuseLargeRecord(name, bytes)
      const values = [whole(due), whole(expires), bytes] as const
      const set = 'due = excluded.due, expires = excluded.expires, bytes = excluded.bytes'
      const [row] = (
        expected === 0
          ? await made(
              `INSERT INTO secret (vault, name, version, due, expires, bytes) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT
             DO UPDATE SET version = max(excluded.version, version + 1), ${set} WHERE secret.expires <= ? RETURNING version`,
              group,
              name,
              now(),
              ...values,
              now(),
            )
          : await made(
              `UPDATE secret SET version = max(?, version + 1), due = ?, expires = ?, bytes = ?
             WHERE vault = ? AND name = ? AND version = ? RETURNING version`,
              now(),
              ...values,
              group,
              name,
              expected,
            )
      ) as { readonly version: number }[]
      if (row === undefined) return 'conflict'
      await made(
        'DELETE FROM secret WHERE rowid IN (SELECT rowid FROM secret WHERE expires <= ? LIMIT ?)',
        now(),
        SWEPT,
      )
      return Number(row.version)
    },
    async delete(group, name, expected) {
      await made('DELETE FROM secret WHERE vault = ? AND name = ? AND version = ?', group, name, expected)
    },
    due: (group, time, most) =>
      names(
        'SELECT name FROM secret WHERE vault = ? AND due <= ? AND expires > ? ORDER BY due LIMIT ?',
        group,
        time,
        now(),
        most,
      ),
    list: (group, after, most) =>
      names(
        'SELECT name FROM secret WHERE vault = ? AND name > ? AND expires > ? ORDER BY name LIMIT ?',
        group,
        after,
        now(),
        most,
      ),
  }
}
