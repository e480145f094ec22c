/** The store of secrets in SQLite, beside the records: the same table on Node and in a Durable Object. */
import type { Bytes } from '../core/bytes.ts'
import { refuseLargeRecord } from '../core/record-size.ts'
import type { ItemStore } from '../core/secrets.ts'

/** Runs one statement, which is atomic. @throws `ERR_STORE_UNAVAILABLE`. */
export type RunSql = (query: string, ...bindings: readonly (string | number | Bytes)[]) => Promise<readonly object[]>

const TABLE = `CREATE TABLE IF NOT EXISTS secret (vault TEXT, name TEXT, version INTEGER NOT NULL, due INTEGER NOT NULL, expires INTEGER NOT NULL,
  bytes BLOB NOT NULL, PRIMARY KEY (vault, name)) STRICT`
/** By vault, name, and the time in milliseconds. */
export const SELECT_ITEM = 'SELECT version, bytes FROM secret WHERE vault = ? AND name = ? AND expires > ?'
/** What has expired is removed no more often, in milliseconds, because each time all rows are read. */
const SWEEP_MS = 60_000

/** The column takes neither fractions nor infinity. */
const whole = (time: number): number => Math.min(Math.ceil(time), Number.MAX_SAFE_INTEGER)

export function sqlItems(run: RunSql, now: () => number): ItemStore {
  const made = withTable(run)
  const names = async (condition: string, ...bindings: readonly (string | number)[]) =>
    ((await made(`SELECT name FROM secret WHERE vault = ? AND ${condition}`, ...bindings)) as Named[]).map(
      ({ name }) => name,
    )
  return {
    async get(group, name) {
      const [row] = (await made(SELECT_ITEM, group, name, now())) as Row[]
      return row ? { version: row.version, bytes: new Uint8Array(row.bytes) } : null
    },
    put: puts(made, now),
    async delete(group, name, expected) {
      await made('DELETE FROM secret WHERE vault = ? AND name = ? AND version = ?', group, name, expected)
    },
    due: (group, time, most) => names('due <= ? AND expires > ? ORDER BY due LIMIT ?', group, time, now(), most),
    list: (group, after, most) => names('name > ? AND expires > ? ORDER BY name LIMIT ?', group, after, now(), most),
  }
}

interface Named {
  readonly name: string
}
interface Row {
  readonly version: number
  readonly bytes: ArrayBuffer | Bytes
}

function withTable(run: RunSql): RunSql {
  let isMade = false
  return async (...statement) => {
    if (!isMade) await run(TABLE)
    isMade = true
    return run(...statement)
  }
}

const INSERT = `INSERT INTO secret (version, due, expires, bytes, vault, name) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET version = max(excluded.version, version + 1), due = excluded.due, expires = excluded.expires, bytes = excluded.bytes
  WHERE secret.expires <= ? RETURNING version`
const UPDATE = `UPDATE secret SET version = max(?, version + 1), due = ?, expires = ?, bytes = ?
  WHERE vault = ? AND name = ? AND version = ? RETURNING version`

function puts(run: RunSql, now: () => number): ItemStore['put'] {
  let swept = 0
  return async (group, name, bytes, expected, { due, expires }) => {
    refuseLargeRecord(name, bytes)
    const values = [now(), whole(due), whole(expires), bytes, group, name] as const
    const rows = expected === 0 ? await run(INSERT, ...values, now()) : await run(UPDATE, ...values, expected)
    const [row] = rows as Row[]
    if (row === undefined) return 'conflict'
    if (Math.abs(now() - swept) >= SWEEP_MS) {
      swept = now()
      await run('DELETE FROM secret WHERE expires <= ?', now())
    }
    return row.version
  }
}
