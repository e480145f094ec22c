/** Builds dist/lambda/<function>.mjs, one file for each function, and says how large they are. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

export const FUNCTIONS = ['http', 'sync'] as const
export type FunctionName = (typeof FUNCTIONS)[number]

export interface Bundle {
  readonly file: string
  readonly bytes: number
  /** gzip -9. */
  readonly gzipped: number
  /** Paths of what is in it. */
  readonly parts: readonly string[]
}

const ROOT = join(import.meta.dirname, '..')
export const LAMBDA_FOLDER = join(ROOT, 'dist/lambda')

/** @param folder where `<function>.mjs` goes. */
export async function buildLambda(name: FunctionName, folder = LAMBDA_FOLDER): Promise<Bundle> {
  const file = join(folder, `${name}.mjs`)
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [`functions/lambda/${name}.ts`],
    outfile: file,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  })
  const text = readFileSync(file)
  const inputs = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs))
  const parts = inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path)
  return { file, bytes: text.length, gzipped: gzipSync(text, { level: 9 }).length, parts }
}

if (import.meta.main) {
  rmSync(LAMBDA_FOLDER, { recursive: true, force: true })
  for (const name of FUNCTIONS) {
    const { bytes, gzipped } = await buildLambda(name)
    console.log(`${name}.mjs  ${(bytes / 1024).toFixed(1)} KiB, gzipped ${(gzipped / 1024).toFixed(1)} KiB`)
  }
}
