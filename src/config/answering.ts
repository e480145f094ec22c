/** The settings of Lambda's HTTP function, read without zod: they are few, and its cold start is paid by callers. */
import type { Config } from './config.ts'
import type { Env, Problem } from './names.ts'
import type { Read, Say } from './plain.ts'
import {
  FUNCTION_NAME,
  KEYRINGS_FORM,
  KEYRINGS_NAME,
  ON_OFF,
  TABLE_NAME,
  isDistinct,
  isObject,
  isOn,
  isWholeNumber,
  jsonList,
  sentence,
} from './plain.ts'
import { KEYRING_NAME } from '../core/limits.ts'
import { readApiTokens } from './read-api-tokens.ts'
import { WRAPPING_KEYS_NEEDED, readWrappingKeys } from './read-wrapping-keys.ts'

export type AnsweringConfig = Pick<
  Config,
  'wrappingKeys' | 'apiTokens' | 'keyrings' | 'syncPeriodMs' | 'maxRecordAgeMs'
> & {
  readonly table: string
  readonly syncFunction: string
}

/** As `Parsed`. `config` null = the keyring is off. */
export type Answering =
  | { readonly ok: true; readonly config: AnsweringConfig | null }
  | { readonly ok: false; readonly problems: readonly Problem[] }

const TOKENS_NEEDED = 'is required: a JSON list with one token or more; "edge-keyring secrets new" makes one'
const FOREIGN = "is not read by Lambda's HTTP function: correct its name, or remove it here"
const OURS = /^(?:KONG_)?KEYRINGS?(?:_|$)/
const READ = new Set([
  'KEYRING_ENABLED',
  'KONG_KEYRING_ENABLED',
  'KEYRINGS',
  'KEYRING_SYNC_PERIOD',
  'KEYRING_MAX_RECORD_AGE',
  'KEYRING_WRAPPING_KEYS',
  'KEYRING_API_TOKENS',
  'KEYRING_TABLE',
  'KEYRING_SYNC_FUNCTION',
])

/** Every problem at once, by name and rule, never by value, as `parseConfig` has it. */
export function readAnswering(env: Env): Answering {
  const problems: Problem[] = []
  const problem = (name: string, message: string) => void problems.push({ name, message })
  const read = <T>(name: string, fallback: string | null, reader: Read<T>): T =>
    reader(env[name] || (fallback ?? ''), (message, ...path) => problem(name, sentence(message, path)))
  const enabled = readEnabled(env, problem)
  const needed = <T>(name: string, isNeeded: boolean, message: string, reader: Read<T>): T => {
    if (!env[name] && isNeeded) problem(name, message)
    return read(name, null, env[name] ? reader : (text) => reader(text, () => {}))
  }
  const config = {
    keyrings: ['default', ...read('KEYRINGS', '[]', readNames)],
    // 0 = never.
    syncPeriodMs: read('KEYRING_SYNC_PERIOD', '600', seconds(0, 86_400)) || null,
    maxRecordAgeMs: read('KEYRING_MAX_RECORD_AGE', '604800', seconds(172_800, 31_536_000)),
    wrappingKeys: needed('KEYRING_WRAPPING_KEYS', enabled !== false, WRAPPING_KEYS_NEEDED, readWrappingKeys),
    apiTokens: read('KEYRING_API_TOKENS', '[]', (text, say) => readTokens(text, say, enabled === true)),
    table: needed(
      'KEYRING_TABLE',
      enabled === true,
      'is required: the name of the DynamoDB table',
      matching(TABLE_NAME, TABLE),
    ),
    syncFunction: needed(
      'KEYRING_SYNC_FUNCTION',
      enabled === true,
      'is required: the name of the function that syncs',
      matching(FUNCTION_NAME, 'must be the name of a Lambda function'),
    ),
  }
  const foreign = Object.keys(env).filter((name) => OURS.test(name) && env[name] && !READ.has(name))
  for (const name of foreign.sort()) problem(name, FOREIGN)
  return problems.length > 0 ? { ok: false, problems } : { ok: true, config: enabled ? config : null }
}

const TABLE = 'must be the name of a DynamoDB table, 3 to 255 characters'

/** `null` = cannot be said. */
function readEnabled(env: Env, problem: (name: string, message: string) => void): boolean | null {
  const [own, kong] = [env['KEYRING_ENABLED'], env['KONG_KEYRING_ENABLED']]
  if (own && kong && own !== kong) problem('KEYRING_ENABLED', 'differs from KONG_KEYRING_ENABLED: set one of the two')
  const text = own || kong || 'on'
  if (!ON_OFF.test(text)) problem(own ? 'KEYRING_ENABLED' : 'KONG_KEYRING_ENABLED', 'must be on or off')
  return ON_OFF.test(text) ? isOn(text) : null
}

const matching =
  (pattern: RegExp, message: string): Read<string> =>
  (text, say) => {
    if (!pattern.test(text)) say(message)
    return text
  }

const seconds =
  (least: number, most: number): Read<number> =>
  (text, say) => {
    if (!isWholeNumber(text, least, most)) say(`must be a whole number from ${least} to ${most}`)
    return Number(text) * 1000
  }

function readTokens(text: string, say: Say, isNeeded: boolean): Config['apiTokens'] {
  let isRight = true
  const tokens = readApiTokens(text, (...said) => {
    isRight = false
    say(...said)
  })
  if (isNeeded && isRight && tokens.length === 0) say(TOKENS_NEEDED)
  return tokens
}

/** Their secrets in Vault are the sync function's to check. */
const readNames: Read<readonly string[]> = (text, say) => {
  const list = jsonList(text, say, KEYRINGS_FORM) ?? []
  const names = list.map((entry) => (isObject(entry) ? entry['name'] : null))
  const isName = (name: unknown) => typeof name === 'string' && KEYRING_NAME.test(name) && name !== 'default'
  for (const [index, name] of names.entries()) if (!isName(name)) say(KEYRINGS_NAME, index, 'name')
  if (names.every(isName) && !isDistinct(names.map(String))) say('must give each name once')
  return names.map(String)
}
