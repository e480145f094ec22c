/** What Secrets Manager's answers mean for references, and the keys of a role for many reads: alike for whoever asks by its SDK and by signed requests. */
import { KeyringError } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import { Secret } from '../core/secret.ts'
import type { SecretAnswer } from '../core/secrets.ts'
import type { AwsKeys } from './login/aws-signature.ts'

export type Stage = 'AWSCURRENT' | 'AWSPREVIOUS'

/** As in Kong version 1 is the current one and 2 the one before. */
export const stageOf = (version: number | null): Stage => (version === 2 ? 'AWSPREVIOUS' : 'AWSCURRENT')

/** @param text absent = the secret has bytes. @throws `ERR_SECRET_UNUSABLE`. */
export function managedSecret(text: string | undefined): SecretAnswer {
  if (text !== undefined) return { kind: 'secret', text: new Secret(text) }
  throw new KeyringError('ERR_SECRET_UNUSABLE', 'The secret is binary, and references give texts.')
}

/** What an exception says of a secret. `null` = nothing: it is an outage. @param text of the exception, which may quote anything. */
export function meaningOf(exception: string, text: string): Exclude<SecretAnswer['kind'], 'secret'> | null {
  if (exception === 'ResourceNotFoundException') return 'absent'
  if (exception === 'AccessDeniedException') return 'forbidden'
  // A secret that somebody has deleted is kept for some days, and given to nobody. The name says that of other states too.
  return exception === 'InvalidRequestException' && /\bdelet(?:ed|ion)\b/.test(text) ? 'absent' : null
}

export const managerOutage = (what: string, retryAfterSeconds: number | null = null): KeyringError =>
  new KeyringError('ERR_AWS_UNAVAILABLE', `Secrets Manager ${what}.`, {
    facts: retryAfterSeconds === null ? {} : { retryAfterSeconds },
  })

/** The keys of a role serve so long, in milliseconds: STS gives them for 900 s. */
const USED_MS = 600_000

/** All reads share the keys of one role for a while. @param take takes the role. */
export function roleKeys(take: (signal: AbortSignal) => Promise<AwsKeys>, clock: Clock) {
  let held: { readonly keys: Promise<AwsKeys>; readonly at: number } | null = null
  /** Because they may be no good any more. */
  const forget = () => void (held = null)
  return {
    forget,
    keys(signal: AbortSignal): Promise<AwsKeys> {
      const now = clock.now()
      if (held === null || now < held.at || now >= held.at + USED_MS) {
        held = { keys: take(signal), at: now }
        held.keys.catch(forget)
      }
      return held.keys
    },
  }
}
