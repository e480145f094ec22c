import { readFileSync } from 'node:fs'
import { describe, expect, expectTypeOf, it } from 'vitest'
import type { ACTIONS, Action, ApiToken as ApiTokenSetting } from '../../src/core/api-token.ts'
import type { WrappingKey as WrappingKeySetting } from '../../src/core/wrapping-key.ts'
import type { Config } from '../../src/config/config.ts'
import { readAnswering } from '../../src/config/answering.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Problem, Runtime } from '../../src/config/setting.ts'
import { isLoopback } from '../../src/core/loopback.ts'
import { toBase64 } from '../../src/core/bytes.ts'
import { settingsDoc } from '../../tools/settings-doc.ts'

const KEY = toBase64(new Uint8Array(32).fill(7))
const HASH = 'ab'.repeat(32)
const TOKEN: Omit<ApiTokenSetting, 'expiresAt'> = { name: 'ci', sha256: HASH, grants: ['read'] }

const MINIMAL = {
  KEYRING_VAULT_HOST: 'https://vault.example:8200',
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_VAULT_TOKEN: 'hvs.x',
  KEYRING_WRAPPING_KEYS: `main:${KEY}`,
  KEYRING_API_TOKENS: JSON.stringify([TOKEN]),
}

const sentence = ({ name, message }: Problem): string => `${name}: ${message}`
const place = ({ id, purpose }: WrappingKeySetting) => [id, purpose]

type Env = Record<string, string | undefined>

function parsed(more: Env = {}): { config: Config; notices: readonly string[] } {
  const result = parseConfig({ ...MINIMAL, ...more }, 'node')
  if (!result.ok || result.config === null) throw new Error(JSON.stringify(result))
  return { config: result.config, notices: result.notices }
}

function problems(env: Env): string[] {
  const result = parseConfig(env, 'node')
  return result.ok ? [] : result.problems.map(sentence)
}

/** Of the login `token`. */
const tokenOf = ({ vault }: Config): string | undefined =>
  vault?.auth.method === 'token' ? vault.auth.token.reveal() : undefined

const refusals = (more: Env): string[] => problems({ ...MINIMAL, ...more })
const isAccepted = (more: Env): boolean => refusals(more).length === 0

const without = (name: keyof typeof MINIMAL, more: Env = {}): Env => ({ ...MINIMAL, [name]: undefined, ...more })

