/** No message quotes a value: one of a secret may stand in the wrong setting. */
import fc from 'fast-check'
import { globSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { readAnswering } from '../../src/config/answering.ts'
import { METHOD_NAMES } from '../../src/config/login-methods.ts'
import { LOGIN } from '../../src/config/names.ts'
import { namesOf } from '../../src/config/setting.ts'
import { TABLE, UNUSED } from '../../src/config/settings.ts'
import { toBase64 } from '../../src/core/bytes.ts'

const CANARY = 'c4n4ry'
const KEY = toBase64(new Uint8Array(32).fill(7))
const TOKEN = { name: 'ci', sha256: 'ab'.repeat(32), grants: ['read'] }

const NAMES = [
  ...[...TABLE, ...LOGIN].flatMap(([name, setting]) => namesOf(name, setting)),
  'KONG_VAULT_HCV_HOST',
  'KONG_VAULT_HCV_TOKEN',
  // What platforms say of themselves, which may be anything too.
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_EC2_METADATA_SERVICE_ENDPOINT',
  'GCE_METADATA_HOST',
  'IDENTITY_ENDPOINT',
  'IDENTITY_HEADER',
  'ACTIONS_ID_TOKEN_REQUEST_URL',
  'ACTIONS_ID_TOKEN_REQUEST_TOKEN',
  ...Object.keys(UNUSED),
  'KEYRING_VALT_TOKEN',
  'KONG_KEYRING_OTHER',
]

const words = fc.constantFrom(
  '',
  'a',
  ' ',
  '/',
  ':',
  ',',
  '..',
  '%2e',
  '\\',
  '\n',
  'https://',
  'http://',
  '@v',
  'main:',
  KEY,
  'ä',
  '8',
)
const planted = fc
  .tuple(fc.array(words, { maxLength: 4 }), fc.array(words, { maxLength: 4 }))
  .map(([before, after]) => [...before, CANARY, ...after].join(''))
const json = fc.oneof(
  fc.constantFrom<unknown>([CANARY], { [CANARY]: 1 }, [{ ...TOKEN, [CANARY]: 1 }], [{ ...TOKEN, expires_at: CANARY }]),
  fc.constantFrom('name', 'sha256', 'grants').map((field) => [{ ...TOKEN, [field]: CANARY }]),
  fc
    .constantFrom(CANARY, `read:${CANARY}`, `resolve:${CANARY} `, `${CANARY}:x`)
    .map((grant) => [{ ...TOKEN, grants: ['read', grant] }]),
)
const value = fc.oneof(
  planted,
  json.map((document) => JSON.stringify(document)),
  planted.map((text) => `[{"name":"${text}`),
)
const env = fc.dictionary(fc.constantFrom(...NAMES), value, { maxKeys: NAMES.length })

it('says nothing of any value in a problem, and no value crashes it', () => {
  fc.assert(
    fc.property(env, (settings) => {
      const parsed = parseConfig(settings, 'node')
      expect(JSON.stringify(parsed.ok ? parsed.notices : parsed.problems).toLowerCase()).not.toContain(CANARY)
    }),
    { numRuns: 2000 },
  )
})

it.each(['node', 'workers', 'lambda-sync'] as const)(
  'says nothing of any value in a problem of a login, on %s',
  (runtime) => {
    const fixed = fc.record({
      KEYRING_VAULT_AUTH_METHOD: fc.constantFrom(...METHOD_NAMES),
    })
    fc.assert(
      fc.property(env, fixed, (settings, methods) => {
        const parsed = parseConfig({ ...settings, ...methods }, runtime)
        expect(JSON.stringify(parsed.ok ? parsed.notices : parsed.problems).toLowerCase()).not.toContain(CANARY)
      }),
      { numRuns: 1000 },
    )
  },
)

it("says nothing of any value in a problem of Lambda's HTTP function", () => {
  fc.assert(
    fc.property(env, (settings) => {
      const parsed = readAnswering(settings)
      expect(JSON.stringify(parsed.ok ? parsed.notices : parsed.problems).toLowerCase()).not.toContain(CANARY)
    }),
    { numRuns: 1000 },
  )
})

/** Right, and full of canaries. */
const RIGHT = {
  KEYRING_VAULT_HOST: `http://${CANARY}.example`,
  KEYRING_VAULT_ALLOW_HTTP: 'on',
  KEYRING_VAULT_MOUNT: CANARY,
  KEYRING_VAULT_PATH: CANARY,
  KEYRING_VAULT_NAMESPACE: CANARY,
  KEYRING_VAULT_TOKEN: CANARY,
  KEYRING_WRAPPING_KEYS: `${CANARY}:${KEY}`,
  KEYRING_API_TOKENS: JSON.stringify([{ ...TOKEN, name: CANARY }]),
  KEYRING_API_TOKEN: `${CANARY}-${CANARY}`,
  KEYRING_DATABASE: CANARY,
}

it.each(['on', 'off'])('says nothing of any value in a notice, with the keyring %s', (KEYRING_ENABLED) => {
  const unused = Object.fromEntries(Object.keys(UNUSED).map((name) => [name, CANARY]))
  const parsed = parseConfig({ ...RIGHT, ...unused, KEYRING_ENABLED }, 'node')
  const notices = parsed.ok ? parsed.notices : []
  expect(notices).toHaveLength(1 + Object.keys(UNUSED).length)
  expect(notices.join().toLowerCase()).not.toContain(CANARY)
})

it('lists every name that is wrong or unknown, once set', () => {
  fc.assert(
    fc.property(
      fc.subarray(['KEYRING_VAULT_TIMEOUT_MS', 'KEYRING_WRAPPING_KEYS', 'PORT', 'HOST', 'KEYRING_VALT_TOKEN']),
      (wrong) => {
        const parsed = parseConfig(Object.fromEntries(wrong.map((name) => [name, `${CANARY} `])), 'node')
        const named = parsed.ok ? [] : parsed.problems.map(({ name }) => name)
        expect(named).toEqual(expect.arrayContaining(wrong))
      },
    ),
  )
})

it('imports zod as a namespace of its small form, everywhere in src', () => {
  const imports = globSync('src/**/*.ts').flatMap((path) => readFileSync(path, 'utf8').match(/^.*from 'zod.*$/gm) ?? [])
  expect(imports.length).toBeGreaterThan(0)
  expect(imports.filter((line) => !/^import (?:type )?\* as z from 'zod\/mini'$/.test(line))).toEqual([])
})
