/** Whether the settings have vaults behind references: whoever has none need not load what reads them. */
import * as z from 'zod/mini'
import type { Env, Row } from './setting.ts'
import { isSet } from './setting.ts'

const VAULTS = 'KEYRING_VAULTS'
/** A list in decK's form. It stands in no table, because what is wrong with an entity stops no other and no start. */
export const VAULTS_ROW: Row = [VAULTS, { schema: z.string, default: '[]', secret: true }, VAULTS]
/** Kong's settings of a vault, with its type behind. */
export const KONG_VAULT = 'KONG_VAULT_'

/** The names of the settings that say which vaults there are. */
export const namesOfVaults = (env: Env): readonly string[] =>
  Object.keys(env).filter((name) => (name === VAULTS || name.startsWith(KONG_VAULT)) && isSet(env, name))

export const hasVaults = (env: Env): boolean => namesOfVaults(env).length > 0

export const REFERENCES = 'KEYRING_REFERENCES'
/** References of those who ask the vaults. It stands in no table either, because a table takes no reference for a value. */
export const REFERENCES_ROW: Row = [
  REFERENCES,
  { schema: z.string, default: '[]', only: ['node', 'workers', 'lambda-sync'] },
  REFERENCES,
]
