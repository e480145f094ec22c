/** The settings of Lambda's HTTP function: its own rows, read as everywhere, and nothing else. */
import { describe, expect, it } from 'vitest'
import { readAnswering } from '../../src/config/answering.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Env } from '../../src/config/setting.ts'

const KEY = Buffer.alloc(32, 1).toString('base64')
const token = (more: object = {}) => ({ name: 'admin', sha256: 'a'.repeat(64), grants: ['admin'], ...more })
const json = (...list: readonly unknown[]): string => JSON.stringify(list)

const RIGHT = {
  KEYRING_WRAPPING_KEYS: `a:${KEY}`,
  KEYRING_API_TOKENS: json(token()),
  KEYRING_TABLE: 'edge-keyring',
  KEYRING_SYNC_FUNCTION: 'edge-keyring-sync',
}

const config = (env: Env) => {
  const read = readAnswering(env)
  if (!read.ok || read.config === null) throw new Error(JSON.stringify(read))
  return read.config
}

function problems(env: Env): string[] {
  const read = readAnswering(env)
  return read.ok ? [] : read.problems.map(({ name, message }) => `${name}: ${message}`)
}

describe("the settings of Lambda's HTTP function", () => {
  it('mean what they mean everywhere, with the same defaults', () => {
    const more = {
      KEYRINGS: json({ name: 'orders', path: 'orders' }),
      KEYRING_SYNC_PERIOD: '0',
      KEYRING_WRAPPING_KEYS: `a:${KEY}, b/keyring/orders:${KEY}`,
      KEYRING_API_TOKENS: json(token({ expires_at: '2030-01-31T00:00:00+01:00' })),
    }
    for (const env of [RIGHT, { ...RIGHT, ...more }]) {
      const { wrappingKeys, table, secretsTable, syncFunction, rotateFunction, ...rest } = config(env)
      expect(rotateFunction).toBe(syncFunction)
      const whole = parseConfig(env, 'lambda-http')
      expect(whole).toMatchObject({ ok: true, config: { ...rest, lambda: { table, secretsTable, syncFunction } } })
      expect(wrappingKeys.map(({ key }) => key.reveal())).toContain(KEY)
    }
    expect(config(RIGHT)).toMatchObject({ keyrings: ['default'], syncPeriodMs: 600_000, maxRecordAgeMs: 604_800_000 })
    expect(config(RIGHT).secretsTable).toBe('edge-keyring-secrets')
    expect(config({ ...RIGHT, KEYRING_SECRETS_TABLE: 'others' }).secretsTable).toBe('others')
    expect(config({ ...RIGHT, ...more })).toMatchObject({ keyrings: ['default', 'orders'], syncPeriodMs: null })
  })

  it('are all missed at once', () => {
    expect(problems({}).map((problem) => problem.split(': ').slice(0, 2).join(': '))).toEqual([
      'KEYRING_WRAPPING_KEYS: is required',
      'KEYRING_API_TOKENS: is required',
      'KEYRING_TABLE: is required',
      'KEYRING_SYNC_FUNCTION: is required',
    ])
  })

  it.each([
    ['KEYRING_ENABLED', 'perhaps', ['must be on or off']],
    ['KEYRING_SYNC_PERIOD', '86401', ['must be a whole number from 0 to 86400']],
    ['KEYRING_MAX_RECORD_AGE', '172799', ['must be a whole number from 172800 to 31536000']],
    ['KEYRINGS', json({ name: 'a', path: 'x' }, { name: 'a', path: 'y' }), ['must give each name once']],
    ['KEYRING_WRAPPING_KEYS', `a:${KEY},a:${KEY}`, ['must name each id, or id and purpose, once']],
    [
      'KEYRING_API_TOKENS',
      json(token(), token({ sha256: 'A'.repeat(64) })),
      ['must give each name once', 'must give each sha256 once'],
    ],
    ['KEYRING_TABLE', 'a b', ['must be the name of a DynamoDB table, 3 to 255 characters']],
    ['KEYRING_SECRETS_TABLE', 'a b', ['must be the name of a DynamoDB table, 3 to 255 characters']],
    ['KEYRING_SYNC_FUNCTION', 'a b', ['must be the name of a Lambda function']],
  ])('are refused by name and rule: %s', (name, text, messages) => {
    const expected = messages.map((message) => `${name}: ${message}`)
    expect(problems({ ...RIGHT, [name]: text })).toEqual(expected)
    const whole = parseConfig({ ...RIGHT, [name]: text }, 'lambda-http')
    expect(whole.ok ? [] : whole.problems.map((problem) => `${problem.name}: ${problem.message}`)).toEqual(expected)
  })

  it('may be off, and then none is missing, but what is set must be right', () => {
    expect(readAnswering({ KONG_KEYRING_ENABLED: 'off' })).toMatchObject({ ok: true, config: null })
    expect(problems({ KEYRING_ENABLED: 'off', KEYRING_TABLE: 'x' })).toHaveLength(1)
    expect(problems({ ...RIGHT, KEYRING_ENABLED: 'on', KONG_KEYRING_ENABLED: 'off' })).toEqual([
      'KEYRING_ENABLED: differs from KONG_KEYRING_ENABLED: set one of the two',
    ])
  })

  it('are nothing else: names of other settings and misspelt ones are refused by name', () => {
    const foreign = "is not read by Lambda's HTTP function: correct its name, or remove it here"
    const others = { KONG_KEYRING_VAULT_TOKEN: 'x', KEYRING_TABEL: 'y', KEYRING_PORT: '', HOST: ' ', VAULT_TOKEN: 'x' }
    expect(problems({ ...RIGHT, ...others })).toEqual([
      `KEYRING_TABEL: ${foreign}`,
      `KONG_KEYRING_VAULT_TOKEN: ${foreign}`,
    ])
  })

  it('are not those of vault entities, which stop no start', () => {
    expect(readAnswering({ ...RIGHT, KONG_VAULT_HCV_HOST: ':x', KEYRING_VAULTS: '[' })).toEqual(readAnswering(RIGHT))
  })
})
