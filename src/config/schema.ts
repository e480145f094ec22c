/** The one schema: the table's settings, and the rules that concern two of them. */
import * as z from 'zod/mini'
import { isLoopback } from '../core/loopback.ts'
import { isRead } from './names.ts'
import type { Runtime, SETTINGS, Setting, SettingName } from './settings.ts'
import { TABLE } from './settings.ts'

type Table = typeof SETTINGS
/** What has no default is absent where it is not read. */
type Read<S extends Setting> = S extends { only: unknown }
  ? S extends { default: string }
    ? S['schema']
    : z.ZodMiniOptional<S['schema']>
  : S['schema']
type Shape = { [Name in SettingName]: Read<Table[Name]> }

export type Settings = z.output<z.ZodMiniObject<Shape>>

const read = (setting: Setting, runtime: Runtime) =>
  isRead(setting, runtime) || setting.default !== undefined ? setting.schema : z.optional(setting.schema)

/** Checked when the settings concerned are right, whatever is wrong elsewhere. */
const rule = (names: readonly [SettingName, ...SettingName[]], holds: (all: Settings) => boolean, message: string) =>
  z.refine<Settings>(holds, {
    error: message,
    path: [names[0]],
    when: ({ issues }) => !issues.some(({ path }) => names.some((name) => name === path?.[0])),
  })

export const isPlainHttp = ({ KEYRING_VAULT_HOST: url }: Settings): boolean =>
  url !== undefined && url.protocol === 'http:' && !isLoopback(url.hostname)

const RULES = [
  rule(
    ['KEYRING_VAULT_HOST', 'KEYRING_VAULT_ALLOW_HTTP'],
    (all) => all.KEYRING_VAULT_ALLOW_HTTP || !isPlainHttp(all),
    'must be https, unless the host is loopback or KEYRING_VAULT_ALLOW_HTTP is on',
  ),
  rule(
    ['KEYRING_VAULT_CLIENT_CERT', 'KEYRING_VAULT_CLIENT_KEY'],
    (all) => (all.KEYRING_VAULT_CLIENT_CERT === undefined) === (all.KEYRING_VAULT_CLIENT_KEY === undefined),
    'must be set together with KEYRING_VAULT_CLIENT_KEY: a certificate and its key',
  ),
  rule(
    ['KEYRING_VAULT_VPC', 'KEYRING_VAULT_MTLS'],
    (all) => all.KEYRING_VAULT_VPC === undefined || all.KEYRING_VAULT_MTLS === undefined,
    'cannot be used together with KEYRING_VAULT_MTLS: Workers VPC presents no client certificate',
  ),
  rule(
    ['KEYRING_API_TOKEN', 'HOST'],
    ({ KEYRING_API_TOKEN: token, HOST }) => token === undefined || isLoopback(HOST) || token.reveal().length >= 32,
    'must have 32 characters or more, because HOST is not loopback',
  ),
]
const TOKENS = rule(
  ['KEYRING_API_TOKENS', 'KEYRING_API_TOKEN', 'KEYRING_ENABLED'],
  (all) => all.KEYRING_API_TOKENS.length > 0 || all.KEYRING_API_TOKEN !== undefined || !all.KEYRING_ENABLED,
  'is required: a JSON list with one token or more; "edge-keyring secrets new" makes one',
)
const given = (name: SettingName, what: string) =>
  rule([name, 'KEYRING_ENABLED'], (all) => all[name] !== undefined || !all.KEYRING_ENABLED, `is required: ${what}`)
const STORED = given('KEYRING_TABLE', 'the name of the DynamoDB table')

const OWN_RULES = {
  node: [TOKENS],
  workers: [TOKENS],
  'lambda-http': [TOKENS, STORED, given('KEYRING_SYNC_FUNCTION', 'the name of the function that syncs')],
  'lambda-sync': [STORED],
} as const satisfies Record<Runtime, unknown>

export function schemaFor(runtime: Runtime) {
  const shape = Object.fromEntries(TABLE.map(([name, setting]) => [name, read(setting, runtime)])) as Shape
  return z.object(shape).check(...RULES, ...OWN_RULES[runtime])
}
