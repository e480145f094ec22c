/** What a user's own repository deploys from the package, by the name under which it is imported: `edge-keyring/<name>`. */
import { join } from 'node:path'
import { build } from 'esbuild'
import { FUNCTIONS, buildLambda } from './build-lambda.ts'
import { ROOT } from './split-bundle.ts'

/** From the package's root. */
export const ENTRIES: Readonly<Record<string, string>> = {
  worker: './entries/worker.mjs',
  ...Object.fromEntries(FUNCTIONS.map((name) => [`handlers/${name}`, `./entries/handlers/${name}.mjs`])),
}

/** @param root of the package. */
export async function buildEntries(root: string): Promise<void> {
  await build({
    entryPoints: [join(ROOT, 'functions/cloudflare/worker.ts')],
    outfile: join(root, ENTRIES['worker'] ?? ''),
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'node:*'],
    legalComments: 'none',
  })
  for (const name of FUNCTIONS) await buildLambda(name, join(root, 'entries/handlers'))
}
