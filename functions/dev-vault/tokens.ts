/** The life of a token of the dev Vault: it is made, looked up, renewed and revoked. */
import type { Token, TokenOptions } from './access.ts'
import { secondsLeft } from './access.ts'
import type { VaultAnswer, VaultRequest } from './answer.ts'
import { DONE, UNKNOWN_TOKEN, found, refused } from './answer.ts'
import type { State } from './state.ts'
import { seconds } from './time.ts'

/** A token that names no life has Vault's, 32 days. */
const DEFAULT_TTL_SECONDS = 2_764_800

export function createToken({ access }: State, { body }: VaultRequest): VaultAnswer {
  const { policies = ['root'], ttl, type, renewable = true } = body
  const names = [policies].flat().map(String)
  if (names.includes('root')) return issued(access.issue({ policies: ['root'], ttlSeconds: seconds(ttl) }))
  const options = {
    policies: names,
    noDefault: body['no_default_policy'] === true,
    ttl,
    period: body['period'],
    maxTtl: body['explicit_max_ttl'],
    uses: body['num_uses'],
    type,
    renewable: renewable === true,
  }
  return issued(access.issue(tokenOptions(options)))
}

export interface Wanted {
  readonly policies: readonly string[]
  readonly noDefault: boolean
  readonly ttl: unknown
  readonly period: unknown
  readonly maxTtl: unknown
  readonly uses: unknown
  readonly type: unknown
  readonly renewable: boolean
}

/** From the wishes of a role, or of whoever makes a token, to what they get. */
export function tokenOptions({ policies, noDefault, ttl, period, maxTtl, uses, ...wanted }: Wanted): TokenOptions {
  const type = wanted.type === 'batch' ? 'batch' : 'service'
  const [periodSeconds, maxSeconds] = [seconds(period ?? 0), seconds(maxTtl ?? 0)]
  const ttlSeconds = periodSeconds || seconds(ttl ?? 0) || DEFAULT_TTL_SECONDS
  return {
    policies: noDefault ? policies : ['default', ...policies],
    ttlSeconds: maxSeconds === 0 ? ttlSeconds : Math.min(ttlSeconds, maxSeconds),
    type,
    renewable: type === 'service' && wanted.renewable,
    periodSeconds,
    maxSeconds,
    uses: type === 'batch' ? 0 : Number(uses ?? 0),
  }
}

export function issued(token: Token): VaultAnswer {
  const { id, accessor, policies, renewable, type, meta, uses } = token
  const auth = { client_token: id, accessor, policies, token_policies: policies, metadata: meta, renewable }
  const rest = { token_type: type, num_uses: uses, orphan: true, entity_id: '', mfa_requirement: null }
  return { status: 200, data: null, auth: { ...auth, ...rest, lease_duration: token.ttlSeconds } }
}

export function lookupSelf(_state: State, { caller }: VaultRequest): VaultAnswer {
  return caller === null ? UNKNOWN_TOKEN : found(tokenView(caller))
}

/** A token is renewed as far as its maximum allows. */
export function renewSelf(_state: State, { caller: token, body: { increment } }: VaultRequest): VaultAnswer {
  if (token === null) return UNKNOWN_TOKEN
  if (token.type === 'batch') return refused('batch tokens cannot be renewed')
  if (token.expires === Infinity) return refused('invalid lease ID')
  if (!token.renewable) return refused('lease is not renewable')
  if (token.uses > 0 && token.usesLeft === 0) return refused('token not found')
  const asked = token.periodSeconds || seconds(increment ?? 0) || token.ttlSeconds
  const age = Math.floor((Date.now() - Date.parse(token.created)) / 1000)
  const granted = token.maxSeconds === 0 ? asked : Math.min(asked, token.maxSeconds - age)
  token.expires = Date.now() + granted * 1000
  return issued({ ...token, ttlSeconds: granted })
}

export function revokeSelf({ access }: State, { caller }: VaultRequest): VaultAnswer {
  if (caller?.type === 'batch') return refused('batch tokens cannot be revoked')
  if (caller !== null) access.revoke(caller.id)
  return DONE
}

function tokenView(token: Token) {
  const { id, accessor, policies, created, ttlSeconds, renewable, type, usesLeft, path, meta, periodSeconds } = token
  const createdMs = Date.parse(created)
  const life = {
    ttl: secondsLeft(token),
    creation_ttl: ttlSeconds,
    explicit_max_ttl: token.maxSeconds,
    renewable,
    ...(periodSeconds > 0 && { period: periodSeconds }),
  }
  const times = {
    creation_time: Math.floor(createdMs / 1000),
    issue_time: created,
    expire_time: token.expires === Infinity ? null : new Date(token.expires).toISOString(),
  }
  const rest = { display_name: 'token', entity_id: '', num_uses: usesLeft, orphan: true }
  return { id, accessor, policies, path, meta, type, ...life, ...times, ...rest }
}
