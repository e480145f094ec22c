/** The one schema: the table's settings, and the rules that concern two of them. */
import * as z from 'zod/mini'
import { isLoopback } from './loopback.ts'
import type { SETTINGS, SettingName } from './settings.ts'
import { TABLE } from './settings.ts'

type Shape = { [Name in SettingName]: (typeof SETTINGS)[Name]['schema'] }
const shape = Object.fromEntries(TABLE.map(([name, { schema }]) => [name, schema])) as Shape
const settings = z.object(shape)

export type Settings = z.output<typeof settings>

/** Checked when the settings concerned are right, whatever is wrong elsewhere. */
const rule = (names: readonly [SettingName, ...SettingName[]], holds: (all: Settings) => boolean, message: string) =>
  z.refine<Settings>(holds, {
    error: message,
    path: [names[0]],
    when: ({ issues }) => !issues.some(({ path }) => names.some((name) => name === path?.[0])),
  })

export const isPlainHttp = ({ KEYRING_VAULT_HOST: url }: Settings): boolean =>
  url.protocol === 'http:' && !isLoopback(url.hostname)

export const schema = settings.check(
  rule(
    ['KEYRING_VAULT_HOST', 'KEYRING_VAULT_ALLOW_HTTP'],
    (all) => all.KEYRING_VAULT_ALLOW_HTTP || !isPlainHttp(all),
    'must be https, unless the host is loopback or KEYRING_VAULT_ALLOW_HTTP is on',
  ),
  rule(
    ['KEYRING_API_TOKENS', 'KEYRING_API_TOKEN', 'KEYRING_ENABLED'],
    (all) => all.KEYRING_API_TOKENS.length > 0 || all.KEYRING_API_TOKEN !== undefined || !all.KEYRING_ENABLED,
    'is required: a JSON list with one token or more; "edge-keyring secrets new" makes one',
  ),
  rule(
    ['KEYRING_API_TOKEN', 'HOST'],
    ({ KEYRING_API_TOKEN: token, HOST }) => token === undefined || isLoopback(HOST) || token.reveal().length >= 32,
    'must have 32 characters or more, because HOST is not loopback',
  ),
)
