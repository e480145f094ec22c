/** AWS Secrets Manager as a vault behind references, on Node and Lambda. */
import type { EntitySettings } from '../../src/config/entities.ts'
import { regionalSts } from '../../src/config/login-aws.ts'
import { systemClock } from '../../src/core/clock.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import type { SecretBackend } from '../../src/core/secrets.ts'
import { assumeRole } from '../../src/vault/login/aws-assume-role.ts'
import type { AwsKeys } from '../../src/vault/login/aws-signature.ts'
import type { AskedBy, Stage } from './secrets-manager.ts'
import { openEndpoint, ownKeys, readSecret } from './secrets-manager.ts'

type Settings = Extract<EntitySettings['backend'], { readonly type: 'aws' }>

/** As in Kong version 1 is the current one and 2 the one before. */
const STAGES: readonly Stage[] = ['AWSCURRENT', 'AWSPREVIOUS']
/** Of the 15 minutes that a role's keys live, in milliseconds. */
const KEYS_USED_MS = 600_000

export function secretsManagerBackend(settings: Settings): SecretBackend {
  const { region, endpoint, assume } = settings
  const place = { region, ...(endpoint !== null && { endpoint }) }
  const role = assume === null ? null : roleKeys({ ...settings, assume })
  return {
    async read({ resource, version }, { signal }) {
      const open = endpoint === null ? openEndpoint(process.env) : undefined
      if (open !== undefined) throw unavailable(`is not asked: ${open} is not https`)
      const by: AskedBy = role === null ? place : { ...place, credentials: await role.keys(signal) }
      const answer = await readSecret(resource, STAGES[(version ?? 1) - 1] ?? 'AWSCURRENT', by)
      if ('text' in answer) return { kind: 'secret', text: new Secret(answer.text) }
      const { error } = answer
      if (ABSENT.has(error)) return { kind: 'absent' }
      if (error === 'AccessDeniedException') return { kind: 'forbidden' }
      role?.forget()
      throw unavailable(`gives no answer (${error})`)
    },
  }
}

/** The second is what is said of a secret that was deleted and may still be brought back. */
const ABSENT: ReadonlySet<string> = new Set(['ResourceNotFoundException', 'InvalidRequestException'])

const unavailable = (what: string): KeyringError => new KeyringError('ERR_AWS_UNAVAILABLE', `Secrets Manager ${what}.`)

/** The role is taken as a login takes one, with what AWS's own client finds; all reads share its keys for a while. */
function roleKeys({ region, stsEndpoint, assume }: Settings & { readonly assume: NonNullable<Settings['assume']> }) {
  let held: { readonly keys: Promise<AskedBy['credentials'] & object>; readonly until: number } | null = null
  const sts = { region, stsEndpoint: stsEndpoint ?? regionalSts(region) }
  const parts = { fetch: (request: Request) => fetch(request), clock: systemClock }
  const take = async (signal: AbortSignal) =>
    identityOf(await assumeRole(await ownKeys(region), sts, assume, parts, signal))
  const forget = () => void (held = null)
  return {
    forget,
    keys(signal: AbortSignal) {
      const now = systemClock.now()
      if (held === null || held.until <= now || held.until > now + KEYS_USED_MS) {
        const keys = take(signal)
        keys.catch(forget)
        held = { keys, until: now + KEYS_USED_MS }
      }
      return held.keys
    },
  }
}

const identityOf = ({ sessionToken, ...pair }: AwsKeys) => ({ ...pair, ...(sessionToken !== null && { sessionToken }) })
