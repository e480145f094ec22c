/** AWS Secrets Manager through its SDK, which is loaded when a setting names it, so that no other start pays for that. */
import type { SecretsManagerClientConfig } from '@aws-sdk/client-secrets-manager'
import type { Env } from '../../src/config/setting.ts'
import { withDeadline } from '../../src/core/deadline.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { safeAddress } from '../../src/core/loopback.ts'
import type { AwsKeys } from '../../src/vault/login/aws-signature.ts'

/** Three attempts of the SDK fit into it, in milliseconds. */
const ANSWER_MS = 10_000

export type Stage = 'AWSCURRENT' | 'AWSPREVIOUS'

/** A text, or the name of what the SDK throws: its message may quote anything. `isAbsent` = there is no such text, and it is no outage. */
export type StagedAnswer = { readonly text: string } | { readonly error: string; readonly isAbsent: boolean }

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
    return text === undefined ? { error: 'it is binary', isAbsent: true } : { text }
  } catch (error) {
    const name = error instanceof Error ? error.name : ''
    const isAbsent = name === 'ResourceNotFoundException'
    return { error: /^[A-Za-z]{1,64}$/.test(name) ? name : 'no answer', isAbsent }
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
