/**
 * The output of a long run, which goes on where it was after `kill -9` or a loss of power. A journal beside the file says how many rows of
 * the input are done and how many bytes of the output are theirs. A step writes rows, waits until the disk has them, and only then notes
 * them in the journal; whoever goes on cuts the output to what the journal says, be it a torn row or whole ones, and does again what is
 * behind that. So every row is there once. The journal is a SQLite file, whose lock ends with its process however that ends.
 */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { printable } from '../../src/core/printable.ts'
import { failed, systemFailure } from './failure.ts'

/** How far a run is. */
export interface RunDone {
  /** Rows of the input, those that were refused included. */
  readonly rows: number
  readonly refused: number
  readonly rewrapped: number
  readonly kept: number
}

interface Noted extends RunDone {
  readonly bytes: number
  /** Of those bytes: another file may stand there by then. */
  readonly sha256: string
}

const OF_NOTHING = createHash('sha256').digest('hex')
const NOTHING: Noted = { rows: 0, refused: 0, rewrapped: 0, kept: 0, bytes: 0, sha256: OF_NOTHING }

/** Of output, in one step: at most so much is done twice. */
const STEP_BYTES = 1024 * 1024

export class RunOutput {
  readonly #path: string
  readonly #journal: DatabaseSync
  readonly #file: number
  /** Of all that is written. */
  readonly #hash: Hash
  #noted: Noted
  /** Bytes that are written and not noted yet. */
  #written = 0

  private constructor(path: string, journal: DatabaseSync, noted: Noted) {
    this.#path = path
    this.#journal = journal
    this.#noted = noted
    ;[this.#file, this.#hash] = cutTo(path, noted)
  }

  /** @param words all that the rows depend on: a run goes on with the same words alone. @throws `ERR_USAGE`. */
  static open(path: string, words: object): RunOutput {
    if (existsSync(path) && !existsSync(journalOf(path))) throw taken()
    if (!existsSync(dirname(path))) throw failed('ERR_USAGE', 'The folder of the output is not there: make it first.')
    const isNew = written(() => isMade(journalOf(path)))
    const journal = written(() => openJournal(journalOf(path)))
    try {
      return written(() => new RunOutput(path, journal, notedIn(journal, path, JSON.stringify(words))))
    } catch (error) {
      journal.close()
      if (isNew) rmSync(journalOf(path))
      throw error
    }
  }

  get done(): RunDone {
    return this.#noted
  }

  /** Whether an earlier run has begun it. */
  get goesOn(): boolean {
    return this.#noted.rows > 0
  }

  get isEmpty(): boolean {
    return this.#noted.bytes + this.#written === 0
  }

  /** Takes rows, for good once there are enough of them. @param done with them. */
  add(text: string, done: RunDone): void {
    const bytes = Buffer.from(text)
    written(() => {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at)
      this.#written += bytes.length
      this.#hash.update(bytes)
      if (this.#written >= STEP_BYTES) this.#note(done)
    })
  }

  /** Takes for good what was added. */
  note(done: RunDone): void {
    written(() => this.#note(done))
  }

  #note(done: RunDone): void {
    fdatasyncSync(this.#file)
    const bytes = this.#noted.bytes + this.#written
    const noted = { ...done, bytes, sha256: this.#hash.copy().digest('hex') }
    this.#journal.prepare('UPDATE run SET noted = ?').run(JSON.stringify(noted))
    this.#noted = noted
    this.#written = 0
  }

  /** A run that has done no row leaves nothing. @param isDone there is nothing to go on with. */
  close(isDone: boolean): void {
    closeSync(this.#file)
    if (!isDone && !this.goesOn) rmSync(this.#path, { force: true })
    this.#journal.close()
    if (isDone || !this.goesOn) rmSync(journalOf(this.#path))
  }
}

const taken = () =>
  failed('ERR_USAGE', 'The output exists already, and is not of a run that can go on: name another one.')

const journalOf = (path: string): string => `${path}.journal`

/** For nobody else to read, as the output. What is there is not opened: closing it would end a lock that this process has on it. */
function isMade(path: string): boolean {
  if (existsSync(path)) return false
  closeSync(openSync(path, 'ax', 0o600))
  return true
}

function openJournal(path: string): DatabaseSync {
  const journal = new DatabaseSync(path, { timeout: 0 })
  try {
    journal.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; BEGIN EXCLUSIVE')
    journal.exec('CREATE TABLE IF NOT EXISTS run (words TEXT NOT NULL, noted TEXT NOT NULL); COMMIT')
    return journal
  } catch (error) {
    journal.close()
    if (NO_JOURNAL.test((error as Error).message))
      throw failed(
        'ERR_USAGE',
        `${printable(basename(path))} is not the journal of a run: move it away, or name another output.`,
      )
    throw error
  }
}

function notedIn(journal: DatabaseSync, path: string, words: string): Noted {
  const row = journal.prepare('SELECT words, noted FROM run').get()
  if (row === undefined) {
    // A run opens its output after this.
    if (existsSync(path)) throw taken()
    journal.prepare('INSERT INTO run VALUES (?, ?)').run(words, JSON.stringify(NOTHING))
    return NOTHING
  }
  const noted = JSON.parse(String(row['noted'])) as Noted
  if (row['words'] === words) return noted
  if (noted.rows > 0)
    throw failed(
      'ERR_USAGE',
      'The run that this output is of had other words, or another input: repeat them, or name another output.',
    )
  journal.prepare('UPDATE run SET words = ?, noted = ?').run(words, JSON.stringify(NOTHING))
  return NOTHING
}

/** What is behind the bytes that the journal knows of is not whole. The folder is synced, so that the file stays where it is. */
function cutTo(path: string, { bytes, sha256 }: Noted): [file: number, hash: Hash] {
  const file = openSync(path, 'a+', 0o600)
  const hash = hashOf(file, bytes)
  if (hash?.copy().digest('hex') !== sha256) {
    const why = hash === null ? 'is shorter than its journal says' : 'is not the one that its journal is of'
    closeSync(file)
    throw failed('ERR_USAGE', `The output ${why}: move both away, and begin anew.`)
  }
  ftruncateSync(file, bytes)
  const folder = openSync(dirname(path), 'r')
  fsyncSync(folder)
  closeSync(folder)
  return [file, hash]
}

/** Of so many bytes. `null` = there are fewer. */
function hashOf(file: number, bytes: number): Hash | null {
  if (fstatSync(file).size < bytes) return null
  const hash = createHash('sha256')
  const buffer = Buffer.alloc(Math.min(bytes, STEP_BYTES))
  for (let at = 0; at < bytes;) {
    const read = readSync(file, buffer, 0, Math.min(buffer.length, bytes - at), at)
    if (read === 0) return null
    hash.update(buffer.subarray(0, read))
    at += read
  }
  return hash
}

/** SQLite's words for a file that another process has locked, and for one that is none of its own. */
const BUSY = /locked/
const NO_JOURNAL = /not a database|malformed/

function written<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error
    if (BUSY.test(error.message)) throw failed('ERR_USAGE', 'Another process is at work on this output.')
    throw systemFailure('The output cannot be written', error)
  }
}
