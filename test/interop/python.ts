/** Python with the package `cryptography`, found or installed into .cache/ once; in CI it must be had. */
import { execFile, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder for PYTHONPATH. `null` = cannot be had here; the suites skip. */
    python: string | null
  }
}

const ROOT = join(import.meta.dirname, '../..')
const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt')
const run = promisify(execFile)

export async function setup(project: TestProject): Promise<void> {
  const folder = await packages().catch((error: unknown) => {
    if (process.env['CI'] === 'true') throw error
    const [why = ''] = error instanceof Error ? error.message.split('\n') : []
    console.error(`Python's cryptography is not at hand, the tests of the readers are skipped: ${why}`)
    return null
  })
  project.provide('python', folder)
}

/** Renamed into place when whole. */
async function packages(): Promise<string> {
  const version = execFileSync('python3', ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])']).toString().trim()
  const pinned = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12)
  const cached = join(ROOT, '.cache/python', `${version}-${process.arch}-${pinned}`)
  if (existsSync(cached)) return cached
  await mkdir(dirname(cached), { recursive: true })
  const folder = await mkdtemp(join(dirname(cached), 'install-'))
  const what = ['--quiet', '--only-binary=:all:', '--no-deps', '--target', folder, '--requirement', REQUIREMENTS]
  await run('python3', ['-m', 'pip', 'install', ...what])
  await rename(folder, cached)
  return cached
}

export interface Read {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a reader of docs/readers/ with `input` on its standard input. */
export function read(packages: string, script: string, words: readonly string[], input: string): Promise<Read> {
  const env = { PATH: process.env['PATH'], PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: '1', PYTHONUTF8: '1' }
  const child = spawn('python3', [join(ROOT, 'docs/readers', script), ...words], { env })
  const [out, err] = [[] as Buffer[], [] as Buffer[]]
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  child.stdin.end(input)
  return new Promise((resolve) => {
    child.once('close', (code) =>
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    )
  })
}