describe('the settings together', () => {
  it('give the configuration, with defaults', () => {
    const { config, notices } = parsed()
    expect(notices).toEqual([])
    expect(config).toMatchObject({
      vault: {
        address: 'https://vault.example:8200',
        namespace: '',
        timeoutMs: 5000,
        secrets: [{ keyring: 'default', mount: 'secret', path: 'keyring' }],
      },
      keyrings: ['default'],
      apiTokens: [{ ...TOKEN, expiresAt: null }],
      node: { host: '127.0.0.1', port: 8001, database: null, apiToken: null },
    })
    expect(tokenOf(config)).toBe('hvs.x')
    expect(config.wrappingKeys.map(({ id, purpose, key }) => [id, purpose, key.reveal()])).toEqual([
      ['main', null, KEY],
    ])
  })

  it('print without their secrets', () => {
    const text = JSON.stringify(parsed({ KEYRING_API_TOKEN: 'local-admin' }).config)
    for (const secret of ['hvs.x', KEY, 'local-admin']) expect(text).not.toContain(secret)
  })

  it('are all missed at once, in the order of the table', () => {
    expect(problems({})).toEqual([
      'KEYRING_VAULT_HOST: is required: the address of Vault, such as https://vault.example:8200',
      'KEYRING_VAULT_MOUNT: is required: the mount of the KV engine, such as secret',
      'KEYRING_VAULT_PATH: is required: the path of the secret in the mount, such as keyring',
      'KEYRING_WRAPPING_KEYS: is required: <id>:<32 bytes in base64>; "edge-keyring secrets new" makes one',
      'KEYRING_API_TOKENS: is required: a JSON list with one token or more; "edge-keyring secrets new" makes one',
      'KEYRING_VAULT_TOKEN: is required: a Vault token that may read the secret',
    ])
  })

  it('are missing, wrong, contradictory and misspelt in one list', () => {
    const env = without('KEYRING_WRAPPING_KEYS', {
      KEYRING_VALT_PATH: 'x',
      KEYRING_VAULT_HOST: 'http://vault.example',
      KONG_KEYRING_VAULT_MOUNT: 'other',
      KEYRING_API_TOKEN: 'twelve-chars',
      HOST: '0.0.0.0',
      PORT: '65536',
    })
    expect(problems(env).map((problem) => problem.split(':')[0])).toEqual([
      'KEYRING_VAULT_HOST',
      'KEYRING_VAULT_MOUNT',
      'KEYRING_WRAPPING_KEYS',
      'KEYRING_API_TOKEN',
      'PORT',
      'KEYRING_VALT_PATH',
    ])
  })

  it('count as not set when empty', () => {
    expect(problems({ ...MINIMAL, KEYRING_VAULT_PATH: '', KEYRING_TYPO: '' })).toEqual([
      expect.stringMatching(/^KEYRING_VAULT_PATH: is required/),
    ])
    expect(parsed({ PORT: '', HOST: '', KEYRING_STRATEGY: '' }).config.node.port).toBe(8001)
  })

  it('need nothing more when the keyring is off, but what is set must be right', () => {
    const notices = ['The keyring is off (KEYRING_ENABLED=off).']
    for (const KEYRING_ENABLED of ['off', 'False']) {
      expect(parseConfig({ KEYRING_ENABLED }, 'node')).toEqual({ ok: true, config: null, notices })
    }
    expect(parseConfig({ ...MINIMAL, KONG_KEYRING_ENABLED: 'off' }, 'node')).toEqual({
      ok: true,
      config: null,
      notices,
    })
    expect(parseConfig({ KEYRING_ENABLED: 'off', KEYRING_API_TOKENS: '[]' }, 'node')).toMatchObject({ ok: true })
    expect(problems({ KEYRING_ENABLED: 'off', PORT: 'x', KEYRING_PROT: '1' })).toHaveLength(2)
  })
})

