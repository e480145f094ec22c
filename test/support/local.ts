/** The local default in a folder of its own, as `npm start` runs it, and the command line beside it. */
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')
const SERVER = join(ROOT, 'functions/node/server.ts')
export const CLI = join(ROOT, 'functions/cli/main.ts')

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

interface Started {
  readonly output: () => string
  readonly stop: () => Promise<void>
  /** With SIGKILL: nothing of it is told to the server. */
  readonly kill: () => Promise<void>
}

export interface Programs {
  readonly server: string
  readonly cli: string
}

export interface Local {
  readonly folder: string
  readonly port: number
  readonly vaultPort: number
  /** Starts the server; resolves with what it printed once its last line is there. */
  start(settings?: Readonly<Record<string, string>>, ...flags: string[]): Promise<Started>
  /** Runs the server until it ends by itself. */
  refuse(settings: Readonly<Record<string, string>>, ...flags: string[]): Promise<Ended>
  cli(...words: string[]): Promise<Ended>
  /** Runs lines in bash, in the folder. */
  bash(script: string): Promise<Ended>
  /** Ends what still runs, too: a test that failed has stopped nothing. */
  remove(): void
}

/** @param given a folder that stays; absent = one is made. @param programs the sources' unless given. */
export async function local(given?: string, programs: Programs = { server: SERVER, cli: CLI }): Promise<Local> {
  const folder = given ?? mkdtempSync(join(tmpdir(), 'edge-keyring-local-'))
  const [port, vaultPort] = [await freePort(), await freePort()]
  const env = { PATH: process.env['PATH'] ?? '', PORT: String(port), KEYRING_DEV_VAULT_PORT: String(vaultPort) }
  const children: ChildProcess[] = []
  const run = (program: string, words: readonly string[], more: Readonly<Record<string, string>> = {}) =>
    ended(program, words, { cwd: folder, env: { ...env, ...more } })
  return {
    folder,
    port,
    vaultPort,
    refuse: (settings, ...flags) => run(process.execPath, [programs.server, ...flags], settings),
    cli: (...words) => run(process.execPath, [programs.cli, ...words]),
    bash: (script) => run('bash', ['-c', script]),
    remove() {
      for (const child of children) child.kill('SIGKILL')
      if (given === undefined) rmSync(folder, { recursive: true, force: true })
    },
    start(settings = {}, ...flags) {
      const child = spawn(process.execPath, [programs.server, ...flags], {
        cwd: folder,
        env: { ...env, ...settings },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      children.push(child)
      const printed: string[] = []
      const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
      const end = (signal: 'SIGTERM' | 'SIGKILL') => async () => {
        child.kill(signal)
        await closed
      }
      return new Promise((resolve, reject) => {
        const read = (chunk: Buffer) => {
          printed.push(chunk.toString())
          if (/^Your own Vault: |"active":|\{"ids":\[\]\}\n$/m.test(printed.join('')))
            resolve({ output: () => printed.join(''), stop: end('SIGTERM'), kill: end('SIGKILL') })
        }
        child.stdout.on('data', read)
        child.stderr.on('data', read)
        child.once('close', () => reject(new Error(printed.join(''))))
      })
    },
  }
}

function ended(
  program: string,
  words: readonly string[],
  options: { cwd: string; env: Record<string, string> },
): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, words, options, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1, stdout, stderr }),
    )
  })
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
