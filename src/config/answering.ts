/** The settings of whoever uses keys, which on Lambda is a function of its own: its bundle has these rows and no other. */
import type { ApiToken } from '../core/api-token.ts'
import type { WrappingKey } from '../core/wrapping-key.ts'
import { apiTokens } from './api-tokens.ts'
import { unverified } from './foreign.ts'
import { keyrings } from './keyrings.ts'
import type { Env, Problem, Rule, Table, Values } from './setting.ts'
import { isSet, namesOf, rowsOf, textsOf, valuesOf, wrongOf } from './setting.ts'
import { matching, onOff, wholeNumber } from './values.ts'
import { wrappingKeys } from './wrapping-keys.ts'
import { VAULTS_ROW } from './vaults-set.ts'

const tableName = () => matching(/^[A-Za-z0-9_.-]{3,255}$/, 'must be the name of a DynamoDB table, 3 to 255 characters')
const functionName = () => matching(/^[A-Za-z0-9_:-]{1,170}$/, 'must be the name of a Lambda function')

export const ANSWERING_SETTINGS = {
  KEYRING_ENABLED: { schema: onOff, default: 'on', kong: true },
  KEYRINGS: { schema: keyrings, default: '[]' },
  KEYRING_SYNC_PERIOD: { schema: () => wholeNumber(0, 86_400), default: '600' },
  KEYRING_MAX_RECORD_AGE: { schema: () => wholeNumber(172_800, 31_536_000), default: '604800' },
  KEYRING_MAX_STALENESS: { schema: () => wholeNumber(60, 31_536_000) },
  KEYRING_WRAPPING_KEYS: {
    schema: wrappingKeys,
    required: '<id>:<32 bytes in base64>; "edge-keyring secrets new" makes one',
    secret: true,
  },
  KEYRING_API_TOKENS: {
    schema: apiTokens,
    default: '[]',
    only: ['node', 'workers', 'lambda-http'],
    secret: true,
  },
  KEYRING_TABLE: {
    schema: tableName,
    required: 'the name of the DynamoDB table',
    only: ['lambda-http', 'lambda-sync'],
  },
  KEYRING_SECRETS_TABLE: { schema: tableName, only: ['lambda-http', 'lambda-sync'] },
  KEYRING_SYNC_FUNCTION: {
    schema: functionName,
    required: 'the name of the function that syncs',
    only: ['lambda-http'],
  },
  KEYRING_ROTATE_FUNCTION: { schema: functionName, only: ['lambda-http'] },
} as const satisfies Table

type Answering = Values<typeof ANSWERING_SETTINGS, 'lambda-http'>

/** What every platform's configuration has of these settings. */
export interface AnsweringConfig {
  /** There is at least one; the first seals. */
  readonly wrappingKeys: readonly WrappingKey[]
  readonly apiTokens: readonly ApiToken[]
  /** Names, `default` first. */
  readonly keyrings: readonly string[]
  /** Milliseconds; `null` = never by itself. */
  readonly syncPeriodMs: number | null
  /** Since the record was sealed, in milliseconds. */
  readonly maxRecordAgeMs: number
  /** Since the last sync that succeeded, in milliseconds; `null` = nothing is too old. */
  readonly maxStalenessMs: number | null
}

export const answeringConfig = (all: Omit<Answering, 'KEYRING_TABLE' | 'KEYRING_SYNC_FUNCTION'>): AnsweringConfig => ({
  wrappingKeys: all.KEYRING_WRAPPING_KEYS,
  apiTokens: all.KEYRING_API_TOKENS,
  keyrings: ['default', ...all.KEYRINGS.map(({ name }) => name)],
  syncPeriodMs: all.KEYRING_SYNC_PERIOD === 0 ? null : all.KEYRING_SYNC_PERIOD * 1000,
  maxRecordAgeMs: all.KEYRING_MAX_RECORD_AGE * 1000,
  maxStalenessMs: all.KEYRING_MAX_STALENESS === undefined ? null : all.KEYRING_MAX_STALENESS * 1000,
})

export const secretsTableOf = (
  table: string,
  { KEYRING_SECRETS_TABLE: own }: Pick<Answering, 'KEYRING_SECRETS_TABLE'>,
): string => own ?? `${table}-secrets`

/** What is neither on nor off is not off. */
export const saysOff = ({ KEYRING_ENABLED: isOn }: Partial<Pick<Answering, 'KEYRING_ENABLED'>>): boolean =>
  isOn === false

/** There must be one token or more where calls are answered. @param isOther whether another setting gives one. */
export const tokensRule = <V extends Pick<Answering, 'KEYRING_API_TOKENS' | 'KEYRING_ENABLED'>>(
  keys: readonly (keyof V & string)[],
  isOther: (values: V) => boolean,
): Rule<V> => ({
  keys: ['KEYRING_API_TOKENS', 'KEYRING_ENABLED', ...keys],
  holds: (all) => all.KEYRING_API_TOKENS.length > 0 || isOther(all) || !all.KEYRING_ENABLED,
  message: 'is required: a JSON list with one token or more; "edge-keyring secrets new" makes one',
})

export interface LambdaHttpConfig extends AnsweringConfig {
  readonly table: string
  readonly secretsTable: string
  readonly syncFunction: string
  /** By hand. It is the sync function where there is none of its own. */
  readonly rotateFunction: string
}

/** `config` null = the keyring is off. */
export type Parsed<C> =
  | { readonly ok: true; readonly config: C | null; readonly notices: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

export const OFF = 'The keyring is off (KEYRING_ENABLED=off).'
const FOREIGN = "is not read by Lambda's HTTP function: correct its name, or remove it here"
const OURS = /^(?:KONG_)?KEYRINGS?(?:_|$)/

/** Reads them for Lambda's HTTP function. It tells every problem at once, by name and rule, never by value, as `parseConfig` does. */
export function readAnswering(env: Env): Parsed<LambdaHttpConfig> {
  const rows = rowsOf(ANSWERING_SETTINGS)
  const texts = textsOf(rows, env, 'lambda-http')
  const rules = [tokensRule<Answering>([], () => false)]
  const { values, problems } = valuesOf<Answering>(rows, texts, 'lambda-http', rules)
  const isOff = saysOff(values)
  const known = new Set([...rows, VAULTS_ROW].flatMap(([name, setting]) => namesOf(name, setting)))
  const foreign = Object.keys(env).filter((name) => OURS.test(name) && isSet(env, name) && !known.has(name))
  const all = [
    ...wrongOf(problems, isOff),
    ...foreign.sort().map((name) => ({ name, message: FOREIGN })),
    ...unverified(env),
  ]
  if (all.length > 0) return { ok: false, problems: all }
  if (isOff) return { ok: true, config: null, notices: [OFF] }
  const { KEYRING_TABLE: table, KEYRING_SYNC_FUNCTION: syncFunction } = values
  const rotateFunction = values.KEYRING_ROTATE_FUNCTION ?? syncFunction
  const secretsTable = secretsTableOf(table, values)
  return {
    ok: true,
    config: { ...answeringConfig(values), table, secretsTable, syncFunction, rotateFunction },
    notices: [],
  }
}