describe('names', () => {
  it('may be those of Kong', () => {
    const kong = Object.fromEntries(
      Object.entries(MINIMAL).map(([name, value]) => [/VAULT/.test(name) ? `KONG_${name}` : name, value]),
    )
    const more = { KONG_KEYRING_ENABLED: 'on', KONG_KEYRING_STRATEGY: 'vault', KONG_KEYRING_VAULT_AUTH_METHOD: 'token' }
    expect(parseConfig({ ...kong, ...more }, 'node')).toEqual(parseConfig(MINIMAL, 'node'))
  })

  it('may be set twice when they are equal, and are both named when they are not', () => {
    expect(isAccepted({ KONG_KEYRING_VAULT_MOUNT: 'secret' })).toBe(true)
    expect(refusals({ KONG_KEYRING_VAULT_MOUNT: 'kv' })).toEqual([
      'KEYRING_VAULT_MOUNT: differs from KONG_KEYRING_VAULT_MOUNT: set one of the two',
    ])
  })

  it('fall back on those of the Vault and OpenBao clients, OpenBao first', () => {
    const env = {
      ...without('KEYRING_VAULT_HOST'),
      KEYRING_VAULT_TOKEN: '',
      VAULT_ADDR: 'https://a.example',
      VAULT_TOKEN: 'a',
      VAULT_NAMESPACE: 'team/',
    }
    expect(parsed(env).config.vault).toMatchObject({ address: 'https://a.example', namespace: 'team' })
    const both = parsed({ ...env, BAO_ADDR: 'https://b.example', BAO_TOKEN: 'b' }).config
    expect([both.vault?.address, tokenOf(both)]).toEqual(['https://b.example', 'b'])
    expect(parsed({ ...env, BAO_ADDR: '' }).config.vault?.address).toBe('https://a.example')
    expect(parsed({ VAULT_ADDR: 'nonsense' }).config.vault?.address).toBe('https://vault.example:8200')
  })

  it('are those that were set when the value is wrong', () => {
    expect(problems(without('KEYRING_VAULT_HOST', { VAULT_ADDR: 'vault.example' }))).toEqual([
      'VAULT_ADDR: must be https://<host>[:port][/<base path>], without /v1, user, query or fragment',
    ])
  })

  it.each([
    ['KEYRING_VALT_TOKEN', 'Did you mean KEYRING_VAULT_TOKEN?'],
    ['KONG_KEYRING_VAULT_HOTS', 'Did you mean KEYRING_VAULT_HOST?'],
    ['KEYRING_VAULT_ADDR', 'Did you mean KEYRING_VAULT_HOST?'],
    ['KONG_KEYRING_VAULT_TIMEOUT_MS', 'Did you mean KEYRING_VAULT_TIMEOUT_MS?'],
    ['KEYRING_SOMETHING_ELSE', 'docs/settings.md lists them all'],
  ])('nobody knows are refused: %s', (name, advice) => {
    const refused = refusals({ [name]: 'x' })
    expect(refused).toHaveLength(1)
    expect(refused[0]).toMatch(`${name}: is not a setting`)
    expect(refused[0]).toMatch(advice)
  })

  it('of others are none of ours', () => {
    expect(
      isAccepted({ PATH: '/bin', KONG_DATABASE: 'off', KEYRINGX: 'x', keyring_typo: 'x', MY_KEYRING_X: 'x' }),
    ).toBe(true)
  })

  it('of Kong that are not used give a notice', () => {
    const names = [
      'PUBLIC_KEY',
      'PRIVATE_KEY',
      'RECOVERY_PUBLIC_KEY',
      'BLOB_PATH',
      'ENCRYPT_LICENSE',
      'VAULT_KUBE_ROLE',
      'VAULT_KUBE_API_TOKEN_FILE',
    ]
    for (const name of names.flatMap((each) => [`KEYRING_${each}`, `KONG_KEYRING_${each}`])) {
      expect(parsed({ [name]: 'x' }).notices).toEqual([expect.stringMatching(`^${name} is not used here: .+\\.$`)])
    }
  })
})

