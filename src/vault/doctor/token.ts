/** The doctor's look at the login, and at what the token that it gives is good for. */
import * as z from 'zod/mini'
import type { End } from '../../core/ends.ts'
import { KeyringError, settle, unwrap } from '../../core/errors.ts'
import type { Finding } from '../../core/findings.ts'
import { printableList } from '../../core/printable.ts'
import { duration, flag, integer } from '../wire/schema.ts'
import type { VaultReply } from '../wire/transport.ts'
import type { DoctorParts, WayParts } from './parts.ts'
import { LESS, failedCheck, ok, shown, unseen, warning } from './finding.ts'

const lookupReply = z.object({
  data: z.object({
    display_name: z._default(shown, ''),
    policies: z._default(z.nullable(z.array(z.string())), []),
    identity_policies: z.optional(z.nullable(z.array(z.string()))),
    ttl: duration,
    creation_ttl: z._default(duration, 0),
    creation_time: z._default(duration, 0),
    explicit_max_ttl: z._default(duration, 0),
    num_uses: z._default(integer, 0),
    renewable: z._default(flag, false),
    type: z._default(shown, 'service'),
    entity_id: z._default(shown, ''),
    /** Absent = the root namespace, or a server without namespaces. */
    namespace_path: z._default(z.string(), ''),
  }),
})
type Lookup = z.output<typeof lookupReply>['data']

const LOOKUP = ['auth', 'token', 'lookup-self']

/** The reader logs in when there is no token, but never while the last failure keeps logins off, unless it is forced to. */
export async function lookAtToken(parts: WayParts, signal: AbortSignal): Promise<readonly Finding[]> {
  const { source, login, loginEnds, hasLogin, clock } = parts
  const loggedIn = ok('login', `Logged in: ${login}.`)
  try {
    const reply = await lookUp(parts, signal)
    const parsed = z.safeParse(lookupReply, reply.body)
    return [
      { ...loggedIn, ends: await loginEnds(signal) },
      parsed.success
        ? describe(parsed.data.data, source.id.namespace, hasLogin, clock.now())
        : unseen('token', 'It says nothing of itself.'),
    ]
  } catch (error) {
    if (!(error instanceof KeyringError)) throw error
    if (error.code !== 'ERR_VAULT_DENIED') return [failedCheck('login', error)]
    if (error.facts['denied'] !== 'policy') return [failedCheck('login', error)]
    return [loggedIn, unseen('token', 'It may not look itself up (no policy "default"), which reads do not need.')]
  }
}

/** What a policy denies is no reason for a new login. */
async function lookUp({ reader, isForced }: WayParts, signal: AbortSignal): Promise<VaultReply> {
  const request = { segments: LOOKUP, signal }
  const looked = await settle(() => reader.probe(request))
  const isDead = !looked.ok && looked.error.facts['denied'] === 'token'
  return isForced && isDead ? reader.get(request) : unwrap(looked)
}

/** The login of rotations, in one finding; what ends of it bears its name. Whatever fails there, nothing that was known of it has changed. */
export async function lookAtRotation(
  { rotation, ...parts }: DoctorParts,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (rotation === null) return [unseen('rotation', 'No login of its own here.')]
  const found = await lookAtToken({ ...parts, ...rotation }, signal)
  const detail = found.map((each) => each.detail).join(' ')
  return found.slice(-1).map((last) => ({
    ...last,
    check: 'rotation',
    detail,
    ...(last.remedy && { remedy: ofRotation(last.remedy) }),
    ...(last.outcome !== 'failed' && {
      ends: found.flatMap(({ ends = [] }) =>
        ends.map((end) => ({ ...end, name: 'rotation', remedy: ofRotation(end.remedy) })),
      ),
    }),
  }))
}

/** It may write, and its settings are the same ones under another name. */
const ofRotation = (remedy: string): string =>
  remedy
    .replace(LESS, 'Give it what edge-keyring policy --rotate prints.')
    .replace('KEYRING_VAULT_', 'KEYRING_ROTATION_VAULT_')

/** A token that cannot be renewed and lives for less, in seconds, needs a person soon. */
const SHORT = 86_400

function describe(token: Lookup, namespace: string, hasLogin: boolean, now: number): Finding {
  const policies = [...new Set([...(token.policies ?? []), ...(token.identity_policies ?? [])])]
  const facts = {
    displayName: token.display_name,
    policies: printableList(policies),
    tokenType: token.type,
    ttlSeconds: token.ttl,
    renewable: String(token.renewable),
    entityId: token.entity_id,
  }
  const detail = `You are "${token.display_name || 'unnamed'}"; policies ${facts.policies || 'none'}; ${lifeOf(token)}.`
  const remedy = remedyForNamespace(token, namespace) ?? remedyFor(token, policies, hasLogin)
  const found = remedy === null ? ok('token', detail, facts) : warning('token', detail, remedy, facts)
  return hasLogin ? found : { ...found, ends: endsOf(token, now) }
}

/** Nobody renews a token that is left with less than this of its life. */
const UNRENEWED = 1 / 4

/** Of a token that was given: a login fetches another one. Somebody else may renew it, up to its explicit maximum. */
function endsOf(token: Lookup, now: number): readonly End[] {
  const { ttl, creation_ttl: life, creation_time: since, explicit_max_ttl: most, renewable } = token
  if (ttl === 0) return []
  const isRenewed = renewable && ttl > life * UNRENEWED
  const remedy = 'Give a new one in KEYRING_VAULT_TOKEN, or use a login method.'
  const end = { what: 'vault-token', name: null, words: "Vault's token", remedy } as const
  const ownEnd = { ...end, since: now + (ttl - life) * 1000, at: now + ttl * 1000 }
  const maximum = most > 0 && since > 0 ? { ...end, since: since * 1000, at: (since + most) * 1000 } : null
  if (isRenewed) return maximum === null ? [] : [maximum]
  return [maximum !== null && maximum.at < ownEnd.at ? maximum : ownEnd]
}

function lifeOf({ ttl, renewable, type, num_uses: uses }: Lookup): string {
  const ends = ttl === 0 ? 'it does not end' : `${ttl} s left`
  return `a ${type} token, ${ends}, ${renewable ? 'renewable' : 'not renewable'}${uses > 0 ? `, ${uses} uses left` : ''}`
}

/** A token is good in its own namespace and in all below it. Whether the server has any was asked before (`wire/namespaces.ts`). */
function remedyForNamespace({ namespace_path: path }: Lookup, namespace: string): string | null {
  if (`${namespace}/`.startsWith(path)) return null
  return `The token is of the namespace "${path.replace(/\/$/, '')}". Use one of "${namespace}", or of a namespace above it.`
}

function remedyFor(
  { ttl, renewable, num_uses: uses }: Lookup,
  policies: readonly string[],
  hasLogin: boolean,
): string | null {
  if (policies.includes('root')) return LESS
  if (uses > 0) return 'Use a role without token_num_uses: each read spends one.'
  if (!hasLogin && ttl > 0 && ttl < SHORT && !renewable)
    return 'If nothing makes a new token by itself, replace it before it ends, or use a login method.'
  return null
}
