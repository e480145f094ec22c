/** The deployment that EDGE_KEYRING_URL names, else the server that runs in this folder, else the local store. */
import * as z from 'zod/mini'
import { headers } from '../../src/config/reach.ts'
import { writtenAddress } from '../../src/core/loopback.ts'
import type { Env, Problem } from '../../src/config/setting.ts'
import type { Fetch } from '../../src/core/ports.ts'
import { Secret } from '../../src/core/secret.ts'
import { withHeaders } from '../../src/vault/wire/headers.ts'
import { wrongSettings } from './failure.ts'
import type { Target } from './target.ts'
import { FAR, isToken } from './target.ts'

/** @throws a Failure; `ERR_STORE_UNAVAILABLE`. */
export async function openTarget(env: Env): Promise<Target> {
  const serving = await openServing(env)
  if (serving !== null) return serving
  const { localStore } = await import('./local-store.ts')
  return localStore(env)
}

/** What serves callers. `null` = nothing does. @throws a Failure; `ERR_STORE_UNAVAILABLE`. */
export async function openServing(env: Env): Promise<Target | null> {
  const [url, token] = [env['EDGE_KEYRING_URL'] || null, env['EDGE_KEYRING_TOKEN'] || null]
  if (url !== null || token !== null) return deployment(url, token, headersOf(env['EDGE_KEYRING_HEADERS'] || '{}'))
  const { localServer } = await import('./local-server.ts')
  return localServer(env)
}

const MISSING_URL = 'is required because EDGE_KEYRING_TOKEN is set: the address of the deployment'
const MISSING_TOKEN = 'is required because EDGE_KEYRING_URL is set: an API token of that deployment'
const WRONG_URL = 'must be https://<host>[:port][/path], without user, query or fragment; http is for loopback only'
const TOKEN_REMEDY = 'Check EDGE_KEYRING_TOKEN: it is not a live API token there.'
const TAKEN = 'must not have Authorization or Kong-Admin-Token: EDGE_KEYRING_TOKEN is sent there'
const WRONG_TOKEN = 'must be printable ASCII without spaces'

interface SentAlong {
  /** They go to the deployment alone, as the token does. */
  readonly headers: Readonly<Record<string, Secret>>
  readonly problems: readonly Problem[]
}

function headersOf(text: string): SentAlong {
  const { data = {}, error } = z.safeParse(headers(), text)
  const messages = error?.issues.map(({ message }) => message) ?? []
  if (Object.keys(data).some((name) => /^(?:authorization|kong-admin-token)$/i.test(name))) messages.push(TAKEN)
  return { headers: data, problems: messages.map((message) => ({ name: 'EDGE_KEYRING_HEADERS', message })) }
}

function deployment(url: string | null, token: string | null, { headers, problems }: SentAlong): Target {
  const base = url === null ? null : baseOf(url)
  if (base !== null && token !== null && isToken(token) && problems.length === 0) {
    const fetch: Fetch = withHeaders(FAR.fetch, base, headers)
    return { ...FAR, fetch, where: `deployment ${base}`, base, token: new Secret(token), tokenRemedy: TOKEN_REMEDY }
  }
  throw wrongSettings([
    ...problems,
    ...(base === null ? [{ name: 'EDGE_KEYRING_URL', message: url === null ? MISSING_URL : WRONG_URL }] : []),
    ...(token !== null && isToken(token)
      ? []
      : [{ name: 'EDGE_KEYRING_TOKEN', message: token === null ? MISSING_TOKEN : WRONG_TOKEN }]),
  ])
}

/** `null` = not an address to send a token to. */
function baseOf(text: string): string | null {
  const url = writtenAddress(text)
  return url && url.origin + url.pathname.replace(/\/+$/, '')
}
