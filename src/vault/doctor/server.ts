/** The doctor's look at the server: is it Vault, is it open, and what time does it think it is? */
import * as z from 'zod/mini'
import { KeyringError } from '../../core/errors.ts'
import type { Finding } from '../../core/findings.ts'
import { placeOf } from '../../core/printable.ts'
import { HEALTH } from '../wire/namespaces.ts'
import { flag, integer } from '../wire/schema.ts'
import type { WayParts } from './parts.ts'
import { asFailed, failedCheck, isFinding, ok, warning } from './finding.ts'

const healthReply = z.object({
  initialized: flag,
  sealed: flag,
  standby: flag,
  server_time_utc: integer,
  version: z.string().check(z.refine((text) => /^[\w.+-]{1,40}$/.test(text))),
})
type Health = z.output<typeof healthReply>

export async function lookAtServer(parts: WayParts, signal: AbortSignal): Promise<readonly Finding[]> {
  const before = parts.clock.now()
  const health = await ask(parts, signal)
  if (isFinding(health)) return [health]
  const state = stateOf(health, placeOf(parts.address))
  return state.outcome === 'failed' ? [state] : [state, clockOf(health, (before + parts.clock.now()) / 2000)]
}

function stateOf({ initialized, sealed, standby, version }: Health, host: string): Finding {
  if (!initialized)
    return failedCheck('server', new KeyringError('ERR_VAULT_NOT_INITIALIZED', `Vault at ${host} is not initialised.`))
  if (sealed) return failedCheck('server', new KeyringError('ERR_VAULT_SEALED', `Vault at ${host} is sealed.`))
  return ok('server', `Version ${version}, unsealed, ${standby ? 'a standby' : 'active'}.`, { version })
}

/** A signed request or a JWT may still survive so many seconds of difference. */
const MUCH = 30

/** @param here seconds since 1970. */
function clockOf({ server_time_utc: there }: Health, here: number): Finding {
  const skew = Math.round(there - here)
  const facts = { skewSeconds: skew }
  if (Math.abs(skew) <= MUCH) return ok('clock', `The clocks agree within ${MUCH} s.`, facts)
  const way = skew > 0 ? 'ahead of' : 'behind'
  return warning(
    'clock',
    `Vault's clock is ${Math.abs(skew)} s ${way} this one.`,
    'Set both clocks by NTP: logins with JWTs or signed requests are refused when clocks differ.',
    facts,
  )
}

async function ask({ transport, address }: WayParts, signal: AbortSignal): Promise<Health | Finding> {
  const reply = await transport.get({ ...HEALTH, token: null, signal }).catch(asFailed('server'))
  if (isFinding(reply)) return reply
  const health = z.safeParse(healthReply, reply.body)
  if (health.success) return health.data
  return failedCheck(
    'server',
    new KeyringError(
      'ERR_VAULT_ANSWER_INVALID',
      `What answers at ${placeOf(address)} is not a Vault or OpenBao server.`,
    ),
  )
}
