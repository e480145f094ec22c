/** The record store on Node for whoever only reads it, such as an application beside the server: it makes no file and takes no lock that others would wait for. */
import { DatabaseSync } from 'node:sqlite'
import type { StoredRecord } from '../../src/core/ports.ts'
import { fileIdentity, layoutOf, recordsIn, whenUnlocked } from './sqlite-store.ts'
import { guarded } from './sqlite-trouble.ts'

/** How long a read waits for the lock of a write, in milliseconds. */
const WAIT_MS = 500

export interface SqliteReader {
  get(name: string): Promise<StoredRecord | null>
  /** What is stored, at once. @throws where a write is under way. */
  peek(name: string): StoredRecord | null
  /** The first row of somebody else's table in the same file. */
  row(query: string, ...bindings: readonly (string | number)[]): Promise<Readonly<Record<string, unknown>> | undefined>
  close(): void
}

/** @throws `ERR_STORE_UNAVAILABLE`. */
export function sqliteReader(path: string): SqliteReader {
  let file = guarded(path, () => openToRead(path))
  /** A file that was put back or replaced is taken up. */
  const current = () => {
    const identity = fileIdentity(path)
    if (identity === file.identity) return file
    const next = openToRead(path)
    file.database.close()
    return (file = next)
  }
  const patiently = <T>(work: (file: ReturnType<typeof openToRead>) => T): Promise<T> => {
    const giveUpAt = performance.now() + WAIT_MS
    return whenUnlocked(
      path,
      () => giveUpAt,
      () => work(current()),
    )
  }
  return {
    get: (name) => patiently((opened) => opened.get(name)),
    row: (query, ...bindings) => patiently(({ database }) => database.prepare(query).get(...bindings)),
    peek: (name) => current().get(name),
    close: () => file.database.close(),
  }
}

function openToRead(path: string) {
  const identity = fileIdentity(path)
  const database = new DatabaseSync(path, { readOnly: true, timeout: 0 })
  try {
    layoutOf(path, database)
    return { identity, database, ...recordsIn(database) }
  } catch (error) {
    database.close()
    throw error
  }
}