describe('single values', () => {
  const accepted: [string, ...string[]][] = [
    ['KEYRING_ENABLED', 'on', 'ON', 'true', 'True'],
    ['KEYRING_STRATEGY', 'vault'],
    [
      'KEYRING_VAULT_HOST',
      'https://v',
      'https://v:8200/',
      'HTTPS://V.example',
      'https://[2001:db8::1]:8200',
      'http://localhost:8200',
      'http://127.0.0.1',
      'http://[::1]:8200',
      'https://gw.example/vault',
      'https://gw.example/a/v1x/..b/',
    ],
    ['KEYRING_VAULT_MOUNT', 'kv/team', '/secret/', 'a b', 'ä', '...', '%41', '100%'],
    ['KEYRING_VAULT_PATH', 'a/b/c', '/a'],
    ['KEYRING_VAULT_NAMESPACE', 'admin/team', '/admin/', '/'],
    ['KEYRING_VAULT_AUTH_METHOD', 'token'],
    ['KEYRING_VAULT_TOKEN', ' hvs.abc\n'],
    ['KEYRING_VAULT_TIMEOUT_MS', '100', '60000'],
    [
      'KEYRING_WRAPPING_KEYS',
      `a:${KEY}`,
      `a:${KEY}, b:${KEY}\n`,
      `a:${KEY},b/keyring/default:${KEY},b/keyring/orders:${KEY}`,
    ],
    ['KEYRING_API_TOKEN', '12345678'],
    ['HOST', 'localhost', '::1', '127.3.2.1'],
    ['PORT', '0', '65535'],
    ['KEYRING_DATABASE', './keyring.sqlite', ':memory:'],
    ['KEYRING_DEV_VAULT_PORT', '8201'],
  ]
  it.each(accepted)('of %s are taken', (name, ...values) => {
    for (const value of values) expect([value, refusals({ [name]: value })]).toEqual([value, []])
  })

  const refused: [string, ...string[]][] = [
    ['KEYRING_ENABLED', 'yes', '1', ' on'],
    ['KEYRING_STRATEGY', 'cluster', 'Vault'],
    [
      'KEYRING_VAULT_HOST',
      'vault.example:8200',
      'ftp://v',
      'https:v',
      'https:\\\\v',
      'https://u:p@v',
      'https://@v',
      'https://v/v1',
      'https://v/?',
      'https://v?a=b',
      'https://v#',
      'https://v/..',
      'https://v/a/v1/',
      'https://v/a/../b',
      'https://v/a//b',
      'https://v/%61',
      ' https://v',
      'https://a b',
      'https://v:99999',
      'http://v',
      'http://127.0.0.1.example',
    ],
    ['KEYRING_VAULT_ALLOW_HTTP', 'sure'],
    [
      'KEYRING_VAULT_MOUNT',
      '/',
      '//a',
      'a//b',
      'a/../b',
      '.',
      'a/%2e%2E',
      '%2e.',
      'a%2fb',
      'a%5cb',
      'a\\b',
      'a\nb',
      'a%0ab',
      'a\u0085b',
      'a\ud800',
    ],
    ['KEYRING_VAULT_PATH', '..', 'a/'.repeat(2) + '/'],
    ['KEYRING_VAULT_NAMESPACE', 'a//b', 'a/../b', 'ä', 'a b', 'a%2fb'],
    ['KEYRING_VAULT_AUTH_METHOD', 'ldap', 'Token', 'gcp_iam'],
    ['KEYRING_VAULT_TOKEN', ' ', 'a b', 'ä'],
    ['KEYRING_VAULT_TIMEOUT_MS', '99', '60001', '1e3', '100.5', '-100', ' 100'],
    ['KEYRING_API_TOKEN', '1234567', 'with a space', 'ääääääääää'],
    ['HOST', 'a b', 'http://localhost', 'a/b'],
    ['PORT', '-1', '65536', '80a', '0x50'],
    ['KEYRING_DATABASE', 'a\u0000b'],
    ['KEYRING_DEV_VAULT_PORT', '0', '65536'],
  ]
  it.each(refused)('of %s are refused', (name, ...values) => {
    for (const value of values)
      expect([value, refusals({ [name]: value })]).toEqual([
        value,
        [expect.stringMatching(`^${name}: (?:must |has a line end)`)],
      ])
  })

  it('are normalised', () => {
    const { config } = parsed({
      KEYRING_VAULT_HOST: 'HTTPS://Vault.Example:443/',
      KEYRING_VAULT_MOUNT: '/kv/team/',
      KEYRING_VAULT_PATH: '/a/b',
      KEYRING_VAULT_NAMESPACE: '//admin/team//',
      KEYRING_VAULT_TOKEN: ' hvs.abc\n',
      HOST: '[::1]',
    })
    expect(config.vault).toMatchObject({
      address: 'https://vault.example',
      namespace: 'admin/team',
      secrets: [{ mount: 'kv/team', path: 'a/b' }],
    })
    expect(parsed({ KEYRING_VAULT_HOST: 'https://Gw.Example:443/Vault/' }).config.vault?.address).toBe(
      'https://gw.example/Vault',
    )
    expect([tokenOf(config), config.node.host]).toEqual(['hvs.abc', '::1'])
  })

  it('say why cluster and the logins to come are refused', () => {
    expect(refusals({ KEYRING_STRATEGY: 'cluster' })[0]).toMatch('must be vault or push')
    for (const KEYRING_VAULT_AUTH_METHOD of ['aws_ec2', 'gcp_iam', 'gcp_gce', 'azure'])
      expect(refusals({ KEYRING_VAULT_AUTH_METHOD })).toEqual([expect.stringMatching('comes with a later release')])
  })
})

