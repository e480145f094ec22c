/** Builds dist/node: server and command line as the container runs them, `server.mjs` and `edge-keyring.mjs`, each beside a folder with what it loads later. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'esbuild'
import { ROOT, splitBundle } from './split-bundle.ts'

/** The command line starts the server that lies beside it. Two entries of one bundle would share it in dozens of small files, which start more slowly. */
const serverBeside: Plugin = {
  name: 'server-beside',
  setup: (build) =>
    build.onResolve({ filter: /\/node\/server\.ts$/ }, () => ({ path: '../server.mjs', external: true })),
}

export async function buildNode(folder: string): Promise<void> {
  await splitBundle({ entry: 'functions/node/server.ts', name: 'server', folder })
  await splitBundle({ entry: 'tools/edge-keyring.mjs', name: 'edge-keyring', folder, plugins: [serverBeside] })
}

if (import.meta.main) {
  const folder = join(ROOT, 'dist/node')
  rmSync(folder, { recursive: true, force: true })
  await buildNode(folder)
}
