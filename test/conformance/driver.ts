/** How a deployment is started for the black-box suite: one driver for each platform. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createTestHarness } from 'wrangler'

export interface Deployment {
  readonly url: string
  /** Everything that it has printed so far: audit lines and logs. */
  output(): string
  stop(): Promise<void>
}

/** @param settings names and values as an operator would set them. Rejects with what was printed when it does not start. */
export type Start = (settings: Readonly<Record<string, string>>) => Promise<Deployment>

const SERVER = join(import.meta.dirname, '../../functions/node/server.ts')

/** A server of Node as a child process, set up as a deployment: nothing is made up. */
export const startServer = (server: string, settings: Readonly<Record<string, string>>): Promise<Deployment> => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-'))
  const env = {
    PATH: process.env['PATH'] ?? '',
    NODE_ENV: 'production',
    PORT: '0',
    KEYRING_DATABASE: join(folder, 'keyring.sqlite'),
    ...settings,
  }
  const child = spawn(process.execPath, [server], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const printed: string[] = []
  child.stdout.on('data', (chunk: Buffer) => printed.push(chunk.toString()))
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
  return new Promise((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      printed.push(`${line}\n`)
      const listening = /"listening":"([^"]+)"/.exec(line)?.[1]
      if (listening !== undefined) resolve({ url: `http://${listening}`, output: () => printed.join(''), stop })
    })
    child.once('close', () => reject(new Error(printed.join(''))))
  })
}

export const startNode: Start = (settings) => startServer(SERVER, settings)

/** The Worker of wrangler.toml on workerd, its Durable Object in a folder of its own. */
export const startWorker: Start = async (settings) => {
  const harness = createTestHarness({
    root: join(import.meta.dirname, '../..'),
    workers: [{ configPath: 'wrangler.toml', secrets: { ...settings } }],
  })
  const { url } = await harness.listen()
  return {
    url: url.origin,
    output: () =>
      harness
        .getLogs()
        .map(({ message }) => `${message}\n`)
        .join(''),
    stop: () => harness.close(),
  }
}
