/** What SQLite and the system refuse, in words of ours: whether waiting may help, and what people can do about it. */
import { KeyringError } from '../../src/core/errors.ts'

const SQLITE_BUSY = 5

export const isLocked = (error: unknown): boolean => (codeOf(error) & 0xff) === SQLITE_BUSY

/** READONLY_ROLLBACK: to a connection that only reads, the journal of another process's write may look left behind for a moment. */
const SQLITE_JOURNAL_LEFT = 776

/** Waiting may help. */
export const waitingHelps = (error: unknown): boolean => isLocked(error) || codeOf(error) === SQLITE_JOURNAL_LEFT

/** It may be damaged, too. */
export const isNoDatabase = (error: unknown): boolean => codeOf(error) === 26

/** SQLite's extended code, whose lowest byte is the code; 0 = not SQLite's. */
function codeOf(error: unknown): number {
  const { errcode } = error as { errcode?: unknown }
  return typeof errcode === 'number' ? errcode : 0
}

export const GONE =
  'Put the file back: it is taken up at once. A start without it begins empty, and a sync brings removed keys back.'
export const WRITABLE =
  'Make the file, its folder and its disk writable for this user; until then what is stored serves.'
const DAMAGED =
  'Put a backup in its place; or move it away, start and sync: then remove again what was removed (docs/storage-schema.md).'

/** SQLite's result codes that people can do something about. */
const RESULTS: Readonly<Record<number, readonly [what: string, remedy: string]>> = {
  [SQLITE_BUSY]: [
    'is locked by another process',
    'End what holds the lock: a backup, an open sqlite3, a process of an older release.',
  ],
  1: ['does not have the table of an edge-keyring', DAMAGED],
  8: ['can be read, but not be written', WRITABLE],
  [SQLITE_JOURNAL_LEFT]: ['was left in the middle of a write, which cannot be undone: it is read-only', WRITABLE],
  10: [
    'cannot be read or written: a quota, a limit on the size of files, or its disk fails',
    'Raise the limit or mend the disk; leave a "-journal" beside it where it is. No restart is needed.',
  ],
  11: ['is damaged', DAMAGED],
  13: ['cannot be written: its disk is full', 'Free space on its disk; until then what is stored serves.'],
  14: ['cannot be opened', 'Check that it is a file, and that this user may read and write it and its folder.'],
  26: ['is no SQLite database, or damaged', DAMAGED],
}

/** @throws `ERR_STORE_UNAVAILABLE` for whatever SQLite or the system throws. */
export function guarded<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw asUnavailable(path, error)
  }
}

/** SQLite's and the system's errors by their code; their texts stay inside. */
export function asUnavailable(path: string, error: unknown): KeyringError {
  if (error instanceof KeyringError) return error
  const result = codeOf(error)
  const known = RESULTS[result] ?? RESULTS[result & 0xff]
  if (known !== undefined) return sqliteUnavailable(path, ...known)
  const { code } = error as { code?: unknown }
  const reason = result !== 0 ? `SQLite ${result}` : typeof code === 'string' ? code : 'unknown'
  return sqliteUnavailable(path, `cannot be used (${reason})`)
}

export function sqliteUnavailable(path: string, what: string, remedy?: string): KeyringError {
  return new KeyringError(
    'ERR_STORE_UNAVAILABLE',
    `The database ${path} ${what}.`,
    remedy === undefined ? {} : { remedy },
  )
}
