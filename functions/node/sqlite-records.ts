/** Records in a SQLite file, for whoever writes and whoever reads it. The database is given, so that a Node without SQLite can load this. */
import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import type { StoredRecord } from '../../src/core/ports.ts'
import { GONE, asUnavailable, sqliteUnavailable, waitingHelps } from './sqlite-trouble.ts'

/** Raised with the layout of the table; a newer one is refused. */
export const LAYOUT = 1
/** Between two tries, at most; a lock is free for moments only while many write. */
const PAUSE_MS = 3

/** @throws `ERR_STORE_UNAVAILABLE` for that of a newer release. */
export function layoutOf(path: string, database: DatabaseSync): number {
  const layout = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
  if (layout > LAYOUT) throw sqliteUnavailable(path, `was written by a newer release (layout ${layout})`)
  return layout
}

export function recordsIn(database: DatabaseSync) {
  const dataVersion = database.prepare('PRAGMA data_version')
  let known = new Map<string, StoredRecord | null>()
  let knownAt: unknown = null
  return {
    /** Another process's commit changes the data version; our own does not. */
    get(name: string): StoredRecord | null {
      const at = dataVersion.get()?.['data_version']
      if (at !== knownAt) known = new Map()
      knownAt = at
      const held = known.get(name)
      if (held !== undefined) return held
      const stored = readRecord(database, name)
      known.set(name, stored)
      return stored
    },
    /** False = somebody else wrote first. */
    put(name: string, bytes: Uint8Array, expected: number): boolean {
      known.delete(name)
      const { changes } =
        expected === 0
          ? database
              .prepare('INSERT INTO record (name, version, bytes) VALUES (?, 1, ?) ON CONFLICT DO NOTHING')
              .run(name, bytes)
          : database
              .prepare('UPDATE record SET version = version + 1, bytes = ? WHERE name = ? AND version = ?')
              .run(bytes, name, expected)
      return Number(changes) > 0
    },
  }
}

export function readRecord(database: DatabaseSync, name: string): StoredRecord | null {
  const row = database.prepare('SELECT version, bytes FROM record WHERE name = ?').get(name)
  return row === undefined ? null : { version: Number(row['version']), bytes: row['bytes'] as Uint8Array<ArrayBuffer> }
}

/** @param absent what is said of a file that is not there. @throws `ERR_STORE_UNAVAILABLE`. */
export function fileIdentity(
  path: string,
  absent: readonly [what: string, remedy: string] = ['is gone', GONE],
): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  if (found === undefined) throw sqliteUnavailable(path, ...absent)
  return `${found.dev} ${found.ino}`
}

/** Waits without holding up anything else in the process. `giveUpAt` is asked each time that a lock is met. */
export async function whenUnlocked<T>(path: string, giveUpAt: () => number, work: () => T): Promise<T> {
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!waitingHelps(error) || performance.now() > giveUpAt()) throw asUnavailable(path, error)
      await setTimeout(pauseMs())
    }
  }
}

export const pauseMs = (): number => 1 + Math.random() * (PAUSE_MS - 1)
