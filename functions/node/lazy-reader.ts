/** The SQLite file of a server for an application beside it, which may run on a Node without SQLite until it opens one. */
import { KeyringError } from '../../src/core/errors.ts'
import type { SqliteReader } from './sqlite-reader.ts'

/** @throws `ERR_STORE_UNAVAILABLE`. */
export async function openReader(path: string): Promise<SqliteReader> {
  const { sqliteReader } = await import('./sqlite-reader.ts').catch(() => {
    throw new KeyringError('ERR_STORE_UNAVAILABLE', 'This Node has no node:sqlite.', {
      remedy: 'Use Node 22.13 or newer, or give a store of your own.',
    })
  })
  return sqliteReader(path)
}
