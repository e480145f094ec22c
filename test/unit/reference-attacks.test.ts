/** What whoever writes references can never cause: another path, a variable of ours, work without bound, a look past grants. */
import { spawnSync } from 'node:child_process'
import { request as httpRequest } from 'node:http'
import { text as textOf } from 'node:stream/consumers'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { serveHttp } from '../../functions/node/http.ts'
import { readEntities } from '../../src/config/entities.ts'
import { distantAuthority } from '../../src/keyring/messages.ts'
import { parseReference } from '../../src/references/grammar.ts'
import { environmentBackend } from '../../src/secrets/environment.ts'
import type { VaultsPorts } from '../../src/vaults.ts'
import { openKeepers, openVaults } from '../../src/vaults.ts'
import { wrappingKey } from '../support/authority.ts'
import { httpOn } from '../support/http.ts'
import { NOW } from '../support/observed.ts'
import { vaultsPorts } from '../support/vaults.ts'

/** All of the settings of vaults and of what asks them, with a Vault that has every secret. @param env the variables, also those that a vault gives. */
function deployment(env: Readonly<Record<string, string>>) {
  const clock = { time: NOW, now: () => clock.time, sleep: async () => {} }
  const asked: string[] = []
  const config = { wrappingKeys: [wrappingKey('w1', 1)] }
  const { entities, broken } = readEntities(env, 'node')
  const ports = { cipher: nodeCipher, hash: nodeHash, clock }
  const answers = {
    fetchOf: () => async (request) => {
      asked.push(request.url)
      return Response.json({
        data: {
          data: { key: 'a value' },
          metadata: { version: 1, created_time: '2026-01-01T00:00:00Z', deletion_time: '', destroyed: false },
        },
      })
    },
    openOther: (settings) =>
      settings.type === 'env' ? environmentBackend(env, settings.variableOf) : expect.unreachable('No other is set.'),
  } satisfies Partial<VaultsPorts>
  const keepers = openKeepers(entities, config, vaultsPorts(clock, answers))
  const authority = distantAuthority(async (message) => ('vault' in message ? keepers.call(message) : null))
  const vaults = openVaults(entities, config, { ...ports, authority, broken, freshMs: 0 })
  return {
    asked,
    broken,
    vaults,
    clock,
    /** The value, or the code of the error. */
    async resolve(text: string): Promise<string> {
      clock.time += 1000
      const [one] = (await vaults.secrets?.resolve([text])) ?? []
      return one?.ok ? one.value.value : (one?.error.code ?? 'none')
    },
  }
}

const HCV = {
  KEYRING_VAULTS: JSON.stringify([
    { name: 'hcv', prefix: 'bao', config: { host: '127.0.0.1', mount: 'secret', kv: 'v2', token: 't', neg_ttl: 0 } },
  ]),
}

describe('a path', () => {
  const dot = fc.constantFrom('.', '%2e', '%2E', '%252e', '%252E', '%25%32%65')
  const slash = fc.constantFrom('/', '%2F', '%2f', '%252F', '%252f', '\\', '%5C', '%255c')
  const leading = fc.tuple(dot, fc.option(dot, { nil: '' })).map((dots) => dots.join(''))
  const plain = fc.stringMatching(/^[a-z0-9]{1,6}$/)
  const part = fc.oneof(
    { weight: 2, arbitrary: plain },
    leading,
    fc.constantFrom('', '%00', '%0a', 'a%2e', '...', '%25'),
  )
  const path = fc.array(fc.tuple(part, slash), { minLength: 1, maxLength: 5 }).map((all) => all.flat().join(''))

  it('with ".." or "." in any spelling leaves no request, wherever it stands', async () => {
    const on = deployment(HCV)
    await fc.assert(
      fc.asyncProperty(path, leading, slash, path, async (before, dots, separator, after) => {
        on.asked.length = 0
        const code = await on.resolve(`{vault://bao/${before}${dots}${separator}${after}/key}`)
        expect([code, on.asked]).toEqual(['ERR_REFERENCE_INVALID', []])
      }),
      { numRuns: 500 },
    )
  })

  it('of whatever spelling leads to the secret whose name it is, below the mount, or nowhere', async () => {
    const on = deployment(HCV)
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(path, async (written) => {
        const text = `{vault://bao/${written}key}`
        on.asked.length = 0
        seen.add(await on.resolve(text))
        const parsed = parseReference(text)
        for (const url of on.asked) {
          const { pathname } = new URL(url)
          expect(url).toBe(`http://127.0.0.1:8200${pathname}`)
          const segments = pathname.split('/').map(decodeURIComponent)
          expect(segments.slice(0, 4)).toEqual(['', 'v1', 'secret', 'data'])
          expect(segments.slice(4).join('/')).toBe(parsed.ok && parsed.reference.resource)
          expect(segments.slice(1).filter((segment) => /^\.{0,2}$|[/\\]/.test(segment))).toEqual([])
        }
      }),
      { numRuns: 1000 },
    )
    expect([...seen]).toEqual(expect.arrayContaining(['a value', '{"key":"a value"}', 'ERR_REFERENCE_INVALID']))
  })
})

