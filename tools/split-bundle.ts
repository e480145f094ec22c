/** Bundles for Node: what is imported by a call becomes a file of its own, so that no start pays for it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import type { BuildOptions, Metafile } from 'esbuild'

export const ROOT = join(import.meta.dirname, '..')

/** For libraries in CommonJS, undici first of all: they require what Node has, and a module has no `require` of its own. */
const REQUIRE = 'import{createRequire}from"node:module";const require=createRequire(import.meta.url);\n'

/** One file of a bundle asks whether there is a `require`, and has it for all others. */
function giveRequire(path: string): void {
  const text = readFileSync(path, 'utf8')
  if (!/typeof require\b/.test(text)) return
  const [, shebang = '', rest = ''] = /^(#!.*\n)?([^]*)$/.exec(text) ?? []
  writeFileSync(path, shebang + REQUIRE + rest)
}

interface Split extends Pick<BuildOptions, 'conditions' | 'plugins'> {
  /** From the repository's root. */
  readonly entry: string
  /** `<name>.mjs` is what starts, and the folder `<name>` has what is loaded later. */
  readonly name: string
  readonly folder: string
}

export async function splitBundle({ entry, name, folder, conditions = [], plugins = [] }: Split): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { [name]: entry },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    chunkNames: `${name}/[name]-[hash]`,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    conditions: [...conditions, 'module'],
    legalComments: 'none',
    logLevel: 'warning',
    splitting: true,
    // The SDK of AWS has two forms, of which modules leave out what is not called.
    mainFields: ['module', 'main'],
    plugins,
    metafile: true,
  })
  for (const path of Object.keys(metafile.outputs)) giveRequire(join(ROOT, path))
  return metafile
}
