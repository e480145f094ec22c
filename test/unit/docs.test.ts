/** What the documents name exists. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { OWN_REMEDIES } from '../../functions/cli/failure.ts'
import { START_CODES } from '../../functions/node/start-failure.ts'
import { REMEDIES } from '../../src/core/errors.ts'
import { SERVICE_REMEDIES } from '../../src/core/service-remedies.ts'
import { VAULT_REMEDIES } from '../../src/core/vault-remedies.ts'

const PAGES = [
  ...readdirSync('.').filter((name) => name.endsWith('.md')),
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
]
const KNOWN = new Set<string>([
  ...Object.keys({ ...REMEDIES, ...SERVICE_REMEDIES, ...VAULT_REMEDIES }),
  ...Object.keys(OWN_REMEDIES),
  ...START_CODES,
])

describe.each(PAGES)('%s', (page) => {
  const text = readFileSync(page, 'utf8')

  it('links to files that are there', () => {
    const links = Array.from(text.matchAll(/\]\((?!https?:|#)([^)#]+)/g), ([, path = '']) => join(dirname(page), path))
    expect(links.filter((path) => !existsSync(path))).toEqual([])
  })

  it('names error codes that exist', () => {
    const codes = Array.from(text.matchAll(/\bERR_[A-Z0-9_]+/g), ([code]) => code)
    expect(codes.filter((code) => !KNOWN.has(code))).toEqual([])
  })
})

it('docs/cli.md lists the codes of the command line', () => {
  const text = readFileSync('docs/cli.md', 'utf8')
  expect([...Object.keys(OWN_REMEDIES), ...START_CODES].filter((code) => !text.includes(`| \`${code}\` |`))).toEqual([])
})
