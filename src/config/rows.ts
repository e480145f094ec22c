/** The options of a Vault as settings: those of the keyring's own Vault, and those of Kong's Vault entity `hcv`. */
import { CONNECTION_OPTIONS } from './connection-options.ts'
import type { Option } from './login-options.ts'
import { LOGIN_OPTIONS } from './login-options.ts'
import type { Setting } from './settings.ts'
import { ASKING } from './settings.ts'

type Rows = readonly (readonly [string, Setting])[]

export const LOGIN_PREFIX = 'KEYRING_VAULT_'
export const HCV_PREFIX = 'KONG_VAULT_HCV_'

const named = (prefix: string, option: string): string => prefix + option.toUpperCase()

const rows = (prefix: string, options: Record<string, Option>, settingOf: (option: Option) => Option): Rows =>
  Object.entries(options).map(([option, row]) => {
    const { schema, also = [], ...rest } = settingOf(row)
    return [named(prefix, option), { ...rest, schema, also: also.map((each) => named(prefix, each)), only: ASKING }]
  })

export const LOGIN: Rows = rows(LOGIN_PREFIX, LOGIN_OPTIONS, (option) => option)

export const HCV: Rows = rows(
  HCV_PREFIX,
  { ...CONNECTION_OPTIONS, ...LOGIN_OPTIONS },
  ({ kong: _kong, fallbacks: _fallbacks, ...option }) => option,
)
