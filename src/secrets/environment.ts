/** Variables of the environment as a vault behind references. */
import type { SecretName } from '../core/vault-operations.ts'
import { Secret } from '../core/secret.ts'
import type { SecretBackend } from '../core/secrets.ts'

type Variables = Readonly<Record<string, string | undefined>>

/**
 * A variable that is set and empty is a secret too, as in Kong.
 * @param variableOf `null` = a variable that is none, or is not for references: whoever asks, it is not given.
 */
export const environmentBackend = (env: Variables, variableOf: (name: SecretName) => string | null): SecretBackend => ({
  async read(name) {
    const variable = variableOf(name)
    if (variable === null) return { kind: 'forbidden' }
    const text = env[variable]
    return text === undefined ? { kind: 'absent' } : { kind: 'secret', text: new Secret(text) }
  },
})
