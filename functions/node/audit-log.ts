/**
 * The audit log as JSON lines, in the order in which they came: those of 10 ms in one write, uses and refusals added up.
 * What cannot be written waits, up to a bound, and is tried again; beyond it lines are lost, counted, and said once writing
 * works again. A commit waits for 5 s at most: then its line is taken back, and what it announced does not happen. A line
 * that is with the system already cannot be taken back; the one that follows it says that the action failed.
 */
import { fstatSync, write } from 'node:fs'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { KeyringError } from '../../src/core/errors.ts'
import { auditLine, failureLine } from '../../src/core/lines.ts'
import type { Audit, AuditEvent } from '../../src/core/ports.ts'
import { ADD_UP_MS, Uses } from '../../src/core/uses.ts'

/** Milliseconds for which lines wait to be written together. */
const JOIN_MS = 10
/** How long a commit waits, and the end of the process, in milliseconds. */
const COMMIT_MS = 5000
/** Between two tries while writing fails, in milliseconds. */
const RETRY_MS = 1000
/** Bytes that wait at most. */
const MOST_WAITING = 1024 * 1024
/** Bytes of one write: Linux's PIPE_BUF, of which a pipe takes all or nothing. */
const MOST_AT_ONCE = 4096

/** Writes, and says how many bytes were taken: fewer than given = it failed. It may never answer: nobody reads. */
export type Sink = (bytes: Buffer) => Promise<number>

export interface AuditLog extends Audit {
  /** Writes what waits, if that can be written: what must not be lost was committed. */
  close(): Promise<void>
}

interface Line {
  readonly bytes: Buffer
  /** How many uses or refusals are lost with it. */
  readonly count: number
  /** `null` = nobody waits. */
  readonly settle: ((error: KeyringError | null) => void) | null
}

/** @param say hears when writing fails, and what was lost. */
export function auditLog(sink: Sink, say: (line: string) => void): AuditLog {
  const uses = new Uses()
  const queue = new Queue(sink, say)
  let timer: NodeJS.Timeout | null = null
  const noteUses = (): void => {
    timer = null
    for (const event of uses.take()) queue.add(lineOf(event))
  }
  return {
    note(event) {
      if (uses.add(event) > 0) timer ??= setTimeout(noteUses, ADD_UP_MS).unref()
      else queue.add(lineOf(event))
    },
    commit: (event) => queue.commit(event),
    async close() {
      if (timer !== null) clearTimeout(timer)
      noteUses()
      await queue.close()
    },
  }
}

const lineOf = (event: AuditEvent, settle: Line['settle'] = null): Line => ({
  bytes: Buffer.from(`${auditLine(event)}\n`),
  count: event.count,
  settle,
})

const lost = (count: number): AuditEvent => ({
  time: Date.now(),
  request: crypto.randomUUID(),
  caller: null,
  action: 'audit',
  keyring: null,
  keyId: null,
  count,
  outcome: 'failed',
  code: 'ERR_AUDIT_UNAVAILABLE',
})

const unavailable = (message = 'The audit log cannot be written.'): KeyringError =>
  new KeyringError('ERR_AUDIT_UNAVAILABLE', message)

class Queue {
  readonly #sink: Sink
  readonly #say: (line: string) => void
  #lines: Line[] = []
  /** Bytes of all lines. */
  #size = 0
  /** Bytes of the first line that were taken before writing failed. */
  #taken = 0
  /** Lines that are with the sink. */
  #underWay = 0
  /** Uses and refusals that found no room since the last line that did. */
  #lost = 0
  #isFailing = false
  #timer: NodeJS.Timeout | null = null
  #writing: Promise<void> | null = null

  constructor(sink: Sink, say: (line: string) => void) {
    this.#sink = sink
    this.#say = say
  }

  /** False = there is no room. */
  add(line: Line): boolean {
    if (this.#size + line.bytes.length > MOST_WAITING) {
      this.#lost += line.count
      return false
    }
    this.#sayLost()
    this.#push(line)
    if (!this.#isFailing) this.#writeIn(JOIN_MS)
    return true
  }

  commit(event: AuditEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      const line = lineOf(event, (error) => {
        clearTimeout(timer)
        if (error === null) resolve()
        else reject(error)
      })
      const timer = setTimeout(() => this.#takeBack(line), COMMIT_MS)
      if (this.add(line)) void this.#write()
      else line.settle?.(unavailable())
    })
  }

