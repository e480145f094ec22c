/** The SQLite of a Durable Object, on that of Node: for what the runtime does not let a test do. */
import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue } from 'node:sqlite'
import { onTestFinished } from 'vitest'

export function sqlStorage() {
  const database = new DatabaseSync(':memory:')
  onTestFinished(() => database.close())
  const exec = (query: string, ...bindings: SQLInputValue[]) => {
    const statement = database.prepare(query)
    if (query.startsWith('SELECT')) return { toArray: () => statement.all(...bindings), rowsWritten: 0 }
    return { toArray: () => [], rowsWritten: Number(statement.run(...bindings).changes) }
  }
  return { database, sql: { exec } }
}
