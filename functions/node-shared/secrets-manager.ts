/** AWS Secrets Manager through its SDK, which is loaded when a setting names it, so that no other start pays for that. */
import { withDeadline } from '../../src/core/deadline.ts'

/** Three attempts of the SDK fit into it, in milliseconds. */
const ANSWER_MS = 10_000

export type Stage = 'AWSCURRENT' | 'AWSPREVIOUS'

/** A text, or the name of what the SDK throws: its message may quote anything. `isAbsent` = there is no such text, and it is no outage. */
export type StagedAnswer = { readonly text: string } | { readonly error: string; readonly isAbsent: boolean }

/** @param region absent = what the environment, or the profile, says. */
export async function readSecret(SecretId: string, VersionStage: Stage, region?: string): Promise<StagedAnswer> {
  const { GetSecretValueCommand, SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager')
  const client = new SecretsManagerClient(region === undefined ? {} : { region })
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
