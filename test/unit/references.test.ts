/** Kong's grammar of references, with the decisions where Kong leaves something open. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Reference } from '../../src/references/grammar.ts'
import { parseReference, printReference } from '../../src/references/grammar.ts'

const parsed = (text: string): Omit<Reference, 'options'> & { options: object } => {
  const result = parseReference(text)
  if (!result.ok) throw new Error(`${result.error.message} at ${result.error.at}`)
  return { ...result.reference, options: Object.fromEntries(result.reference.options) }
}
const refused = (text: string): string => {
  const result = parseReference(text)
  return result.ok ? 'accepted' : `${result.error.at} ${result.error.message}`
}
const NONE = { key: null, version: null, options: {} }

it.each([
  ['{vault://hashicorp-vault/password/pass1}', { vault: 'hashicorp-vault', resource: 'password', key: 'pass1' }],
  ['{vault://env/a}', { vault: 'env', resource: 'a' }],
  ['{vault://env/a/}', { vault: 'env', resource: 'a' }],
  ['{vault://env/a/b/}', { vault: 'env', resource: 'a/b' }],
  ['{vault://hcv/app/db/password#2}', { vault: 'hcv', resource: 'app/db', key: 'password', version: 2 }],
  ['{vault://aws/%2Fsecret/key}', { vault: 'aws', resource: '/secret', key: 'key' }],
  ['{vault://aws/%2Fsecret/key/}', { vault: 'aws', resource: '/secret/key' }],
  ['{vault://aws//a///b}', { vault: 'aws', resource: 'a', key: 'b' }],
  ['{vault://someone:else@env:8200/a}', { vault: 'env', resource: 'a' }],
  ['{vault://env/a;of=luasocket/b}', { vault: 'env', resource: 'a' }],
  ['{vault://env/a%252Bb+c%2Bd}', { vault: 'env', resource: 'a+b c d' }],
  ['{vault://env/a%2541}', { vault: 'env', resource: 'aA' }],
  ['{vault://env/100%}', { vault: 'env', resource: '100%' }],
  ['{vault://env/%C3%A4/%20}', { vault: 'env', resource: 'ä', key: ' ' }],
  [
    '{vault://aws/a/b?region=eu-west-1&flag&x=1&x=a%26+b#1}',
    {
      vault: 'aws',
      resource: 'a',
      key: 'b',
      version: 1,
      options: { region: ['eu-west-1'], flag: [true], x: ['1', 'a& b'] },
    },
  ],
])('reads %s', (text, reference) => {
  expect(parsed(text)).toEqual({ ...NONE, ...reference })
})

it.each([
  ['Bearer {vault://env/a}', '1 must begin with {vault://, with nothing before it'],
  ['{VAULT://env/a}', '1 must begin with {vault://, with nothing before it'],
  ['{vault://env/a} ', '16 must end with }, with nothing behind it'],
  ['{vault://env}', '13 has a missing path'],
  ['{vault://env?prefix=x}', '22 has a missing path'],
  ['{vault://env/}', '13 has an empty path'],
  ['{vault://env/////}', '13 has an invalid path'],
  ['{vault:///a}', '10 names no vault: lower case, digits and dashes'],
  ['{vault://Env/a}', '10 names no vault: lower case, digits and dashes'],
  ['{vault://env/a#}', '15 has an invalid version: a whole number from 1 on'],
  ['{vault://env/a#0}', '15 has an invalid version: a whole number from 1 on'],
  ['{vault://env/a#1.5}', '15 has an invalid version: a whole number from 1 on'],
  ['{vault://env/a#0x2}', '15 has an invalid version: a whole number from 1 on'],
  ['{vault://env/a#1#2}', '15 has an invalid version: a whole number from 1 on'],
  ['{vault://env/%ff}', '13 has a path that is not UTF-8'],
  ['{vault://env/\ud800}', '14 has half a character'],
])('points at the character that is wrong in %j', (text, error) => {
  expect(refused(text)).toBe(error)
})

describe('whatever is written', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  const options = fc
    .dictionary(text, fc.array(fc.oneof(text, fc.constant<true>(true)), { minLength: 1, maxLength: 3 }), { maxKeys: 3 })
    .map((all) => new Map(Object.entries(all)))
  const reference = fc.record({
    vault: fc.stringMatching(/^[a-z][a-z\d-]{0,8}[a-z\d]$/),
    resource: fc.oneof(text, fc.constantFrom('/a', 'a//b', 'a/b', '/', '100%41+', '..')),
    key: fc.option(fc.oneof(text, fc.constantFrom('/', 'a/b', '%2F', '+'))),
    version: fc.option(fc.integer({ min: 1, max: 999_999_999 })),
    options,
  })

  it('a reference that is printed is read as the same', () => {
    fc.assert(
      fc.property(reference, (one) => {
        expect(parseReference(printReference(one))).toEqual({ ok: true, reference: one })
      }),
      { numRuns: 1000 },
    )
  })

  it('nothing crashes it, and what it accepts it prints and reads again', () => {
    const parts = fc.constantFrom(
      '{vault://',
      'env',
      '/',
      '//',
      '#',
      '?',
      '&',
      '=',
      '@',
      ':',
      ';',
      '%',
      '%2F',
      '%25',
      '+',
      '1',
      '}',
      '\ud800',
      'ä',
    )
    const near = fc.array(fc.oneof(parts, fc.string()), { maxLength: 12 }).map((all) => all.join(''))
    fc.assert(
      fc.property(near, fc.boolean(), (middle, isFramed) => {
        const one = parseReference(isFramed ? `{vault://env/${middle}}` : middle)
        if (one.ok) expect(parseReference(printReference(one.reference))).toEqual(one)
        else expect(one.error.at).toBeGreaterThan(0)
      }),
      { numRuns: 3000 },
    )
  })
})
