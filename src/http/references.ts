/** References over HTTP: a batch is resolved, reference by reference; the vaults behind them and what is kept of them are listed. */
import { isGranted, resolvable } from '../auth/grants.ts'
import { KeyringError, refusal, unwrap } from '../core/errors.ts'
import type { Facts, Result } from '../core/errors.ts'
import { MAX_VALUES_LENGTH } from '../core/limits.ts'
import type { CachedReferences, Resolved } from '../secrets/secrets.ts'
import { readBody } from './body.ts'
import type { RareHandlers, Resolution, VaultCall } from './call.ts'
import { cachedQuery, handBody, resolveBody } from './rare-schema.ts'
import type { Reply } from './reply.ts'
import { parseBody } from './schema.ts'

export const vaultHandlers: RareHandlers['vaults'] = {
  resolve,
  push,
  list,
  vaults: ({ views }) => ({ body: { data: views, next: null } }),
  vault: view,
}

const NONE = refusal('ERR_REFERENCE_VAULT_UNKNOWN', 'There are no vaults for references here.')

function view({ views, secrets, context: { name } }: VaultCall): Reply {
  const found = views.find(({ prefix }) => prefix === name)
  if (found === undefined) throw secrets?.none(name) ?? unwrap(NONE)
  return { body: found }
}

async function resolve(call: VaultCall): Promise<Reply> {
  const { references, refresh } = parseBody(resolveBody, await readBody(call.context))
  if (refresh) call.asks({ refresh })
  const results = await resolved(call, references, refresh)
  call.resolved(resolutions(call, references, results))
  refuseLimited(results)
  refuseLong(results)
  const secrets = references.map((reference, at) => ({ reference, ...shown(results[at]) }))
  return { body: { secrets }, headers: headersOf(results) }
}

/** The audit log has it before anything is taken. */
async function push(call: VaultCall): Promise<Reply> {
  const { vault, source, secrets } = parseBody(handBody, await readBody(call.context))
  await call.begin()
  const handed = await (call.secrets ?? unwrap(NONE)).hand(vault, source, secrets)
  call.resolved([{ vault, code: null, count: secrets.length }])
  return { body: handed }
}

const NO_REFRESH = refusal('ERR_FORBIDDEN', 'No grant covers this refresh.', {
  remedy: 'Ask for a grant refresh (KEYRING_API_TOKENS).',
})

type Results = readonly Result<Resolved>[]

export async function resolved(
  { secrets, grants, caller }: Pick<VaultCall, 'secrets' | 'grants' | 'caller'>,
  references: readonly string[],
  refresh: boolean,
) {
  if (secrets === null) return references.map(() => NONE)
  const may = resolvable(grants)
  return secrets.resolve(
    references,
    refresh,
    (sought) =>
      may?.(sought) === true && (!refresh || isGranted(grants, 'refresh', sought.vault) || unwrap(NO_REFRESH)),
    caller,
  )
}

/** Of one reference: its value, or why there is none. */
function shown(result: Result<Resolved> | undefined): object {
  if (result?.ok) return { value: result.value.value }
  const { facts, code, message, remedy } = result?.error ?? {}
  return { error: { ...facts, code, message, remedy } }
}

/** Where nothing was done for want of time, the answer says when to come again. @throws `ERR_RATE_LIMITED`. */
function refuseLimited(results: Results): void {
  const [first] = results
  const isAlike = results.every((one) => !one.ok && one.error.code === 'ERR_RATE_LIMITED')
  if (first !== undefined && isAlike) unwrap(first)
}

/** As much as one decrypted text may have, for the same reason. @throws `ERR_BODY_TOO_LARGE`. */
function refuseLong(results: Results): void {
  const length = results.reduce((sum, one) => sum + (one.ok ? one.value.value.length : 0), 0)
  if (length <= MAX_VALUES_LENGTH) return
  const facts: Facts = { field: 'references', limit: MAX_VALUES_LENGTH }
  const remedy = 'Ask for fewer references at once.'
  throw new KeyringError('ERR_BODY_TOO_LARGE', 'The values are too long for one answer.', { facts, remedy })
}

/** For the audit log: neither values nor references, but how many of which vault came to what. */
export function resolutions(
  { secrets }: Pick<VaultCall, 'secrets'>,
  references: readonly string[],
  results: Results,
): readonly Resolution[] {
  const all = references.map((text, at) => {
    const result = results[at]
    return { vault: secrets?.vaultOf(text) ?? undefined, code: result?.ok === false ? result.error.code : null }
  })
  const alike = Map.groupBy(all, ({ vault = '', code }) => `${vault} ${code}`)
  return [...alike.values()].flatMap(([first, ...rest]) => (first ? [{ ...first, count: rest.length + 1 }] : []))
}

const WORST = ['stale', 'miss', 'hit'] as const

/** The worst of all that have a value, and the oldest. */
function headersOf(results: Results): Record<string, string> {
  const values = results.flatMap((one) => (one.ok ? [one.value] : []))
  const waits = results.flatMap((one) => (one.ok ? [] : [Number(one.error.facts['retryAfterSeconds'] ?? 0)]))
  const cache = WORST.find((each) => values.some((value) => value.cache === each))
  const oldest = Math.max(0, ...values.map(({ ageMs }) => ageMs))
  const wait = Math.max(0, ...waits)
  return {
    ...(cache && { 'x-cache': cache.toUpperCase(), age: String(Math.floor(oldest / 1000)) }),
    ...(wait > 0 && { 'retry-after': String(wait) }),
  }
}

/** The names of secrets are for those who may have them all. */
async function list({ context, secrets, now }: VaultCall): Promise<Reply> {
  const { after = '' } = parseBody(cachedQuery, Object.fromEntries(new URL(context.request.url).searchParams))
  const { secrets: all, next } = (await secrets?.cached(after)) ?? { secrets: [], next: null }
  return { body: { secrets: all.map((one) => listed(one, now)), next } }
}

function listed({ reference, version, found, at, due, failing }: CachedReferences['secrets'][number], now: number) {
  return {
    reference,
    version,
    found,
    age: found === null ? null : Math.max(0, Math.floor((now - at) / 1000)),
    next_refresh: due === null ? null : isoTime(due),
    last_error: failing && {
      code: failing.error.code,
      message: failing.error.message,
      since: isoTime(failing.since),
      failures: failing.tries,
    },
  }
}

const isoTime = (ms: number): string => new Date(ms).toISOString()
