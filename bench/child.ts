/** Servers as child processes, and what the operating system says of them. Linux. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

export interface Child {
  /** What its `listening` line named. */
  readonly address: string
  /** Processor time so far, in milliseconds. */
  cpuMs(): number
  /** Resident memory, in MiB. */
  memoryMiB(): number
  readonly stop: () => Promise<void>
}

export interface Program {
  readonly file: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd: string
  /** What becomes of its standard output; 'ignore' is /dev/null. */
  readonly stdout?: 'pipe' | 'ignore'
  /** Finds host and port in a printed line. */
  readonly listening?: RegExp
}

/** Ticks of /proc are hundredths of a second. */
const TICK_MS = 10
const START_MS = 20_000
/** What is kept for the message when it fails. */
const PRINTED_LINES = 10

/** Rejects with the end of what was printed when it does not listen in time; the child is ended then. */
export async function startChild(program: Program): Promise<Child> {
  const child = spawn(process.execPath, [program.file, ...(program.args ?? [])], {
    cwd: program.cwd,
    env: { PATH: process.env['PATH'] ?? '', ...program.env },
    stdio: ['ignore', program.stdout ?? 'ignore', 'pipe'],
  })
  const stop = stopper(child)
  try {
    const address = await listeningAddress(child, program)
    return { address, cpuMs: () => cpuMs(child.pid), memoryMiB: () => memoryMiB(child.pid), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The child ends with this process, too. */
function stopper(child: ChildProcess): () => Promise<void> {
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return async () => {
    kill()
    await closed
    process.off('exit', kill)
  }
}

function listeningAddress(child: ChildProcess, { file, listening }: Program): Promise<string> {
  const pattern = listening ?? /"listening":"([^"]+)"/
  const printed: string[] = []
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${file} ${why}. It printed: ${printed.join('\n')}`))
    const timer = setTimeout(() => fail('does not listen'), START_MS)
    const read = (text: string) => {
      const address = pattern.exec(text)?.[1]
      if (printed.push(text) > PRINTED_LINES) printed.shift()
      if (address === undefined) return
      clearTimeout(timer)
      resolve(address)
    }
    for (const stream of [child.stdout, child.stderr]) if (stream !== null) createInterface(stream).on('line', read)
    child.once('error', (error) => fail(error.message))
    child.once('close', () => {
      clearTimeout(timer)
      fail('ended')
    })
  })
}

export function cpuMs(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

const memoryMiB = (pid: number | undefined): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
