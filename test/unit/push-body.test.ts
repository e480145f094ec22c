/** What comes in by HTTP as a push: nothing but what a source shows is taken, and key strings are secrets from then on. */
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { pushBody } from '../../src/http/rare-schema.ts'
import { parseBody } from '../../src/http/schema.ts'
import { SOURCE, observed } from '../support/observed.ts'

const { address: _, ...source } = SOURCE
const observation = observed(['a:1', 'b:2'], '2025-01-02T00:00:00.5Z')
const key = { version: 2, kind: 'key', id: 'b', createdMs: 1, key: 'canary' }
const reads = [key, { version: 1, kind: 'malformed', why: 'no-id' }, { version: 3, kind: 'gone' }]
const body = { source, observation, reads, force: false, adopt: false }
const without = (all: object, name: string) => Object.fromEntries(Object.entries(all).filter(([each]) => each !== name))
const parse = (given: unknown) => parseBody(pushBody, given)

describe('a push', () => {
  it.each(['source', 'observation'])('is refused for a list in place of its %s, of which no part is listed', (name) => {
    const long = new Proxy([], { ownKeys: () => expect.unreachable('Somebody lists them.') })
    expect(() => parse({ ...body, [name]: long })).toThrow(`${name} is not as expected`)
  })

  it('is taken as it is, and shows no key string', () => {
    const parsed = parse(body)
    expect(parsed).toMatchObject({ source, observation })
    expect(parsed.reads?.map((read) => (read.kind === 'key' ? read.key.reveal() : read.kind))).toEqual([
      'canary',
      'malformed',
      'gone',
    ])
    expect(JSON.stringify(parsed) + inspect(parsed, { depth: 9 })).not.toContain('canary')
  })

  it('may be an offer, of nothing, and with a question', () => {
    expect(parse({ source, observation: null })).toEqual({ source, observation: null, force: false, adopt: false })
    expect(parse({ source, observation, mount_keeps: 0 })).toMatchObject({ mount_keeps: 0 })
  })

  it.each<[string, unknown]>([
    ['without an observation', { source, reads }],
    ['with a field more', { ...body, token: 'canary' }],
    ['with an address', { ...body, source: SOURCE }],
    ['of another engine', { ...body, source: { ...source, kind: 'transit' } }],
    ['with a field more in the observation', { ...body, observation: { ...observation, more: 1 } }],
    ['with a field less in the observation', { ...body, observation: { ...observation, keeps: undefined } }],
    [
      'with what every object has in its place',
      { ...body, observation: { ...without(observation, 'keeps'), constructor: 1 } },
    ],
    ['with a number that is none', { ...body, observation: { ...observation, current: '2' } }],
    ['with a negative number', { ...body, observation: { ...observation, current: -1 } }],
    ['with a time that no date has', { ...body, reads: [{ ...key, createdMs: 8.64e15 + 1 }] }],
    ['with an incarnation that is none', { ...body, observation: { ...observation, incarnation: 'a b' } }],
    ['with an incarnation that is no time', { ...body, observation: { ...observation, incarnation: 'x' } }],
    ['with one that is no date', { ...body, observation: { ...observation, incarnation: '2025-13-01T00:00:00Z' } }],
    ['with a state that is none', { ...body, observation: { ...observation, versions: [{ version: 1, state: 'x' }] } }],
    ['with versions that are no list', { ...body, observation: { ...observation, versions: {} } }],
    ['with reads that are no list', { ...body, reads: key }],
    ['with a read of nothing', { ...body, reads: [null] }],
    ['with a read of another kind', { ...body, reads: [{ ...key, kind: 'canary' }] }],
    ['with an id that is none', { ...body, reads: [{ ...key, id: 'canary canary' }] }],
    ['with an empty key string', { ...body, reads: [{ ...key, key: '' }] }],
    ['with half a character in it', { ...body, reads: [{ ...key, key: 'canary\ud800' }] }],
    ['with a key string beside what has none', { ...body, reads: [{ version: 1, kind: 'gone', key: 'canary' }] }],
  ])('%s is refused, and nothing of it is quoted', (_name, given) => {
    const refusal = (() => {
      try {
        return parse(given)
      } catch (error) {
        return error
      }
    })()
    expect(refusal).toMatchObject({ code: 'ERR_REQUEST_INVALID' })
    expect(String(refusal)).not.toContain('canary')
  })
})
