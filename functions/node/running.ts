/**
 * Which server runs in the local folder. The server holds `server.lock` for as long as it lives; the system drops a lock with its
 * process, however that ends, so that nothing a dead server leaves behind stops a start. While the lock is held, `server.json` says where
 * the server listens; without it the file means nothing.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import * as z from 'zod/mini'
import { parseJson } from '../../src/core/body.ts'
import { isLoopback } from '../../src/core/loopback.ts'
import { LOCAL_FOLDER, TOKEN_FILE, writeWhole } from './local.ts'
import { guarded, isLocked } from './sqlite-trouble.ts'
import { StartFailure, startFailureOf } from './start-failure.ts'

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
  /** Why nothing can be written to the folder, so that nobody holds it; `null` = this process does. */
  readonly trouble: StartFailure | null
  /** Forgets all that the folder keeps. The lock's file stays, or the next start would lock another one of that name. */
  clear(): void
  /** `null` = it does not answer any more. */
  announce(server: RunningServer | null): void
  release(): void
}

/** Holds the folder for as long as this process lives. @throws a StartFailure when another server has the folder; `ERR_STORE_UNAVAILABLE`. */
export function holdFolder(): Hold {
  try {
    makeFolder()
    closeSync(openSync(LOCK_FILE, 'a', 0o600))
  } catch (error) {
    return unheld(startFailureOf(error))
  }
  const lock = guarded(LOCK_FILE, takeLock)
  if (lock === null) throw alreadyRunning(announced())
  announce(null)
  return { trouble: null, clear, announce, release: () => lock.close() }
}

/** `recursive` would call a read-only disk ENOENT. */
function makeFolder(): void {
  try {
    mkdirSync(LOCAL_FOLDER, { mode: 0o700 })
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EEXIST') throw error
  }
}

/** A folder in which nothing can be written needs no lock, because there is nothing that two servers could spoil for each other. */
const unheld = (trouble: StartFailure): Hold => ({
  trouble,
  clear() {
    throw trouble
  },
  announce: () => {},
  release: () => {},
})

/** @param server `null` = it has not said where it listens. */
function alreadyRunning(server: RunningServer | null): StartFailure {
  const [where, end] =
    server === null
      ? ['it starts, stops, or does not say where it listens', 'end its process']
      : [`${server.url}, with ${server.store}`, `kill ${server.pid}`]
  return new StartFailure('ERR_ALREADY_RUNNING', `edge-keyring already runs here: ${where}.`, {
    remedy: `Stop it first: Ctrl-C in its terminal, or ${end}`,
  })
}

function clear(): void {
  for (const name of readdirSync(LOCAL_FOLDER)) if (name !== LOCK) rmSync(join(LOCAL_FOLDER, name), { recursive: true })
}

function announce(server: RunningServer | null): void {
  if (server === null) rmSync(SERVER_FILE, { force: true })
  else writeWhole(SERVER_FILE, `${JSON.stringify(server)}\n`)
}

/** SQLite knows each system's locks. Nothing is ever written to this file, so it needs no journal on the disk either. */
function takeLock(): DatabaseSync | null {
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
function announced(): RunningServer | null {
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