describe('a variable', () => {
  const OURS = ['KEYRING_WRAPPING_KEYS', 'EDGE_KEYRING_TOKEN', 'KONG_VAULT_HCV_TOKEN', 'KONG_PG_PASSWORD']
  const OTHERS = ['VAULT_TOKEN', 'BAO_TOKEN', 'AWS_SECRET_ACCESS_KEY', 'DECK_TOKEN', 'READ_BY_US']
  const env = {
    ...Object.fromEntries([...OURS, ...OTHERS].map((name) => [name, 'canary'])),
    APP_PASSWORD: 'for callers',
    KEYRING_VAULT_TOKEN: '{vault://env/read_by_us}',
  }
  const spelled = (text: string) =>
    fc.array(fc.tuple(fc.boolean(), fc.boolean()), { minLength: text.length, maxLength: text.length }).map((choices) =>
      choices
        .map(([isLower, isDash], at) => {
          const character = text[at] ?? ''
          return character === '_' && isDash ? '-' : isLower ? character.toLowerCase() : character
        })
        .join(''),
    )
  const split = fc
    .constantFrom(...OURS, ...OTHERS)
    .chain((name) => fc.tuple(spelled(name), fc.integer({ min: 1, max: name.length - 1 })))

  it('of ours, or that others keep credentials in, is never given, however it is divided and written', async () => {
    let isAsked = 0
    await fc.assert(
      fc.asyncProperty(split, fc.constantFrom('', '#1', '#2', '/'), async ([name, at], end) => {
        const config = { prefix: name.slice(0, at) }
        const on = deployment({
          ...env,
          KEYRING_VAULTS: JSON.stringify([{ name: 'env', prefix: 'variables', config }]),
        })
        if (on.broken.length > 0) return
        isAsked += 1
        const text = `{vault://variables/${encodeURIComponent(name.slice(at))}${end}}`
        expect(await on.resolve(text)).toMatch(/^ERR_(?:REFERENCE_INVALID|SECRET_FORBIDDEN)$/)
      }),
      { numRuns: 500 },
    )
    expect(isAsked).toBeGreaterThan(250)
  })

  it.each([
    ['KEYRING_VAULT_TOKEN', '{vault://env/app%2Dtoken}'],
    ['KEYRING_VAULT_TOKEN', '{vault://x@env:1/app-token}'],
    ['KEYRING_VAULT_TOKEN', '{vault://env/token?x=1&prefix=app-}'],
    ['KEYRING_WRAPPING_KEYS', ' {vault://env/app%255ftoken#2} '],
    ['KONG_VAULT_HCV_TOKEN', '{vault://env//app-token/field}'],
    ['KEYRINGS', String.raw`[{"name":"x","path":"{vault:\/\/env\/app-token}"}]`],
  ])('that a setting names is none, however it is spelt: %s=%s', async (name, text) => {
    const config = { prefix: 'app-' }
    const vaults = JSON.stringify([{ name: 'env', prefix: 'variables', config }])
    const on = deployment({ ...env, [name]: text, APP_TOKEN: 'ours', KEYRING_VAULTS: vaults })
    expect(await on.resolve('{vault://variables/token}')).toBe('ERR_REFERENCE_INVALID')
    expect(await on.resolve('{vault://variables/token#2}')).toBe('ERR_REFERENCE_INVALID')
  })

  it('that was set aside for callers is', async () => {
    const config = { prefix: 'app-' }
    const on = deployment({ ...env, KEYRING_VAULTS: JSON.stringify([{ name: 'env', prefix: 'variables', config }]) })
    expect(await on.resolve('{vault://variables/password}')).toBe('for callers')
  })
})

