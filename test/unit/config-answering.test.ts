/** Lambda's HTTP function reads its settings without zod: what it accepts and refuses is what the table does. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readAnswering } from '../../src/config/answering.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Env } from '../../src/config/names.ts'

const KEY = Buffer.alloc(32, 1).toString('base64')
const token = (more: object = {}) => ({ name: 'admin', sha256: 'a'.repeat(64), grants: ['admin'], ...more })
const json = (...list: readonly unknown[]): string => JSON.stringify(list)

/** For each setting what is right and what is wrong; '' = not set. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  KEYRING_ENABLED: ['', '', 'on', 'off', 'FALSE', 'perhaps'],
  KONG_KEYRING_ENABLED: ['', '', 'on', 'off'],
  KEYRINGS: [
    '',
    '[]',
    json({ name: 'orders', path: 'orders' }),
    json({ name: 'a', path: 'x' }, { name: 'a', path: 'y' }),
    json({ name: 'default', path: 'x' }, { name: '-', path: 'x' }, { name: 7, path: 'x' }),
    '{}',
    '{',
  ],
  KEYRING_SYNC_PERIOD: ['', '0', '60', '86400', '86401', '-1', '1.5', 'x'],
  KEYRING_MAX_RECORD_AGE: ['', '0', '172799', '172800', '31536000', '31536001', '-1', 'x'],
  KEYRING_WRAPPING_KEYS: [
    `a:${KEY}`,
    `a:${KEY}, b/keyring/orders:${KEY}`,
    '',
    `a:${KEY},a:${KEY}`,
    'a:short,x',
    `a b:${KEY},a/keyring/-:${KEY}`,
  ],
  KEYRING_API_TOKENS: [
    json(token()),
    json(token({ expires_at: '2030-01-31T00:00:00+01:00' })),
    json(token({ expires_at: null }), token({ name: 'b', sha256: 'B'.repeat(64) })),
    '',
    '[]',
    'null',
    json(7, null),
    json(token({ name: '', sha256: 1, grants: [], x: 1 })),
    json(token({ grants: ['read', 'read:a b', 7] })),
    json(token({ expires_at: '2030-02-30T00:00:00Z' }), token({ expires_at: 1 }), token({ expires_at: '2030-01-01' })),
    json(token(), token({ sha256: 'A'.repeat(64) })),
  ],
  KEYRING_TABLE: ['edge-keyring', '', 'a b', 'x'],
  KEYRING_SYNC_FUNCTION: ['edge-keyring-sync', '', 'a b'],
  HOST: ['', ' '],
  VAULT_TOKEN: ['', 'x'],
}

const environments = fc.record(
  Object.fromEntries(Object.entries(VALUES).map(([name, values]) => [name, fc.constantFrom(...values)])),
)

const texts = (problems: readonly { name: string; message: string }[]) =>
  problems.map(({ name, message }) => `${name}: ${message}`)

function byTable(env: Env) {
  const parsed = parseConfig(env, 'lambda-http')
  if (!parsed.ok) return { ok: false, problems: texts(parsed.problems) }
  const { config } = parsed
  return { ok: true, config: config && plain({ ...config, ...config.lambda }) }
}

function byItself(env: Env) {
  const read = readAnswering(env)
  return read.ok
    ? { ok: true, config: read.config && plain(read.config) }
    : { ok: false, problems: texts(read.problems) }
}

type Plain = Pick<Extract<ReturnType<typeof readAnswering>, { ok: true }>, 'config'>['config']

function plain(
  config: Pick<NonNullable<Plain>, 'keyrings' | 'syncPeriodMs' | 'maxRecordAgeMs' | 'wrappingKeys' | 'apiTokens'> &
    object,
) {
  const { keyrings, syncPeriodMs, maxRecordAgeMs, wrappingKeys, apiTokens } = config
  const { table, syncFunction } = config as { table?: unknown; syncFunction?: unknown }
  const keys = wrappingKeys.map(({ id, keyring, key }) => [id, keyring, key.reveal()])
  return { keyrings, syncPeriodMs, maxRecordAgeMs, keys, apiTokens, table, syncFunction }
}

describe("the settings of Lambda's HTTP function", () => {
  it('are accepted and refused, and mean the same, as the table of settings says', () => {
    fc.assert(
      fc.property(environments, (env) => {
        expect(byItself(env)).toEqual(byTable(env))
      }),
      { numRuns: 5000 },
    )
  })

  it('are nothing else: names of other settings and misspelt ones are refused by name', () => {
    const env = {
      KEYRING_WRAPPING_KEYS: `a:${KEY}`,
      KEYRING_API_TOKENS: json(token()),
      KEYRING_TABLE: 'edge-keyring',
      KEYRING_SYNC_FUNCTION: 'edge-keyring-sync',
    }
    expect(byItself(env)).toMatchObject({ ok: true, config: { table: 'edge-keyring' } })
    const foreign = "is not read by Lambda's HTTP function: correct its name, or remove it here"
    expect(byItself({ ...env, KONG_KEYRING_VAULT_TOKEN: 'x', KEYRING_TABEL: 'y', KEYRING_PORT: '' })).toEqual({
      ok: false,
      problems: [`KEYRING_TABEL: ${foreign}`, `KONG_KEYRING_VAULT_TOKEN: ${foreign}`],
    })
  })
})