describe('several keyrings', () => {
  const named = (...list: readonly unknown[]): Env => ({ KEYRINGS: JSON.stringify(list) })

  it('come after the default one, in its mount unless they name another', () => {
    const orders = { name: 'orders', path: 'team/orders' }
    expect(parsed(named(orders, { ...orders, name: 'hr', mount: 'kv' })).config).toMatchObject({
      keyrings: ['default', 'orders', 'hr'],
      vault: {
        secrets: [
          { keyring: 'default', mount: 'secret', path: 'keyring' },
          { keyring: 'orders', mount: 'secret', path: 'team/orders' },
          { keyring: 'hr', mount: 'kv', path: 'team/orders' },
        ],
      },
    })
  })

  it.each([
    ['no JSON', 'orders'],
    ['no list', '{"name":"orders","path":"x"}'],
    ['the name default', '[{"name":"default","path":"x"}]'],
    ['a name with a slash', '[{"name":"a/b","path":"x"}]'],
    ['no path', '[{"name":"orders"}]'],
    ['a path with ..', '[{"name":"orders","path":"a/../b"}]'],
    ['a field that is not known', '[{"name":"orders","path":"x","token":"secret"}]'],
    ['a name twice', '[{"name":"a","path":"x"},{"name":"a","path":"y"}]'],
  ])('are refused with %s', (_name, value) => {
    const refused = refusals({ KEYRINGS: value })
    expect(refused).toHaveLength(1)
    expect(refused[0]).toMatch(/^KEYRINGS: (entry 1, \w+: |entry 1: )?(must |is required: )/)
  })

  it('sync by themselves every ten minutes, or never', () => {
    expect(parsed().config.syncPeriodMs).toBe(600_000)
    expect(parsed({ KEYRING_SYNC_PERIOD: '0' }).config.syncPeriodMs).toBeNull()
    expect(refusals({ KEYRING_SYNC_PERIOD: '86401' })).toHaveLength(1)
  })
})

describe('the two functions on Lambda', () => {
  const stored = { KEYRING_WRAPPING_KEYS: MINIMAL.KEYRING_WRAPPING_KEYS, KEYRING_TABLE: 'edge-keyring' }
  const answering = {
    ...stored,
    KEYRING_API_TOKENS: MINIMAL.KEYRING_API_TOKENS,
    KEYRING_SYNC_FUNCTION: 'edge-keyring-sync',
  }
  const asking = { ...MINIMAL, ...stored, KEYRING_API_TOKENS: undefined }

  it('have settings of their own: the one that answers has no way to Vault', () => {
    expect(parseConfig(answering, 'lambda-http')).toMatchObject({ config: { vault: null, keyrings: ['default'] } })
    expect(parseConfig(asking, 'lambda-sync')).toMatchObject({ config: { apiTokens: [], vault: { timeoutMs: 5000 } } })
  })

  it('are told what is missing, and what one must not have', () => {
    const refused = (env: Env, runtime: Runtime) => {
      const result = parseConfig(env, runtime)
      return result.ok ? [] : result.problems.map(sentence)
    }
    expect(refused({ ...answering, KEYRING_TABLE: '', KEYRING_SYNC_FUNCTION: '' }, 'lambda-http')).toEqual([
      expect.stringMatching(/^KEYRING_TABLE: is required/),
      expect.stringMatching(/^KEYRING_SYNC_FUNCTION: is required/),
    ])
    expect(refused({ ...asking, KEYRING_TABLE: '' }, 'lambda-sync')).toEqual([
      'KEYRING_TABLE: is required: the name of the DynamoDB table',
    ])
    expect(refused({ ...answering, KONG_KEYRING_VAULT_TOKEN: 'x' }, 'lambda-http')).toEqual([
      'KONG_KEYRING_VAULT_TOKEN: is not read by lambda-http, only by node, workers, lambda-sync: remove it here',
    ])
    expect(refused({ ...MINIMAL, KEYRING_TABLE: 'edge-keyring' }, 'workers')).toHaveLength(1)
    expect(refused({ ...answering, KEYRING_TABLE: 'a b' }, 'lambda-http')).toHaveLength(1)
    expect(refused({ ...answering, KEYRING_SYNC_FUNCTION: 'a b' }, 'lambda-http')).toHaveLength(1)
  })

  it('leave common names alone where they mean nothing', () => {
    expect(parseConfig({ ...answering, VAULT_TOKEN: 'x', PORT: 'y', HOST: ' ' }, 'lambda-http').ok).toBe(true)
  })
})

