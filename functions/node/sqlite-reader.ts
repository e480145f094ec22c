/** The record store on Node for whoever only reads it, such as an application beside the server: it makes no file and takes no lock that others would wait for. */
import { statSync } from 'node:fs'
import type * as Sqlite from 'node:sqlite'
import { KeyringError } from '../../src/core/errors.ts'
import type { StoredRecord } from '../../src/core/ports.ts'
import { fileIdentity, layoutOf, recordsIn, whenUnlocked } from './sqlite-records.ts'
import { guarded, isNoDatabase, sqliteUnavailable } from './sqlite-trouble.ts'

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

/** Whoever only reads has most likely another file's path: nothing of that is to be moved away. */
const OTHER_PATH = 'Give the path of the file that the server makes at its start.'
const ABSENT = ['does not exist', OTHER_PATH] as const
const FOREIGN = ['is none that a server has made', OTHER_PATH] as const

/** It is asked for by a call, which bundlers leave where it is: a Node without SQLite starts all the same. @throws `ERR_STORE_UNAVAILABLE`. */
export async function sqliteReader(path: string): Promise<SqliteReader> {
  const sqlite = await import('node:sqlite').catch(() => {
    throw new KeyringError('ERR_STORE_UNAVAILABLE', 'This Node has no node:sqlite.', {
      remedy: 'Use Node 22.13 or newer, or give a store of your own.',
    })
  })
  const open = (identity: string) => openToRead(sqlite, path, identity)
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) throw sqliteUnavailable(path, ...FOREIGN)
  let file = guarded(path, () => open(fileIdentity(path, ABSENT)))
  /** A file that was put back or replaced is taken up. */
  const current = () => {
    const identity = fileIdentity(path)
    if (identity === file.identity) return file
    const next = open(identity)
    file.database.close()
    return (file = next)
  }
  const patiently = <T>(work: (opened: typeof file) => T): Promise<T> => {
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

function openToRead({ DatabaseSync }: typeof Sqlite, path: string, identity: string) {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 0 })
  try {
    const table = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'record'").get()
    if (table === undefined) throw sqliteUnavailable(path, ...FOREIGN)
    layoutOf(path, database)
    return { identity, database, ...recordsIn(database) }
  } catch (error) {
    database.close()
    throw isNoDatabase(error) ? sqliteUnavailable(path, ...FOREIGN) : error
  }
}
