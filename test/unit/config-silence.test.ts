/** No message quotes a value: one of a secret may stand in the wrong setting. */
import fc from 'fast-check'
import { globSync, readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { probeOf } from '../../functions/node-shared/probe.ts'
import { readTextFile } from '../../functions/node-shared/text-file.ts'
import { createAuthority } from '../../src/app.ts'
import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/config.ts'
import { readAnswering } from '../../src/config/answering.ts'
import { METHOD_NAMES } from '../../src/config/login-methods.ts'
import { LOGIN } from '../../src/config/names.ts'
import { namesOf } from '../../src/config/setting.ts'
import { TABLE, UNUSED } from '../../src/config/settings.ts'
import { toBase64 } from '../../src/core/bytes.ts'
import { systemClock } from '../../src/core/clock.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'

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

/** Texts that a parser of URLs throws at, with the text in what it throws. */
const NO_URLS = [
  ':x',
  'https://',
  'https://:x',
  'https://[',
  'https://x:99999',
  'https://%',
  'http://a b',
  'https://x\u0000',
]
const ADDRESSES = NAMES.filter((name) => /(?:HOST|ADDR|URL|URI|ENDPOINT|ISSUER)$/.test(name))

it.each(ADDRESSES)('is not crashed by %s with what is no address', (name) => {
  for (const text of NO_URLS)
    for (const method of METHOD_NAMES) {
      const env = {
        KEYRING_VAULT_AUTH_METHOD: method,
        KONG_VAULT_HCV_PROTOCOL: 'https',
        KEYRING_VAULT_JWT_SOURCE: 'azure',
      }
      const at = `${text}${CANARY}`
      for (const runtime of ['node', 'workers', 'lambda-sync'] as const) {
        const parsed = parseConfig(
          { ...env, [name]: at, IDENTITY_HEADER: 'x', AWS_EC2_METADATA_DISABLED: 'true' },
          runtime,
        )
        expect(JSON.stringify(parsed.ok ? parsed.notices : parsed.problems).toLowerCase()).not.toContain(CANARY)
      }
    }
})

it('goes from a text to a URL without a word that throws, in all settings', () => {
  const throwing = globSync('src/config/*.ts').filter((path) => /new URL\(|canParse/.test(readFileSync(path, 'utf8')))
  expect(throwing).toEqual([])
})

const LOGINS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  token: { TOKEN: 't' },
  kubernetes: { KUBE_API_TOKEN: 'a.b.c' },
  approle: { APPROLE_ROLE_ID: 'r', APPROLE_SECRET_ID: 's' },
  userpass: { USERPASS_USERNAME: 'ann', USERPASS_PASSWORD: 'p' },
  jwt: { JWT: 'a.b.c' },
  oauth2: { OAUTH2_ISSUER: 'https://idp.example', OAUTH2_CLIENT_ID: 'c', OAUTH2_CLIENT_SECRET: 's' },
  aws_iam: { AWS_AUTH_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'AKIATESTTESTTESTTEST', AWS_SECRET_ACCESS_KEY: 's' },
}
const COMPLETE = {
  KEYRING_VAULT_HOST: 'https://vault.example',
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_WRAPPING_KEYS: `w1:${KEY}`,
  KEYRING_API_TOKENS: JSON.stringify([TOKEN]),
}
/** Those that must not show in what is printed of a configuration either. */
const SECRETS = new Set(
  [...TABLE, ...LOGIN].filter(([, { secret }]) => secret).flatMap(([name, setting]) => namesOf(name, setting)),
)
const anyText = fc
  .tuple(fc.string({ unit: 'binary', maxLength: 8 }), fc.string({ maxLength: 8 }), fc.boolean())
  .map(([before, after, isPem]) => (isPem ? `-----BEGIN ${before}${CANARY}${after}-----END` : before + CANARY + after))
const anyValue = fc.oneof(anyText, value)

it('starts, and asks Vault, with whatever text in whichever setting, and says nothing of it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.keys(LOGINS)),
      fc.constantFrom('node' as const, 'workers' as const, 'lambda-sync' as const),
      fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), anyValue), { maxLength: 2, selector: ([name]) => name }),
      async (method, runtime, odd) => {
        const login = Object.entries(LOGINS[method] ?? {}).map(([name, text]) => [`KEYRING_VAULT_${name}`, text])
        const lambda = runtime === 'lambda-sync' ? { KEYRING_TABLE: 'table', KEYRING_API_TOKENS: '' } : {}
        const env = {
          ...COMPLETE,
          KEYRING_VAULT_AUTH_METHOD: method,
          ...Object.fromEntries(login),
          ...lambda,
          ...Object.fromEntries(odd),
        } as Record<string, string>
        const parsed = parseConfig(env, runtime)
        const told = parsed.ok ? parsed.notices : parsed.problems
        expect(inspect(told, { depth: 9 }).toLowerCase()).not.toContain(CANARY)
        if (!parsed.ok || parsed.config === null) return
        const { config } = parsed
        const sent = probeOf(config.vault, systemClock) === null ? null : await asked(config)
        // Of API tokens a configuration has names, grants and hashes, which may be shown.
        if (odd.every(([name]) => SECRETS.has(name) && name !== 'KEYRING_API_TOKENS'))
          for (const shown of [config, sent].map((each) => inspect(each, { depth: 12, showHidden: true })))
            expect(shown.toLowerCase()).not.toContain(CANARY)
      },
    ),
    { numRuns: 1500, examples: NAMES.map((name) => ['oauth2', 'node', [[name, `:x${CANARY}`]]]) },
  )
}, 60_000)

/** One sync, whose requests are all answered by a page. What is no trouble of the network would reject. */
async function asked(config: Config): Promise<unknown> {
  const authority = createAuthority(config, {
    cipher: nodeCipher,
    hash: nodeHash,
    clock: { now: () => Date.now(), sleep: async () => {} },
    store: memoryStore(),
    replica: null,
    fetch: async () => new Response('<html>', { status: 400 }),
    readFile: readTextFile,
    audit: { note: () => {}, commit: async () => {} },
    probe: null,
    log: () => {},
    vaults: null,
    loadRare: () => rare,
    syncBatch: 900,
    leftMs: () => Number.POSITIVE_INFINITY,
  })
  const options = { force: false, adopt: false, token: null }
  return authority.call({ call: 'sync', keyring: 'default', options })
}

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
