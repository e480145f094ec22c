/** What stands in the place of a file in a Worker and on Lambda: builds them as they are deployed, and looks at what is in them. */
import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { FUNCTIONS, buildLambda } from '../../tools/build-lambda.ts'

const ROOT = join(import.meta.dirname, '../..')
const SERVERLESS = globSync('src/**/*.serverless.ts', { cwd: ROOT })
const OF_WORKERS = [...SERVERLESS, ...globSync('src/**/*.workers.ts', { cwd: ROOT })]

/** What a bundle with these files has no use for. */
const needless = (parts: readonly string[], files: readonly string[]): readonly string[] => {
  const elsewhere = new Set(files.map((file) => file.replace(/\.\w+\.ts$/, '.ts')))
  return parts.filter((part) => elsewhere.has(part) || part.includes('/leven/'))
}

async function partsOfLambda(name: (typeof FUNCTIONS)[number]): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-platforms-'))
  const { start, later } = await buildLambda(name, folder).finally(() => rmSync(folder, { recursive: true }))
  return [...start.parts, ...later.parts]
}

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
    expect(needless(parts, OF_WORKERS)).toEqual([])
  })
})

describe.each(FUNCTIONS)('the function %s on Lambda', (name) => {
  it('has nothing that only a server can meet, and nothing of Workers', async () => {
    const parts = await partsOfLambda(name)
    expect(SERVERLESS.length).toBeGreaterThan(2)
    expect(parts).toEqual(name === 'http' ? expect.anything() : expect.arrayContaining(SERVERLESS))
    expect(needless(parts, SERVERLESS)).toEqual([])
    expect(parts.filter((part) => part.endsWith('.workers.ts'))).toEqual([])
  })
})
