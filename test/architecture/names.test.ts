/** A name that is exported means one thing in the whole tree: whoever reads it need not look which of two it is. */
import { globSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, it } from 'vitest'

/** Each platform's own for the same thing; no file sees two of them. */
const ONE_FOR_EACH_PLATFORM = ['FRESHNESS', 'SYNC_BATCH', 'handler', 'openKeyring', 'openReferences', 'vaultFetch']
/** The command and what it does. */
const COMMANDS = ['start']

const EXPORT = /^export (?:async )?(?:const|function|class|interface|type) (\w+)/gm

/** What stands for a file in a Worker has that file's names, and no others. */
const stoodFor = (file: string): string => file.replace(/\.(?:workers|serverless)\.ts$/, '.ts')

function sharedNames(texts: ReadonlyMap<string, string>): Record<string, readonly string[]> {
  const places = new Map<string, Set<string>>()
  for (const [file, text] of texts)
    for (const [, name = ''] of text.matchAll(EXPORT)) places.set(name, new Set(places.get(name)).add(stoodFor(file)))
  const shared = [...places].map(([name, files]) => [name, [...files]] as const).filter(([, { length }]) => length > 1)
  return Object.fromEntries(shared)
}

it('no name is exported by two files', () => {
  const cwd = resolve(import.meta.dirname, '../..')
  const files = globSync('{src,functions}/**/*.ts', { cwd })
  expect(files.length).toBeGreaterThan(150)
  const shared = sharedNames(new Map(files.map((file) => [file, readFileSync(resolve(cwd, file), 'utf8')])))
  const known = [...ONE_FOR_EACH_PLATFORM, ...COMMANDS]
  expect(Object.entries(shared).filter(([name]) => !known.includes(name))).toEqual([])
  expect(known.filter((name) => !(name in shared))).toEqual([])
})

it('such a name is seen, with the files that export it', () => {
  const texts = {
    a: 'export type Answer = 1\nexport const ask = 1',
    b: 'export interface Answer {}',
    c: 'const ask = 2',
    'd.ts': 'export const tell = 1',
    'd.workers.ts': 'export const tell = 2',
    'e.workers.ts': 'export const ask = 3',
  }
  expect(sharedNames(new Map(Object.entries(texts)))).toEqual({ Answer: ['a', 'b'], ask: ['a', 'e.ts'] })
})
