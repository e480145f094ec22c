/** The library as it is installed: how large each entry is, how long a process takes to import it, and what a value costs beside AES-256-GCM by hand. */
import { execFile } from 'node:child_process'
import { createCipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { testKeyring } from '../functions/node-shared/testing.ts'
import { LIBRARY, buildLibrary } from '../tools/build-package.ts'
import type { Options, Row } from './measure.ts'
import { median, rounded, tempFolder, wanted, withEnds } from './measure.ts'

const run = promisify(execFile)
const ROUNDS = 11
const MOST_KB = 20
const MOST_MS = 10
const LEAST_RATIO = 0.7

export const benchLibrary = ({ seconds }: Options): Promise<Row[]> =>
  withEnds(async (onEnd) => {
    const folder = tempFolder(onEnd)
    await buildLibrary(folder)
    const rows: Row[] = []
    for (const entry of Object.keys(LIBRARY)) rows.push(...(await ofEntry(folder, entry)))
    return [...rows, ...(await ofValues((seconds * 1000) / ROUNDS))]
  })

async function ofEntry(folder: string, entry: string): Promise<Row[]> {
  const file = join(folder, `${entry}.js`)
  const options = { bundle: true, minify: true, write: false, format: 'esm', platform: 'node' } as const
  const { outputFiles } = await build({ ...options, entryPoints: [file], external: ['cloudflare:*'] })
  const KB = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length / 1000
  const times: number[] = []
  const rounds = entry === 'cloudflare' ? 0 : ROUNDS
  for (let round = 0; round < rounds; round += 1) times.push(await importMs(file))
  const ms = median(times)
  const row = { entry, 'gzipped KB': rounded(KB, 1), ...(times.length > 0 && { 'import ms': rounded(ms, 1) }) }
  return [row, wanted(`${entry}: at most ${MOST_KB} KB, ${MOST_MS} ms`, KB <= MOST_KB && !(ms > MOST_MS))]
}

/** In a process of its own, which has node:crypto already: an application has it for much else. */
async function importMs(file: string): Promise<number> {
  const program = `import 'node:crypto'
    const began = performance.now()
    await import(${JSON.stringify(file)})
    console.log(performance.now() - began)`
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program])
  return Number(stdout)
}

/** With the sink on, since somebody listens in production. */
async function ofValues(ms: number): Promise<Row[]> {
  let noted = 0
  const keyring = await testKeyring({ audit: () => (noted += 1) })
  const key = createSecretKey(randomBytes(32))
  const rows: Row[] = []
  for (const size of [32, 1024]) {
    const text = 'x'.repeat(size)
    const byHand = () => {
      const gcm = createCipheriv('aes-256-gcm', key, randomBytes(12))
      return [gcm.update(text, 'utf8'), gcm.final(), gcm.getAuthTag()]
    }
    const works = { 'by hand': byHand, awaited: () => keyring.encrypt(text), sync: () => keyring.sync.encrypt(text) }
    const costs = new Map(Object.keys(works).map((name): [string, number[]] => [name, []]))
    for (let round = 0; round < ROUNDS; round += 1)
      for (const [name, work] of Object.entries(works)) costs.get(name)?.push(await cpuUs(work, ms / 6))
    const [bare = Number.NaN, ...ours] = [...costs.values()].map(median)
    const of = ours.map((cost) => rounded(bare / cost, 2))
    rows.push({
      encrypt: `${size} B`,
      'by hand µs': rounded(bare, 2),
      'awaited, of that': of[0] ?? 0,
      'sync, of that': of[1] ?? 0,
    })
    rows.push(
      wanted(
        `library, ${size} B: ${LEAST_RATIO} of AES-256-GCM by hand`,
        of.every((ratio) => ratio >= LEAST_RATIO),
      ),
    )
  }
  return noted > 0 ? rows : []
}

/** Processor time of one, in microseconds. */
async function cpuUs(work: () => unknown, ms: number): Promise<number> {
  const [began, used] = [performance.now(), process.cpuUsage()]
  let done = 0
  for (; performance.now() - began < ms; done += 100) for (let times = 0; times < 100; times += 1) await work()
  const { user, system } = process.cpuUsage(used)
  return (user + system) / done
}
