/** Amazon's own DynamoDB Local, fetched with Maven once, into .cache/. */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { DynamoServer } from './table.ts'

const VERSION = '2.6.1'
const CACHED = join(import.meta.dirname, '../../../.cache/dynamodb-local', VERSION)
const POM = join(import.meta.dirname, '../../lambda/dynamodb-local.pom.xml')
const START_MS = 60_000
const run = promisify(execFile)

/** Renamed into place when whole. */
async function libraries(): Promise<string> {
  if (existsSync(CACHED)) return CACHED
  await mkdir(dirname(CACHED), { recursive: true })
  const folder = await mkdtemp(join(dirname(CACHED), 'download-'))
  try {
    await run('mvn', ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`])
    await rename(folder, CACHED)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return CACHED
}

export async function startDynamoLocal(): Promise<DynamoServer> {
  const [folder, port] = [await libraries(), await freePort()]
  const options = ['-inMemory', '-sharedDb', '-disableTelemetry', '-port', String(port)]
  const main = 'com.amazonaws.services.dynamodbv2.local.main.ServerRunner'
  const child = spawn('java', [`-Djava.library.path=${folder}`, '-cp', `${folder}/*`, main, ...options], {
    stdio: 'ignore',
  })
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const close = async () => {
    process.off('exit', kill)
    kill()
    await exited
  }
  const endpoint = `http://127.0.0.1:${port}`
  try {
    const ended = exited.then(() => Promise.reject(new Error('DynamoDB Local ended.')))
    await Promise.race([untilAnswering(endpoint), ended])
    return { endpoint, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Unsigned requests are refused, which is an answer. */
async function untilAnswering(endpoint: string): Promise<void> {
  const signal = AbortSignal.timeout(START_MS)
  for (;;) {
    const response = await fetch(endpoint, { signal }).catch(() => null)
    await response?.body?.cancel()
    if (response !== null) return
    await sleep(50, null, { signal })
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
