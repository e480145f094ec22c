/** The Node server as a deployment runs it, with its files where the test wants them and its output where the test reads it. */
import { spawn } from 'node:child_process'
import type { StdioOptions } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const SERVER = join(import.meta.dirname, '../../functions/node/server.ts')
export const API_TOKEN = 'of-no-importance'

interface Answered {
  readonly status: number
  readonly code: string | null
  readonly warning: string | null
  readonly body: Record<string, unknown>
}

export interface NodeServer {
  readonly port: number
  readonly pid: number
  /** GET without a body, else POST. */
  call(path: string, body?: object): Promise<Answered>
  /** What it said on standard error. */
  said(): string
  /** What it wrote to standard output, where that is a pipe. */
  wrote(): string
  /** Nobody reads standard output any more. */
  leave(what: 'stdout' | 'stderr'): void
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>
}

/** @param through a command that runs the server. @param stdout a file descriptor; absent = a pipe that is read; 'unread' = a pipe that is not. */
export function nodeServer(
  settings: Readonly<Record<string, string>>,
  stdout: number | 'read' | 'unread' = 'read',
  through: readonly string[] = [],
): Promise<NodeServer> {
  const env = {
    PATH: process.env['PATH'] ?? '',
    NODE_ENV: 'production',
    PORT: '0',
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: 'root',
    KEYRING_VAULT_TIMEOUT_MS: '2000',
    KEYRING_SYNC_PERIOD: '0',
    KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
    KEYRING_API_TOKEN: API_TOKEN,
    ...settings,
  }
  const stdio: StdioOptions = ['ignore', typeof stdout === 'number' ? stdout : 'pipe', 'pipe']
  const [program, ...words] = [...through, process.execPath, SERVER]
  const child = spawn(program, words, { env, stdio })
  const [said, wrote] = [[] as string[], [] as string[]]
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  if (stdout === 'read') child.stdout?.on('data', (chunk: Buffer) => wrote.push(chunk.toString()))
  return new Promise((resolve, reject) => {
    const stderr = child.stderr
    if (stderr === null) return reject(new Error('There is no standard error.'))
    createInterface(stderr).on('line', (line) => {
      said.push(`${line}\n`)
      const port = /"listening":"[^"]+:(\d+)"/.exec(line)?.[1]
      if (port === undefined) return
      resolve({
        port: Number(port),
        pid: child.pid ?? 0,
        call: (path, body) => callNode(Number(port), path, body),
        said: () => said.join(''),
        wrote: () => wrote.join(''),
        leave: (what) => child[what]?.destroy(),
        end(signal) {
          if (stdout === 'unread') child.stdout?.destroy()
          child.kill(signal)
          return ended
        },
      })
    })
    child.once('close', (status) => reject(new Error(said.join(''), { cause: status })))
  })
}

async function callNode(port: number, path: string, body?: object): Promise<Answered> {
  const headers = { authorization: `Bearer ${API_TOKEN}`, 'content-type': 'application/json' }
  const more = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers, ...more })
  const text = await response.text()
  const parsed = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
  const code = typeof parsed['code'] === 'string' ? parsed['code'] : null
  return { status: response.status, code, warning: response.headers.get('keyring-warning'), body: parsed }
}