describe('plain http', () => {
  const env = { KEYRING_VAULT_HOST: 'http://vault.example:8200' }

  it('is refused beyond loopback until it is allowed, and then loudly noticed', () => {
    expect(refusals(env)).toEqual([
      'KEYRING_VAULT_HOST: must be https, unless the host is loopback or KEYRING_VAULT_ALLOW_HTTP is on',
    ])
    expect(parsed({ ...env, KEYRING_VAULT_ALLOW_HTTP: 'on' }).notices).toEqual([
      expect.stringMatching(/^WARNING: .*plain http/),
    ])
    expect(parsed({ KEYRING_VAULT_ALLOW_HTTP: 'on' }).notices).toEqual([])
  })

  it.each(['127.0.0.1', '127.255.0.3', '::1', '[::1]', 'localhost', 'LocalHost'])('knows %s as loopback', (host) => {
    expect(isLoopback(host)).toBe(true)
  })

  it.each(['0.0.0.0', '::', '128.0.0.1', '127.0.0.256', '127.0.0.1.example', 'localhost.example', 'xlocalhost', ''])(
    'knows "%s" as not loopback',
    (host) => {
      expect(isLoopback(host)).toBe(false)
    },
  )
})

describe('wrapping keys', () => {
  const refused = (value: string) => refusals({ KEYRING_WRAPPING_KEYS: value })

  it('keep their order, and may be derived for one keyring, or for the references to one vault', () => {
    const keys = parsed({ KEYRING_WRAPPING_KEYS: `b:${KEY},a/keyring/orders:${KEY},a/secrets/my-hcv:${KEY}` }).config
      .wrappingKeys
    expect(keys.map(place)).toEqual([
      ['b', null],
      ['a', 'keyring/orders'],
      ['a', 'secrets/my-hcv'],
    ])
  })

  it('are refused by entry and part', () => {
    const entries = [
      `a b:${KEY}`,
      `${'x'.repeat(33)}:${KEY}`,
      `a/keyring/-x:${KEY}`,
      'a:short',
      `a:${KEY.slice(0, -1)}`,
      `a:${KEY.slice(0, -2)}d=`,
      KEY,
      '',
      `a/other/x:${KEY}`,
      `a/secrets/Hcv:${KEY}`,
    ]
    expect(refused(entries.join(',')).map((problem) => problem.split(': ').slice(0, 2).join(': '))).toEqual([
      'KEYRING_WRAPPING_KEYS: entry 1, id',
      'KEYRING_WRAPPING_KEYS: entry 2, id',
      'KEYRING_WRAPPING_KEYS: entry 3, purpose',
      'KEYRING_WRAPPING_KEYS: entry 4, key',
      'KEYRING_WRAPPING_KEYS: entry 5, key',
      'KEYRING_WRAPPING_KEYS: entry 6, key',
      'KEYRING_WRAPPING_KEYS: entry 7',
      'KEYRING_WRAPPING_KEYS: entry 8',
      'KEYRING_WRAPPING_KEYS: entry 9',
      'KEYRING_WRAPPING_KEYS: entry 10, purpose',
    ])
  })

  it('are named once', () => {
    const message = 'KEYRING_WRAPPING_KEYS: must name each id, or id and purpose, once'
    expect(refused(`a:${KEY},a:${KEY}`)).toEqual([message])
    expect(refused(`a/keyring/x:${KEY},a/keyring/x:${KEY}`)).toEqual([message])
  })

  it('are either whole or derived under one id', () => {
    const message = 'KEYRING_WRAPPING_KEYS: must not name an id for a wrapping key and for a derived key'
    expect(refused(`a:${KEY},b:${KEY},a/keyring/x:${KEY}`)).toEqual([message])
    expect(refused(`a/keyring/x:${KEY},a:${KEY}`)).toEqual([message])
  })
})

