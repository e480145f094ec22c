/** Variables of the environment as a vault behind references, by Kong's rule: capitals, dashes as underscores, version 2 is a variable of its own. */
import type { SecretName } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import type { SecretBackend } from '../core/secrets.ts'

type Variables = Readonly<Record<string, string | undefined>>

/** They hold our own credentials, or those of whoever runs beside us. */
const CLOSED = /^(?:KEYRINGS?|EDGE_KEYRING|KONG|VAULT|BAO|AWS)(?:_|$)/

/** The whole name decides, so that no prefix leads around the rule. */
const nameOf = (prefix: string, { resource, version }: SecretName): string =>
  `${prefix}${resource}`.replaceAll('-', '_').toUpperCase() + (version === 2 ? '_PREVIOUS' : '')

/** @param own variables that settings were read from. `null` = it may be asked for; else the rest of a sentence. */
export function environmentTrouble(prefix: string, own: ReadonlySet<string>, name: SecretName): string | null {
  const variable = nameOf(prefix, name)
  if (!/^[A-Z_][A-Z0-9_]*$/.test(variable)) return 'names no variable: letters, digits, "-" and "_"'
  if (name.version !== null && name.version > 2) return 'has a version that a variable has not: 1 or 2'
  return CLOSED.test(variable) || own.has(variable) ? 'names a variable that is never given out' : null
}

/** A variable that is set and empty is a secret too, as in Kong. */
export const environmentBackend = (env: Variables, prefix: string): SecretBackend => ({
  async read(name) {
    const text = env[nameOf(prefix, name)]
    return text === undefined ? { kind: 'absent' } : { kind: 'secret', text: new Secret(text) }
  },
})
