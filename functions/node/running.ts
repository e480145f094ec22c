/**
 * Which server runs in the local folder. The server holds `server.lock` for as long as it lives; the system drops a lock with its
 * process, however that ends, so that nothing a dead server leaves behind stops a start. While the lock is held, `server.json` says where
 * the server listens; without it the file means nothing.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import * as z from 'zod/mini'
import { parseJson } from '../../src/core/body.ts'
import { isLoopback } from '../../src/core/loopback.ts'
import { LOCAL_FOLDER, TOKEN_FILE } from './local.ts'
import { guarded, isLocked } from './sqlite-store.ts'

const LOCK = 'server.lock'
const LOCK_FILE = join(LOCAL_FOLDER, LOCK)
const SERVER_FILE = join(LOCAL_FOLDER, 'server.json')
/** Longer than a command looks at the lock, in milliseconds; only another server holds it for longer. */
const LOOK_MS = 1000

/** A token is sent to this address, so the file may name nothing but a port on loopback. */
const isServerUrl = (text: string): boolean =>
  /^http:\/\/[\w.[\]:]+$/.test(text) && URL.canParse(text) && isLoopback(new URL(text).hostname)

const runningServer = z.object({
  url: z.string().check(z.refine(isServerUrl)),
  pid: z.int().check(z.positive()),
  store: z.string().check(z.regex(/^\P{Cc}+$/u)),
  /** `null` = the server was started with tokens of its own. */
  token: z.nullable(z.literal(TOKEN_FILE)),
})
export type RunningServer = z.output<typeof runningServer>

export interface Hold {
  /** Forgets all that the folder keeps. The lock's file stays, or the next start would lock another one of that name. */
  clear(): void
  /** `null` = it does not answer any more. */
  announce(server: RunningServer | null): void
  release(): void
}

/** For as long as this process lives. `null` = another server has the folder. @throws `ERR_STORE_UNAVAILABLE`. */
export function holdFolder(): Hold | null {
  mkdirSync(LOCAL_FOLDER, { recursive: true, mode: 0o700 })
  const lock = guarded(LOCK_FILE, takeLock)
  if (lock === null) return null
  announce(null)
  return { clear, announce, release: () => lock.close() }
}

function clear(): void {
  for (const name of readdirSync(LOCAL_FOLDER)) if (name !== LOCK) rmSync(join(LOCAL_FOLDER, name), { recursive: true })
}

/** Whoever reads meanwhile finds a whole file or none. */
function announce(server: RunningServer | null): void {
  if (server === null) return rmSync(SERVER_FILE, { force: true })
  writeFileSync(`${SERVER_FILE}.new`, `${JSON.stringify(server)}\n`, { mode: 0o600 })
  renameSync(`${SERVER_FILE}.new`, SERVER_FILE)
}

/** SQLite knows each system's locks. Nothing is ever written to this file, so it needs no journal on the disk either. */
function takeLock(): DatabaseSync | null {
  closeSync(openSync(LOCK_FILE, 'a', 0o600))
  const lock = new DatabaseSync(LOCK_FILE, { timeout: LOOK_MS })
  return isFree(lock, 'PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE') ? lock : null
}

/** `unknown` = a server has the folder, and does not say where it listens: it starts, it stops, or the file was altered. */
export function whoRuns(): RunningServer | 'unknown' | 'nobody' {
  if (!guarded(LOCK_FILE, isHeld)) return 'nobody'
  return announced() ?? 'unknown'
}

/** Looks with a shared lock, so that commands do not take each other for a server. */
function isHeld(): boolean {
  if (!existsSync(LOCK_FILE)) return false
  const lock = new DatabaseSync(LOCK_FILE, { readOnly: true })
  try {
    return !isFree(lock, 'SELECT 1 FROM sqlite_schema')
  } finally {
    lock.close()
  }
}

function isFree(lock: DatabaseSync, statement: string): boolean {
  try {
    lock.exec(statement)
    return true
  } catch (error) {
    if (isLocked(error)) return false
    throw error
  }
}

/** `null` = nothing that can be believed. */
export function announced(): RunningServer | null {
  return z.safeParse(runningServer, parseJson(readAnnounced())).data ?? null
}

/** The server may take the file back at any moment. */
function readAnnounced(): string {
  try {
    return readFileSync(SERVER_FILE, 'utf8')
  } catch {
    return ''
  }
}
