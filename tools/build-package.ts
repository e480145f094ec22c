/** Builds dist/package, which is what `npm publish` takes: the library with its types, what is deployed, the command line, the server, and a manifest without dependencies. */
import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import type { BuildOptions, Metafile } from 'esbuild'
import { ORIGINALS } from '../functions/cli/own-repository.ts'
import { buildNode } from './build-node.ts'
import { ENTRIES, buildEntries } from './entries.ts'
import { ROOT } from './split-bundle.ts'

export const PACKAGE_FOLDER = join(ROOT, 'dist/package')

/** Entries by the name that they are imported by. */
export const LIBRARY = {
  node: 'functions/node/library.ts',
  lambda: 'functions/lambda/library.ts',
  cloudflare: 'functions/cloudflare/library.ts',
  'node-crypto': 'functions/node-shared/cipher.ts',
  references: 'src/library/resolving.ts',
  'references/node': 'functions/node/resolving.ts',
  'references/lambda': 'functions/lambda/resolving.ts',
  'references/cloudflare': 'functions/cloudflare/resolving.ts',
  testing: 'functions/node-shared/testing.ts',
} as const

const COMMON: BuildOptions = {
  absWorkingDir: ROOT,
  bundle: true,
  format: 'esm',
  splitting: true,
  minify: true,
  // As far as a line can be broken: of an error that nobody catches, Node prints the line before its words.
  lineLimit: 200,
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
}

const ON_NODE: BuildOptions = {
  platform: 'node',
  // The oldest that Lambda and people still run.
  target: 'node20',
  conditions: ['lambda', 'module'],
  mainFields: ['module', 'main'],
}
const ON_WORKERS: BuildOptions = {
  target: 'es2022',
  conditions: ['workerd', 'worker', 'browser'],
  external: ['cloudflare:*'],
}

/** Each entry stands for itself in one file, beside what it seldom needs: a file more costs an import a tenth of its time. @returns what went into each part. */
export async function buildLibrary(folder: string): Promise<readonly Metafile[]> {
  const built = Object.entries(LIBRARY).map(([name, file]) =>
    build({
      ...COMMON,
      ...(name.endsWith('cloudflare') ? ON_WORKERS : ON_NODE),
      entryPoints: { [name]: file },
      outdir: folder,
      chunkNames: `${name}-[name]-[hash]`,
    }),
  )
  return (await Promise.all(built)).flatMap(({ metafile }) => (metafile ? [metafile] : []))
}

/** The types, as the compiler emits them; each of ours imports its own by the name of the source, which a compiler follows there too. */
function buildTypes(folder: string): void {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  const emit = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--rootDir', ROOT, '--outDir', folder]
  for (const project of ['tools/types/node.json', 'tools/types/cloudflare.json'])
    execFileSync(process.execPath, [tsc, '-p', project, ...emit], { cwd: ROOT, stdio: 'inherit' })
  // Those of the entries are by hand: the compiler's would be those of the whole service, and of its libraries.
  cpSync(join(ROOT, 'tools/types/entries'), join(folder, 'entries'), { recursive: true })
}

interface Manifest {
  readonly [field: string]: unknown
  readonly scripts: unknown
}

/** What of the repository's own is true of the package. Libraries are in the bundles, so that whoever installs it installs nothing else. */
function manifest(folder: string): Manifest {
  const { name, version, description, license, type, sideEffects, publishConfig } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  ) as Manifest
  const library = Object.entries(LIBRARY).map(([entry, source]) => [
    `./${entry}`,
    { types: `./types/${source.replace(/\.ts$/, '.d.ts')}`, default: `./${entry}.js` },
  ])
  const deployed = Object.entries(ENTRIES).map(([entry, file]) => [
    `./${entry}`,
    { types: `./types/entries/${entry.replace(/s\/.*/, '')}.d.ts`, default: file },
  ])
  return {
    name,
    version,
    description,
    license,
    type,
    sideEffects,
    publishConfig,
    bin: { 'edge-keyring': 'edge-keyring.mjs' },
    exports: { ...Object.fromEntries([...library, ...deployed]), './package.json': './package.json' },
    engines: { node: '>=20.12' },
    files: readdirSync(folder).toSorted(),
    scripts: {},
  }
}

export async function buildPackage(folder = PACKAGE_FOLDER): Promise<void> {
  rmSync(folder, { recursive: true, force: true })
  await buildLibrary(folder)
  buildTypes(join(folder, 'types'))
  await buildEntries(folder)
  await buildNode(folder)
  for (const file of ['LICENSE', 'README.md', 'SECURITY.md', ...Object.values(ORIGINALS)])
    cpSync(join(ROOT, file), join(folder, file))
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest(folder), null, 2)}\n`)
}

if (import.meta.main) await buildPackage()
