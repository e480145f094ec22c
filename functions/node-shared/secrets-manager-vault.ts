/** AWS Secrets Manager as a vault behind references, on Node and Lambda. */
import { KeyringError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { SecretBackend } from '../../src/core/secrets.ts'
import type { Stage } from './secrets-manager.ts'
import { readSecret } from './secrets-manager.ts'

/** As in Kong version 1 is the current one and 2 the one before. */
const STAGES: readonly Stage[] = ['AWSCURRENT', 'AWSPREVIOUS']

export const secretsManagerBackend = (region: string | undefined): SecretBackend => ({
  async read({ resource, version }) {
    const answer = await readSecret(resource, STAGES[(version ?? 1) - 1] ?? 'AWSCURRENT', region)
    if ('text' in answer) return { kind: 'secret', text: new Secret(answer.text) }
    if (answer.error === 'ResourceNotFoundException') return { kind: 'absent' }
    if (answer.error === 'AccessDeniedException') return { kind: 'forbidden' }
    throw new KeyringError('ERR_AWS_UNAVAILABLE', `Secrets Manager gives no answer (${answer.error}).`)
  },
})
