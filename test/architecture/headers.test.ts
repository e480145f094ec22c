/** Every file of the product, of its tools and of its benches says first what it is for, in a doc comment. */
import { readFileSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')

/** At the very beginning, or after the line by which a shell finds Node. */
const HEADER = /^(?:#!.*\n)?\/\*\*\s+\S/

const filesIn = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.m?[jt]s$/.test(path))
    .map((path) => `${folder}/${path}`)

it('every file begins with what it is for', () => {
  const files = ['src', 'functions', 'tools', 'bench'].flatMap(filesIn)
  const silent = files.filter((path) => !HEADER.test(readFileSync(join(ROOT, path), 'utf8')))
  expect(silent).toEqual([])
  expect(files.length).toBeGreaterThan(100)
})
