/** AWS Secrets Manager through its SDK, which is loaded when a setting names it, so that no other start pays for that. */
import type { SecretsManagerClientConfig } from '@aws-sdk/client-secrets-manager'
import type { Env } from '../../src/config/setting.ts'
import { withDeadline } from '../../src/core/deadline.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { safeAddress } from '../../src/core/loopback.ts'
import type { AwsKeys } from '../../src/vault/login/aws-signature.ts'
import type { Stage } from '../../src/vault/managed-secrets.ts'
import { meaningOf } from '../../src/vault/managed-secrets.ts'

/** Three attempts of the SDK fit into it, in milliseconds. */
const ANSWER_MS = 10_000

/** A text; or why there is none: `is` says what that means for the secret, `error` is the name of what the SDK throws, whose message may quote anything. */
export type StagedAnswer =
  | { readonly text: string }
  | { readonly is: 'absent' | 'forbidden' | 'binary' | 'outage'; readonly error: string }

/** The SDK would ask there without TLS. `undefined` = nowhere. */
export const openEndpoint = (env: Env): string | undefined =>
  ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_SECRETS_MANAGER'].find((name) => env[name] && !safeAddress(env[name]))

/** What is absent is as the environment, or the profile, says. */
export type AskedBy = Pick<SecretsManagerClientConfig, 'region' | 'endpoint' | 'credentials'>

export async function readSecret(SecretId: string, VersionStage: Stage, by: AskedBy): Promise<StagedAnswer> {
  const { GetSecretValueCommand, SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager')
  const client = new SecretsManagerClient(by)
  const command = new GetSecretValueCommand({ SecretId, VersionStage })
  try {
    const { SecretString: text } = await withDeadline(ANSWER_MS, (abortSignal) => client.send(command, { abortSignal }))
    return text === undefined ? { is: 'binary', error: 'it is binary' } : { text }
  } catch (thrown) {
    const { name, message } = thrown instanceof Error ? thrown : { name: '', message: '' }
    return {
      is: meaningOf(name, message) ?? 'outage',
      error: /^[A-Za-z]{1,64}$/.test(name) ? name : 'no answer',
    }
  } finally {
    client.destroy()
  }
}

/** What AWS's own client would sign with. @throws `ERR_AWS_CREDENTIALS_UNAVAILABLE`. */
export async function ownKeys(region: string): Promise<AwsKeys> {
  const { SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager')
  const client = new SecretsManagerClient({ region })
  try {
    const { accessKeyId, secretAccessKey, sessionToken = null } = await client.config.credentials()
    return { accessKeyId, secretAccessKey, sessionToken }
  } catch {
    throw new KeyringError('ERR_AWS_CREDENTIALS_UNAVAILABLE', 'There are no keys of AWS here to take a role with.')
  } finally {
    client.destroy()
  }
}
