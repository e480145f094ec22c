/** Builds dist/lambda: `<function>.mjs`, beside it in a folder what is loaded when it is needed, and says how large they are. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Metafile } from 'esbuild'
import { ROOT, splitBundle } from './split-bundle.ts'

export const FUNCTIONS = ['http', 'sync', 'rotate'] as const
export type FunctionName = (typeof FUNCTIONS)[number]

interface Weight {
  readonly bytes: number
  /** gzip -9. */
  readonly gzipped: number
  /** Paths of what is in it. */
  readonly parts: readonly string[]
}

export interface Bundle {
  readonly file: string
  /** What a cold start loads. */
  readonly start: Weight
  /** What is loaded when it is needed. */
  readonly later: Weight
}

export const LAMBDA_FOLDER = join(ROOT, 'dist/lambda')

/** @param folder where `<function>.mjs` goes. */
export const buildLambda = (name: FunctionName, folder = LAMBDA_FOLDER): Promise<Bundle> =>
  bundleForLambda(`functions/lambda/${name}.ts`, name, folder)

/** @param entry from the repository's root. @param name of the bundle's file and folder. */
export async function bundleForLambda(entry: string, name: string, folder: string): Promise<Bundle> {
  // What stands for what Lambda cannot meet (package.json).
  const metafile = await splitBundle({ entry, name, folder, conditions: ['lambda'] })
  const all = Object.keys(metafile.outputs)
  const atStart = loadedAtStart(
    metafile,
    all.filter((path) => metafile.outputs[path]?.entryPoint === entry),
  )
  return {
    file: join(folder, `${name}.mjs`),
    start: weigh(metafile, [...atStart]),
    later: weigh(
      metafile,
      all.filter((path) => !atStart.has(path)),
    ),
  }
}

/** The files that these import, and so on, without those that are imported by a call. */
function loadedAtStart({ outputs }: Metafile, paths: readonly string[]): ReadonlySet<string> {
  const loaded = new Set(paths)
  for (const path of loaded)
    for (const { path: imported, kind, external } of outputs[path]?.imports ?? [])
      if (kind === 'import-statement' && external !== true) loaded.add(imported)
  return loaded
}

function weigh({ outputs }: Metafile, paths: readonly string[]): Weight {
  const texts = paths.map((path) => readFileSync(join(ROOT, path)))
  const inputs = paths.flatMap((path) => Object.entries(outputs[path]?.inputs ?? {}))
  return {
    bytes: sum(texts.map(({ length }) => length)),
    gzipped: sum(texts.map((text) => gzipSync(text, { level: 9 }).length)),
    parts: inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path),
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

const inKiB = ({ bytes, gzipped }: Weight): string =>
  `${(bytes / 1024).toFixed(1)} KiB, gzipped ${(gzipped / 1024).toFixed(1)} KiB`

if (import.meta.main) {
  rmSync(LAMBDA_FOLDER, { recursive: true, force: true })
  for (const name of FUNCTIONS) {
    const { start, later } = await buildLambda(name)
    console.log(`${name}.mjs  ${inKiB(start)}${later.bytes > 0 ? `; when it is needed ${inKiB(later)}` : ''}`)
  }
}
