/** Every file of the product says first what it is for, in a doc comment. */
import { readFileSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')

/** These are being rewritten elsewhere; the list ends with that. */
const NOT_YET: ReadonlySet<string> = new Set([
  ...['change', 'decrypt', 'doctor', 'encrypt', 'keys', 'secrets', 'start', 'status', 'sync'].map(
    (name) => `functions/cli/${name}.ts`,
  ),
  ...['api-tokens', 'read-api-tokens', 'read-by', 'read-wrapping-keys', 'unverified', 'wrapping-keys'].map(
    (name) => `src/config/${name}.ts`,
  ),
  'src/keyring/memory-store.ts',
])

/** At the very beginning, or after the line by which a shell finds Node. */
const HEADER = /^(?:#!.*\n)?\/\*\*\s+\S/

const filesIn = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => `${folder}/${path}`)

it('every file begins with what it is for', () => {
  const files = [...filesIn('src'), ...filesIn('functions')]
  const silent = files.filter((path) => !HEADER.test(readFileSync(join(ROOT, path), 'utf8')))
  expect(silent.filter((path) => !NOT_YET.has(path))).toEqual([])
  expect(files.length).toBeGreaterThan(100)
})
