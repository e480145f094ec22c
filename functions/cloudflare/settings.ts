import type { Env } from '../../src/config/names.ts'
import { BINDING } from '../../src/config/reach.ts'

/** Bindings that are settings too: the settings say which go together. */
const VAULT_BINDINGS = new Set(['KEYRING_VAULT_MTLS', 'KEYRING_VAULT_VPC'])

/** Variables and secrets are texts; bindings are objects. */
export const settingsOf = (bindings: object): Env =>
  Object.fromEntries(
    Object.entries(bindings).flatMap(([name, value]) =>
      VAULT_BINDINGS.has(name)
        ? [[name, typeof value === 'object' ? BINDING : 'text']]
        : typeof value === 'string'
          ? [[name, value]]
          : [],
    ),
  )