describe('API tokens', () => {
  const tokens = (...list: readonly unknown[]): Env => ({ KEYRING_API_TOKENS: JSON.stringify(list) })
  const places = (...list: readonly unknown[]) => refusals(tokens(...list)).map((problem) => problem.split(': ')[1])

  it('are kept with lower-case hash and expiry in milliseconds', () => {
    const { apiTokens } = parsed(
      tokens({ ...TOKEN, sha256: HASH.toUpperCase(), expires_at: '2030-01-31T02:00:00+02:00' }),
    ).config
    expect(apiTokens).toEqual([{ ...TOKEN, expiresAt: Date.UTC(2030, 0, 31) }])
    expect(parsed(tokens({ ...TOKEN, expires_at: null })).config.apiTokens[0]?.expiresAt).toBeNull()
  })

  it('have grants of known actions, alone or on a keyring, or for references', () => {
    expectTypeOf<(typeof ACTIONS)[number]>().toEqualTypeOf<Action>()
    const grants = [
      'read',
      'sync',
      'push',
      'rotate',
      'remove',
      'force',
      'encrypt',
      'decrypt:orders',
      'rewrap',
      'export',
      'diagnose',
      'refresh:hcv',
      'admin:a_b-c',
      'resolve:hcv/app/*',
      'resolve:**',
      'resolve:aws//secret/',
    ]
    expect(isAccepted(tokens({ ...TOKEN, grants }))).toBe(true)
    for (const grant of [
      'write',
      'Read',
      'read:',
      'read:a b',
      'read:a:b',
      'resolve',
      'resolve:',
      'resolve:a b',
      'resolve:hcv/app*',
      'resolve:hcv/**/x',
      'resolve:hcv/***',
      'resolve:hcv/../x',
      'resolve:/x',
      'resolve:hcv',
      '',
      7,
    ]) {
      expect([grant, places({ ...TOKEN, grants: ['read', grant] })]).toEqual([grant, ['entry 1, grants, entry 2']])
    }
  })

  it.each([
    ['name', { name: 'a b' }, { name: '' }, { name: 'x'.repeat(65) }, { name: 1 }, { name: undefined }],
    ['sha256', { sha256: HASH.slice(1) }, { sha256: `${HASH}0` }, { sha256: 'g'.repeat(64) }, { sha256: null }],
    ['grants', { grants: [] }, { grants: 'read' }, { grants: undefined }],
    [
      'expires_at',
      { expires_at: '2030-01-31' },
      { expires_at: '2030-02-30T00:00:00Z' },
      { expires_at: '2030-01-31T00:00:00' },
      { expires_at: 1 },
    ],
  ])('are refused for a wrong %s', (field, ...wrong: object[]) => {
    for (const more of wrong) expect([more, places({ ...TOKEN, ...more })]).toEqual([more, [`entry 1, ${field}`]])
  })

  it('have no other fields, and all their faults are listed', () => {
    expect(places({ ...TOKEN, token: 'x' })).toEqual(['entry 1'])
    expect(places({ name: '', sha256: '', grants: [] }, 7)).toEqual([
      'entry 1, name',
      'entry 1, sha256',
      'entry 1, grants',
      'entry 2',
    ])
  })

  it('are a JSON list', () => {
    for (const value of ['{', '{}', 'null', '1'])
      expect(refusals({ KEYRING_API_TOKENS: value })).toEqual([
        expect.stringMatching(/^KEYRING_API_TOKENS: must be a JSON list/),
      ])
  })

  it('are compared only when each is right', () => {
    expect(places({ ...TOKEN, grants: [] }, TOKEN)).toEqual(['entry 1, grants'])
    expect(places(null, null)).toEqual(['entry 1', 'entry 2'])
  })

  it('have a name and a hash of their own', () => {
    expect(refusals(tokens(TOKEN, { ...TOKEN, sha256: HASH.toUpperCase() }))).toEqual([
      'KEYRING_API_TOKENS: must give each name once',
      'KEYRING_API_TOKENS: must give each sha256 once',
    ])
  })

  it('are one at least, in either setting', () => {
    expect(refusals(tokens())).toEqual([expect.stringMatching(/^KEYRING_API_TOKENS: is required/)])
    expect(parsed({ KEYRING_API_TOKENS: '', KEYRING_API_TOKEN: 'local-admin' }).config.node.apiToken?.reveal()).toBe(
      'local-admin',
    )
  })

  it('in the open have 32 characters or more beyond loopback', () => {
    expect(refusals({ KEYRING_API_TOKEN: 'x'.repeat(31), HOST: '0.0.0.0' })).toEqual([
      'KEYRING_API_TOKEN: must have 32 characters or more, because HOST is not loopback',
    ])
    expect(isAccepted({ KEYRING_API_TOKEN: 'x'.repeat(32), HOST: '0.0.0.0' })).toBe(true)
  })
})

