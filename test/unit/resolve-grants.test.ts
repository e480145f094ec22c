/** Grants of references: each pattern covers exactly what is sent to the vault, and nothing by another spelling. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { resolvable } from '../../src/auth/grants.ts'
import { parseReference } from '../../src/references/grammar.ts'

function covers(pattern: string, text: string): boolean {
  const parsed = parseReference(text)
  if (!parsed.ok) throw new Error(parsed.error.message)
  return resolvable(new Set([`resolve:${pattern}`]))?.(parsed.reference) === true
}

describe('a grant resolve:<pattern>', () => {
  it.each([
    ['hcv/app/db', '{vault://hcv/app/db}'],
    ['hcv/app/db', '{vault://hcv/app/db#3}'],
    ['hcv/app/db', '{vault://hcv//app/db?ttl=1}'],
    ['hcv/app/db', '{vault://hcv/%2561pp/db}'],
    ['hcv/app/db/', '{vault://hcv/app/db/}'],
    ['hcv/app/*', '{vault://hcv/app/db}'],
    ['hcv/*/pass', '{vault://hcv/app/pass}'],
    ['*/app/db', '{vault://hcv/app/db}'],
    ['hcv/app/**', '{vault://hcv/app/a/b/c}'],
    ['hcv/app/**', '{vault://hcv/app/a/b/}'],
    ['hcv/app/**', '{vault://hcv/app/}'],
    ['**', '{vault://hcv/app/db}'],
    ['env/a', '{vault://env/a}'],
    ['env/a', '{vault://env/a/}'],
    ['env/a/', '{vault://env/a}'],
    ['env/*', '{vault://env/a}'],
    ['aws//secret/', '{vault://aws/%252Fsecret/}'],
    ['hcv/a.b/.c', '{vault://hcv/a.b/.c}'],
  ])('%s covers %s', (pattern, text) => {
    expect(covers(pattern, text)).toBe(true)
  })

  it.each([
    ['another vault', 'hcv/app/db', '{vault://other/app/db}'],
    ['a vault whose name begins so', 'hcv/**', '{vault://hcv2/app/db}'],
    ['the whole secret by a grant for a field', 'hcv/app/db', '{vault://hcv/app/db/}'],
    ['a field by a grant for the whole secret', 'hcv/app/', '{vault://hcv/app/db}'],
    ['the whole secret by a grant for each field', 'hcv/app/db/*', '{vault://hcv/app/db/}'],
    ['a path that is longer', 'hcv/app/*', '{vault://hcv/app/x/y}'],
    ['a path that is shorter', 'hcv/app/**', '{vault://hcv/app2/}'],
    ['a slash that was encoded twice, in one segment', 'hcv/*/pass', '{vault://hcv/app%252Fother/pass}'],
    ['a slash that was encoded once, in one segment', 'hcv/*/pass', '{vault://hcv/app%2Fother/pass}'],
    ['a field with a slash', 'hcv/app/*', '{vault://hcv/app/x%252Fy}'],
    ['an empty segment by a wildcard', 'aws/*/secret/', '{vault://aws/%252Fsecret/}'],
    ['dots that lead elsewhere', 'hcv/app/**', '{vault://hcv/app/../other/pass}'],
    ['dots in another spelling', 'hcv/app/**', '{vault://hcv/app/%252e%252e/other/pass}'],
    ['a dot', 'hcv/app/**', '{vault://hcv/app/./pass}'],
    ['dots in a key', 'fs/app/**', '{vault://fs/app/x%252F..%252F..%252Fother}'],
    ['dots as a literal', 'hcv/../pass', '{vault://hcv/../pass}'],
    ['half a name', 'hcv/ap*/db', '{vault://hcv/app/db}'],
    ['a pattern that is escaped', 'hcv/%61pp/db', '{vault://hcv/app/db}'],
    ['another case', 'hcv/App/db', '{vault://hcv/app/db}'],
    ['nothing but a vault', 'hcv', '{vault://hcv/app}'],
  ])('does not cover %s', (_name, pattern, text) => {
    expect(covers(pattern, text)).toBe(false)
  })

  it('is needed: no other grant but admin covers anything', () => {
    expect(resolvable(new Set(['read', 'decrypt', 'refresh', 'force']))).toBeNull()
    expect(resolvable(new Set(['admin']))?.({ vault: 'hcv', resource: 'app', key: null })).toBe(true)
  })
})

const segment = fc.stringMatching(/^[a-z0-9][a-z0-9._~-]{0,6}$/)
const resource = fc.array(segment, { minLength: 1, maxLength: 4 })
const key = fc.option(segment)

describe('a pattern without wildcards', () => {
  const sought = fc.record({ vault: segment, resource: resource.map((all) => all.join('/')), key })
  const patternOf = ({ vault, resource: path, key: field }: { vault: string; resource: string; key: string | null }) =>
    `${vault}/${path}/${field ?? ''}`

  it('covers one thing alone', () => {
    fc.assert(
      fc.property(sought, sought, (one, other) => {
        const may = resolvable(new Set([`resolve:${patternOf(one)}`]))
        expect(may?.(one)).toBe(true)
        expect(may?.(other)).toBe(JSON.stringify(one) === JSON.stringify(other))
      }),
    )
  })

  it('covers nothing that has a segment more, less or split elsewhere', () => {
    fc.assert(
      fc.property(sought, segment, (one, more) => {
        const may = resolvable(new Set([`resolve:${patternOf(one)}`]))
        for (const path of [
          `${one.resource}/${more}`,
          `${more}/${one.resource}`,
          `${one.resource}/`,
          `/${one.resource}`,
        ])
          expect(may?.({ ...one, resource: path })).toBe(false)
      }),
    )
  })
})

it('a wildcard at the end covers all that begins so, and nothing with dots that lead elsewhere', () => {
  const any = fc.array(fc.oneof(segment, fc.constantFrom('.', '..', '', '%2e')), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(any, key, (path, field) => {
      const may = resolvable(new Set(['resolve:hcv/app/**']))
      const leads = path.includes('.') || path.includes('..')
      expect(may?.({ vault: 'hcv', resource: ['app', ...path].join('/'), key: field })).toBe(!leads)
      expect(may?.({ vault: 'hcv', resource: ['apple', ...path].join('/'), key: field })).toBe(false)
    }),
  )
})
