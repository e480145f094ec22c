/** Servers as child processes, and what the operating system says of them. Linux. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

export interface Child {
  /** What its `listening` line named. */
  readonly address: string
  /** Processor time so far, in milliseconds. */
  cpuMs(): number
  /** Resident memory, in MiB. */
  memoryMiB(): number
  stop(): Promise<void>
}

/** Ticks of /proc are hundredths of a second. */
const TICK_MS = 10

/** @param listening finds host and port in a printed line. */
export function startChild(
  program: string,
  env: Readonly<Record<string, string>>,
  cwd: string,
  stdout: 'pipe' | 'ignore' = 'ignore',
  listening = /"listening":"([^"]+)"/,
): Promise<Child> {
  const child = spawn(process.execPath, [program], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', stdout, 'pipe'],
  })
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const proc = (file: string) => readFileSync(`/proc/${child.pid}/${file}`, 'utf8')
  const stop = async () => {
    child.kill('SIGKILL')
    await closed
  }
  return new Promise((resolve, reject) => {
    const read = (line: string) => {
      const address = listening.exec(line)?.[1]
      if (address === undefined) return
      const cpuMs = () => {
        const fields = proc('stat').split(') ')[1]?.split(' ') ?? []
        return (Number(fields[11]) + Number(fields[12])) * TICK_MS
      }
      resolve({ address, cpuMs, memoryMiB: () => Number(/VmRSS:\s+(\d+)/.exec(proc('status'))?.[1]) / 1024, stop })
    }
    if (child.stdout !== null) createInterface(child.stdout).on('line', read)
    if (child.stderr !== null) createInterface(child.stderr).on('line', read)
    child.once('close', () => reject(new Error(`${program} ended`)))
  })
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