  async close(): Promise<void> {
    const enough = AbortSignal.timeout(COMMIT_MS)
    await Promise.race([this.#write(), new Promise((resolve) => enough.addEventListener('abort', resolve))])
    this.#stopTimer()
    const left = this.#lines.reduce((sum, { count }) => sum + count, this.#lost)
    if (left > 0) this.#say(failureLine('audit', unavailable(`The audit log lost ${left} uses or refusals.`)))
  }

  #push(line: Line): void {
    this.#lines.push(line)
    this.#size += line.bytes.length
  }

  #sayLost(): void {
    if (this.#lost === 0) return
    const count = this.#lost
    this.#lost = 0
    this.#push(lineOf(lost(count)))
    this.#say(failureLine('audit', unavailable(`The audit log lost ${count} uses or refusals.`)))
  }

  #writeIn(ms: number): void {
    this.#timer ??= setTimeout(() => void this.#write(), ms)
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  /** One write at a time; what is added meanwhile is written after it. */
  async #write(): Promise<void> {
    this.#stopTimer()
    if (this.#lines.length > 0) this.#writing ??= this.#writeAll()
    await this.#writing
  }

  /** It is over in the moment in which its last line is: whoever waited for that one may have the next. */
  async #writeAll(): Promise<void> {
    try {
      while (this.#lines.length > 0) {
        const bytes = this.#next()
        const taken = await this.#sink(bytes)
        this.#advance(taken)
        if (taken < bytes.length) return this.#fail()
        this.#isFailing = false
        if (this.#lines.length === 0) this.#sayLost()
      }
    } finally {
      this.#writing = null
    }
  }

  #next(): Buffer {
    let size = 0
    const fits = this.#lines.findIndex(({ bytes }) => (size += bytes.length) > MOST_AT_ONCE)
    this.#underWay = fits === -1 ? this.#lines.length : Math.max(fits, 1)
    return Buffer.concat(this.#lines.slice(0, this.#underWay).map(({ bytes }) => bytes)).subarray(this.#taken)
  }

  #advance(taken: number): void {
    this.#underWay = 0
    this.#taken += taken
    for (let line = this.#lines[0]; line !== undefined && line.bytes.length <= this.#taken; line = this.#lines[0]) {
      this.#taken -= line.bytes.length
      this.#remove(line)
      line.settle?.(null)
    }
  }

  /** Whoever waits hears it at once; notes are kept. */
  #fail(): void {
    if (!this.#isFailing) this.#say(failureLine('audit', unavailable()))
    this.#isFailing = true
    for (const line of this.#lines.filter(({ settle }) => settle !== null)) this.#takeBack(line)
    this.#writeIn(RETRY_MS)
    this.#timer?.unref()
  }

  #takeBack(line: Line): void {
    const index = this.#lines.indexOf(line)
    const isBegun = index < this.#underWay || (index === 0 && this.#taken > 0)
    if (!isBegun) this.#remove(line)
    line.settle?.(unavailable())
  }

  #remove(line: Line): void {
    this.#lines.splice(this.#lines.indexOf(line), 1)
    this.#size -= line.bytes.length
  }
}

const writeSome = promisify(write)

/** A file that this process has open: where it stopped within a line, the next write goes on. */
async function writeTo(fd: number, bytes: Buffer): Promise<number> {
  let taken = 0
  try {
    while (taken < bytes.length) taken += (await writeSome(fd, bytes, taken)).bytesWritten
  } catch {
    return taken
  }
  return taken
}

/** A file that others append to as well, and that may be moved away: half a line never stays in it. */
export const fileSink =
  (path: string): Sink =>
  async (bytes) => {
    try {
      await using file = await open(path, 'a+', 0o600)
      const { size } = await file.stat()
      const last = size === 0 ? '\n' : (await file.read(Buffer.alloc(1), 0, 1, size - 1)).buffer.toString()
      if (last !== '\n' && (await writeTo(file.fd, Buffer.from('\n'))) === 0) return 0
      const begin = (await file.stat()).size
      const taken = await writeTo(file.fd, bytes)
      if (taken === bytes.length) return taken
      const whole = bytes.subarray(0, taken).lastIndexOf('\n') + 1
      if ((await file.stat()).size === begin + taken) await file.truncate(begin + whole)
      return whole
    } catch {
      return 0
    }
  }

export type AuditStream = NodeJS.WritableStream & { readonly fd?: number }

/** A pipe or a terminal is a stream. A file is not written through Node's stream: that takes half a write for a whole one. */
export function streamSink(stream: AuditStream): Sink {
  const { fd } = stream
  if (fd !== undefined && fstatSync(fd).isFile()) return (bytes) => writeTo(fd, bytes)
  // Each write hears of its own error.
  stream.on('error', () => {})
  return (bytes) => new Promise((resolve) => stream.write(bytes, (error) => resolve(error ? 0 : bytes.length)))
}
