/** The one transport to Vault: it knows the headers, the timeout, when a request is repeated, and what an answer means. */
import { exchange } from '../../core/deadline.ts'
import { KeyringError } from '../../core/errors.ts'
import type { Clock, Fetch } from '../../core/ports.ts'
import { placeOf } from '../../core/printable.ts'
import type { Attempt, VaultReply } from './answer.ts'
import { final, mayPass, mayRepeat, settleResponse } from './answer.ts'
import type { ErrorOf } from './errors.ts'
import { fromStatus, vaultError } from './errors.ts'
import type { VaultStep } from './outages.ts'
import { vaultUrl } from './path.ts'
import { fromThrown } from './unreached.ts'

export type { VaultReply } from './answer.ts'

export interface VaultRead {
  /** The path behind /v1, decoded. */
  readonly segments: readonly string[]
  readonly query?: Readonly<Record<string, string | number>>
  readonly signal: AbortSignal
}

interface VaultGet extends VaultRead {
  /** `null` = none is sent. */
  readonly token: string | null
}

interface VaultPost extends Omit<VaultRead, 'query'> {
  /** `null` = none is sent. */
  readonly token: string | null
  readonly body: object
  readonly step: Exclude<VaultStep, 'read'>
  /** It says what a refusal means here; unless given, the same as for a read. */
  readonly errorOf?: ErrorOf
}

export interface VaultTransport {
  /** A read is repeated where that helps. */
  get(request: VaultGet): Promise<VaultReply>
  /** A write is repeated as its step allows. */
  post(request: VaultPost): Promise<VaultReply>
}

export interface TransportParts {
  readonly fetch: Fetch
  readonly clock: Clock
  /** Scheme, host, port and base path, without a slash at the end. */
  readonly address: string
  /** '' = none. */
  readonly namespace: string
  /** Each attempt has so many milliseconds. */
  readonly timeoutMs: number
}

const ATTEMPTS = 3
/** An election takes 1 to 5 s, and so long a standby may name the dead leader: so many attempts wait for 6 s and more. */
const REDIRECT_ATTEMPTS = 7
/** The pause is that of Vault's own client, 1 to 1.5 s. */
const BACKOFF_MS = 1000
const JITTER_MS = 500
/** A longer Retry-After is not waited for here: the caller is told. */
const MOST_WAIT_MS = 10_000

interface Sent {
  readonly url: URL
  readonly init: RequestInit
  readonly signal: AbortSignal
  readonly step: VaultStep
  readonly errorOf: ErrorOf
}

export function vaultTransport(parts: TransportParts): VaultTransport {
  return {
    async get({ segments, query, token, signal }) {
      const url = vaultUrl(parts.address, segments, query)
      return ask(parts, {
        url,
        init: { headers: headersOf(parts, token) },
        signal,
        step: 'read',
        errorOf: fromStatus,
      })
    },
    async post({ segments, token, body, signal, step, errorOf = fromStatus }) {
      const headers = { ...headersOf(parts, token), 'Content-Type': 'application/json', 'Cache-Control': uncached() }
      const init = { method: 'POST', headers, body: JSON.stringify(body) }
      return ask(parts, { url: vaultUrl(parts.address, segments), init, signal, step, errorOf })
    },
  }
}

/**
 * Vault's and OpenBao's own proxies keep logins and renewals, and give them again to an equal request, also when the token is
 * dead. They look at no directive, but at every header: so no two requests are equal. (RFC 9111 lets a directive be made up.)
 */
const uncached = (): string => `no-cache, request=${crypto.randomUUID()}`

async function ask(parts: TransportParts, sent: Sent): Promise<VaultReply> {
  for (let made = 1; ; made += 1) {
    const { reply, error, retry, waitMs, isStale } = await attempt(parts, sent)
    if (reply !== undefined) return reply
    const most = error?.code === 'ERR_VAULT_REDIRECTED' ? REDIRECT_ATTEMPTS : ATTEMPTS
    if (!retry || made >= most || waitMs > MOST_WAIT_MS) throw error
    if (isStale && made === 1) continue
    await parts.clock.sleep(Math.max(waitMs, BACKOFF_MS) + Math.random() * JITTER_MS, sent.signal).catch(() => {
      throw error
    })
  }
}

function headersOf({ namespace }: TransportParts, token: string | null): Record<string, string> {
  if (token !== null && !/^[\x21-\x7e]+$/.test(token))
    throw new KeyringError('ERR_CREDENTIAL_MALFORMED', 'The Vault token has characters that no token has.')
  return {
    'X-Vault-Request': 'true',
    ...(token !== null && { 'X-Vault-Token': token }),
    Accept: 'application/json',
    ...(namespace !== '' && { 'X-Vault-Namespace': namespace }),
  }
}

/** A timed-out attempt is not repeated: the next one would most likely keep the caller waiting as long. */
async function attempt(parts: TransportParts, { url, init, signal, step, errorOf }: Sent): Promise<Attempt> {
  const { fetch, clock, timeoutMs, address } = parts
  const [path = ''] = url.href.slice(address.length).split('?')
  const target = { host: placeOf(address), path, isTls: url.protocol === 'https:' }
  const late = () => vaultError('ERR_VAULT_TIMEOUT', target, `did not answer within ${timeoutMs} ms`, { timeoutMs })
  const answered = exchange(url, init, { ms: timeoutMs, signal, late }, async (request) =>
    settleResponse(target, await fetch(request), { clock, step, errorOf }),
  )
  return answered.catch((error: unknown) => {
    if (error instanceof KeyringError) return final(error)
    const unreached = fromThrown(target, error)
    if (unreached === null) throw error
    return { ...unreached, retry: mayRepeat(step) && mayPass(unreached.error), waitMs: 0 }
  })
}
