/** The library as it is installed: how large each entry is, and how long a process takes to import it. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { LIBRARY, buildLibrary } from '../tools/build-package.ts'
import type { Row } from './measure.ts'
import { median, rounded, tempFolder, wanted, withEnds } from './measure.ts'

const run = promisify(execFile)
const ROUNDS = 11
const MOST_KB = 20
const MOST_MS = 10

export const benchLibrary = (): Promise<Row[]> =>
  withEnds(async (onEnd) => {
    const folder = tempFolder(onEnd)
    await buildLibrary(folder)
    const rows: Row[] = []
    for (const entry of Object.keys(LIBRARY)) rows.push(await ofEntry(folder, entry))
    return rows
  })

async function ofEntry(folder: string, entry: string): Promise<Row> {
  const file = join(folder, `${entry}.js`)
  const options = { bundle: true, minify: true, write: false, format: 'esm', platform: 'node' } as const
  const { outputFiles } = await build({ ...options, entryPoints: [file], external: ['cloudflare:*'] })
  const KB = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length / 1000
  const times: number[] = []
  const rounds = entry === 'cloudflare' ? 0 : ROUNDS
  for (let round = 0; round < rounds; round += 1) times.push(await importMs(file))
  const ms = median(times)
  return {
    entry,
    'gzipped KB': rounded(KB, 1),
    ...(times.length > 0 && { 'import ms': rounded(ms, 1) }),
    ...wanted(`≤ ${MOST_KB} KB, ≤ ${MOST_MS} ms`, KB <= MOST_KB && !(ms > MOST_MS)),
  }
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
