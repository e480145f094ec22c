/** What stands in the place of a file in a Worker: builds one as `wrangler deploy` does, and looks at what is in it. */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const OF_WORKERS = globSync('src/**/*.workers.ts', { cwd: ROOT })

async function partsOfWorker(): Promise<readonly string[]> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['functions/cloudflare/worker.ts'],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*'],
  })
  return Object.keys(metafile.inputs)
}

describe('a Worker', () => {
  it('has each file of its own, and not the one that it stands for, nor what only that imports', async () => {
    const parts = await partsOfWorker()
    expect(OF_WORKERS.length).toBeGreaterThan(5)
    expect(parts).toEqual(expect.arrayContaining(OF_WORKERS))
    const elsewhere = new Set(OF_WORKERS.map((file) => file.replace('.workers.ts', '.ts')))
    expect(parts.filter((part) => elsewhere.has(part) || part.includes('/leven/'))).toEqual([])
  })
})
