/** AWS Secrets Manager as a vault behind references, on Node and Lambda. */
import type { EntitySettings } from '../../src/config/entities.ts'
import { systemClock } from '../../src/core/clock.ts'
import type { SecretBackend } from '../../src/core/secrets.ts'
import { assumeRole } from '../../src/vault/login/aws-assume-role.ts'
import type { AwsKeys } from '../../src/vault/login/aws-signature.ts'
import { managedSecret, managerOutage, roleKeys, stageOf } from '../../src/vault/managed-secrets.ts'
import type { AskedBy } from './secrets-manager.ts'
import { openEndpoint, ownKeys, readSecret } from './secrets-manager.ts'

type Settings = Extract<EntitySettings['backend'], { readonly type: 'aws' }>

export function secretsManagerBackend(settings: Settings): SecretBackend {
  const { region, endpoint, assume } = settings
  const place = { region, ...(endpoint !== null && { endpoint }) }
  const role = assume === null ? null : roleOf({ ...settings, assume })
  return {
    async read({ resource, version }, { signal }) {
      const open = endpoint === null ? openEndpoint(process.env) : undefined
      if (open !== undefined) throw managerOutage(`is not asked: ${open} is not https`)
      const by: AskedBy = role === null ? place : { ...place, credentials: identityOf(await role.keys(signal)) }
      const answer = await readSecret(resource, stageOf(version), by)
      if ('text' in answer) return managedSecret(answer.text)
      const { is, error } = answer
      if (is === 'binary') return managedSecret(undefined)
      if (is !== 'outage') return { kind: is }
      role?.forget()
      throw managerOutage(`gives no answer (${error})`)
    },
  }
}

/** The role is taken as a login takes one, with what AWS's own client finds. */
function roleOf({ region, stsEndpoint, assume }: Settings & { readonly assume: NonNullable<Settings['assume']> }) {
  const parts = { fetch: (request: Request) => fetch(request), clock: systemClock }
  return roleKeys(
    async (signal) => assumeRole(await ownKeys(region), { region, stsEndpoint }, assume, parts, signal),
    systemClock,
  )
}

const identityOf = ({ sessionToken, ...pair }: AwsKeys) => ({ ...pair, ...(sessionToken !== null && { sessionToken }) })