describe('what was left around or in a value', () => {
  const QUOTES = 'is still in its quotes'
  const REFERENCE = 'has a reference, which nothing resolves here'

  it.each([
    ['KEYRING_VAULT_HOST', '"https://vault.example"', QUOTES],
    ['KEYRING_VAULT_TOKEN', "'hvs.x'", QUOTES],
    ['KEYRING_VAULT_TOKEN', ' "hvs.x"\n', QUOTES],
    ['KEYRING_WRAPPING_KEYS', `"main:${KEY}"`, QUOTES],
    ['KEYRING_API_TOKENS', `'${JSON.stringify([TOKEN])}'`, QUOTES],
    ['KEYRING_VAULT_CACERT', '"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"', QUOTES],
    ['KEYRING_VAULT_PATH', '""', QUOTES],
    ['VAULT_ADDR', '"https://vault.example"', QUOTES],
    ['KEYRING_VAULT_TOKEN', '{vault://env/vault-token}', REFERENCE],
    ['KEYRING_WRAPPING_KEYS', `main:${KEY},old:{vault://hcv/old/key}`, REFERENCE],
    ['KEYRING_VAULT_HEADERS', '{"CF-Access-Client-Secret":"{vault://env/secret}"}', REFERENCE],
    ['KEYRING_VAULT_HOST', 'https://vault.example:8200\n', 'has a line end in it'],
    ['KEYRING_VAULT_HOST', 'https://vault\r\n.example:8200', 'has a line end in it'],
    ['KEYRING_VAULT_NAMESPACE', 'team\n', 'has a line end in it'],
    ['PORT', '8001\r\n', 'has a line end in it'],
    ['KEYRING_ENABLED', 'on\n', 'has a line end in it'],
    ['KEYRING_VAULT_TIMEOUT_MS', '\n100', 'has a line end in it'],
  ])('is named as such: %s', (name, value, what) => {
    const env = name === 'VAULT_ADDR' ? { KEYRING_VAULT_HOST: undefined } : {}
    expect(refusals({ ...env, [name]: value })).toEqual([`${name}: ${what}`])
  })

  it('is named of a password too, which any text may be', () => {
    const login = {
      KEYRING_VAULT_AUTH_METHOD: 'userpass',
      KEYRING_VAULT_USERPASS_USERNAME: 'ann',
      KEYRING_VAULT_TOKEN: '',
    }
    for (const [password, what] of [
      ['"p w"', QUOTES],
      ['{vault://env/password}', REFERENCE],
    ])
      expect(refusals({ ...login, KEYRING_VAULT_USERPASS_PASSWORD: password })).toEqual([
        `KEYRING_VAULT_USERPASS_PASSWORD: ${what}`,
      ])
  })

  it('is named by the HTTP function of Lambda too', () => {
    const parsed = readAnswering({ KEYRING_WRAPPING_KEYS: `"main:${KEY}"`, KEYRING_TABLE: 'table\n' })
    expect(parsed.ok ? [] : parsed.problems.map(sentence)).toEqual(
      expect.arrayContaining([`KEYRING_WRAPPING_KEYS: ${QUOTES}`, 'KEYRING_TABLE: has a line end in it']),
    )
  })

  it('is not looked for in the middle', () => {
    expect(isAccepted({ KEYRING_VAULT_TOKEN: `a"b'c`, KEYRING_VAULT_PATH: `it's/"so"` })).toBe(true)
  })
})

describe('docs/settings.md', () => {
  it('is what the table says', () => {
    expect(readFileSync('docs/settings.md', 'utf8')).toBe(settingsDoc())
  })
})