const UNITS = [
  '/',
  '/a',
  '%',
  '%25',
  '%2525',
  '+',
  ';',
  '?',
  '&a=b',
  '?a&',
  '#',
  '#1',
  '@',
  ':',
  ':]',
  'a:',
  '-',
  'a-',
  '..',
  '%2e%2e%2f',
  'ä',
  '\ud83d\ude00',
  '}',
  '{vault://',
]

/** It prints each unit that it is done with. */
const READ_LONG = `
  const { parseReference, printReference } = await import(process.argv[1])
  for (const unit of JSON.parse(process.argv[2])) {
    const long = unit.repeat(Math.ceil(300_000 / unit.length))
    for (const text of [long, '{vault://' + long + '}', '{vault://hcv/' + long + '}', '{vault://hcv/a/' + long + '/b?x=' + long + '#1}']) {
      const parsed = parseReference(text)
      if (parsed.ok && !parseReference(printReference(parsed.reference)).ok) throw new Error('It is not read again.')
    }
    console.log(JSON.stringify(unit))
  }
`

it('300,000 characters, whatever they are, take no time that grows with their square', { timeout: 120_000 }, () => {
  const grammar = new URL('../../src/references/grammar.ts', import.meta.url).href
  const words = ['--input-type=module', '-e', READ_LONG, grammar, JSON.stringify(UNITS)]
  // A few reads of each character take seconds for all of them; the square of so many would take hours, and nothing else would end it.
  const { stdout, stderr } = spawnSync(process.execPath, words, {
    encoding: 'utf8',
    timeout: 90_000,
    killSignal: 'SIGKILL',
  })
  expect({ read: stdout.trim().split('\n'), stderr }).toEqual({
    read: UNITS.map((unit) => JSON.stringify(unit)),
    stderr: '',
  })
})

describe('dots in the path of a request', () => {
  it.each([
    ['GET', '/vaults/../secrets'],
    ['GET', '/vaults/%2e%2e/secrets'],
    ['GET', '/vaults/%2E./secrets'],
    ['GET', '/vaults/./../secrets'],
    ['GET', '/vaults/bao/../../secrets'],
    ['GET', '/vaults\\..\\secrets'],
    ['GET', '/x/../vaults/..//secrets'],
    ['POST', '/secrets/resolve/../../keyring/vault/sync'],
  ])('reach nothing that the caller may not: %s %s', async (method, path) => {
    const on = deployment(HCV)
    const { vaults, clock, asked } = on
    await on.resolve('{vault://bao/canary-name/key}')
    asked.length = 0
    let grants = ['admin']
    const app = httpOn({
      authenticate: () => ({ name: 'test', grants: new Set(grants) }),
      keyring: () => expect.unreachable('No keyring is needed.'),
      vaults,
      clock,
    })
    const { promise: listening, resolve: listens } = Promise.withResolvers<number>()
    const { server } = serveHttp(app, { hostname: '127.0.0.1', port: 0 }, ({ port }) => listens(port))
    onTestFinished(() => void server.close())
    const port = await listening
    expect((await raw(port, 'GET', '/secrets')).body).toContain('canary-name')
    grants = ['read', 'resolve:bao/app/**']
    const { status, body } = await raw(port, method, path)
    expect([403, 404, 405]).toContain(status)
    expect(body).not.toContain('canary')
    expect(asked).toEqual([])
  })
})

/** As it is written: a URL would be resolved here already. */
function raw(port: number, method: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer x', connection: 'close' }
    const sent = httpRequest({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
      textOf(answer).then((body) => resolve({ status: answer.statusCode ?? 0, body }), reject)
    })
    sent.once('error', reject)
    sent.end()
  })
}
