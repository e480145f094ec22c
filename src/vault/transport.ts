/** The one transport to Vault: headers, timeout, retry rule, size limit, error mapping. */
import { concat, decodeUtf8 } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import { MAX_VAULT_BODY_BYTES } from '../core/limits.ts'
import type { Clock, Fetch } from '../core/ports.ts'
import type { Target } from './errors.ts'
import { fromStatus, vaultError } from './errors.ts'
import { vaultUrl } from './path.ts'
import { errorTexts } from './schema.ts'
import { fromPlaintextToTls, fromProxy, fromThrown } from './unreached.ts'

interface VaultRequest {
  /** Decoded, behind /v1. */
  readonly segments: readonly string[]
  readonly query?: Readonly<Record<string, string | number>>
  readonly token: string
  readonly signal: AbortSignal
}

/** 200, or a 404 that says "nothing there" or "deleted". */
export interface VaultReply {
  readonly status: 200 | 404
  readonly body: unknown
  /** The server's time, in milliseconds since 1970. */
  readonly serverTime: number
}

export interface VaultTransport {
  /** Every read may be repeated: the project writes nothing through it. */
  get(request: VaultRequest): Promise<VaultReply>
}

export interface TransportParts {
  readonly fetch: Fetch
  readonly clock: Clock
  readonly address: string
  /** '' = none. */
  readonly namespace: string
  /** For each attempt, in milliseconds. */
  readonly timeoutMs: number
}

const ATTEMPTS = 3
/** As Vault's own client: 1 to 1.5 s. */
const BACKOFF_MS = 1000
const JITTER_MS = 500
/** A longer Retry-After is for the caller. */
const MOST_WAIT_MS = 10_000

/** One answer, and whether another attempt could go better. */
interface Attempt {
  readonly reply?: VaultReply
  readonly error?: KeyringError
  readonly retry: boolean
  readonly waitMs: number
  /** The connection was dead already: the next attempt needs no pause, once. */
  readonly isStale?: boolean
}

export function vaultTransport(parts: TransportParts): VaultTransport {
  return {
    async get(request) {
      const url = vaultUrl(parts.address, request.segments, request.query)
      const headers = headersOf(parts, request.token)
      for (let left = ATTEMPTS - 1; ; left -= 1) {
        const { reply, error, retry, waitMs, isStale } = await attempt(parts, url, headers, request.signal)
        if (reply !== undefined) return reply
        if (!retry || left === 0 || waitMs > MOST_WAIT_MS) throw error
        if (isStale && left === ATTEMPTS - 1) continue
        await parts.clock.sleep(Math.max(waitMs, BACKOFF_MS) + Math.random() * JITTER_MS, request.signal).catch(() => {
          throw error
        })
      }
    },
  }
}

function headersOf({ namespace }: TransportParts, token: string): Record<string, string> {
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new KeyringError('ERR_CREDENTIAL_MALFORMED', 'The Vault token has characters that no token has.')
  return {
    'X-Vault-Request': 'true',
    'X-Vault-Token': token,
    Accept: 'application/json',
    ...(namespace !== '' && { 'X-Vault-Namespace': namespace }),
  }
}

/** A timed-out attempt is not repeated: the next one would most likely keep the caller waiting as long. */
async function attempt(
  parts: TransportParts,
  url: URL,
  headers: Record<string, string>,
  caller: AbortSignal,
): Promise<Attempt> {
  const target = { host: url.host, path: url.pathname, isTls: url.protocol === 'https:' }
  const abort = new AbortController()
  const stop = () => abort.abort()
  const timer = setTimeout(stop, parts.timeoutMs)
  caller.addEventListener('abort', stop)
  try {
    caller.throwIfAborted()
    const response = await parts.fetch(new Request(url, { headers, redirect: 'manual', signal: abort.signal }))
    return await settleResponse(target, response, parts.clock)
  } catch (error) {
    if (error instanceof KeyringError) return { error, retry: false, waitMs: 0 }
    if (abort.signal.aborted || caller.aborted)
      return { error: timedOut(target, parts.timeoutMs), retry: false, waitMs: 0 }
    const unreached = fromThrown(target, error)
    return { ...unreached, retry: mayPass(unreached.error), waitMs: 0 }
  } finally {
    clearTimeout(timer)
    caller.removeEventListener('abort', stop)
  }
}

/** Certificates and answers do not mend themselves within seconds; names and connections may. */
const mayPass = ({ facts }: KeyringError): boolean => facts['step'] !== 'tls' && facts['step'] !== 'read'

const timedOut = (target: Target, timeoutMs: number): KeyringError =>
  vaultError('ERR_VAULT_TIMEOUT', target, `did not answer within ${timeoutMs} ms`, { timeoutMs })

async function settleResponse(target: Target, response: Response, clock: Clock): Promise<Attempt> {
  const { status } = response
  if (status >= 300 && status < 400) {
    await response.body?.cancel()
    throw vaultError('ERR_VAULT_REDIRECTED', target, 'answered with a redirect, which is not followed', {
      vaultStatus: status,
    })
  }
  const text = await readText(target, response)
  const body = parseJson(text)
  const texts = errorTexts(body)
  const proxied = fromProxy(target, status, texts !== null)
  if (proxied !== null) return { error: proxied, retry: mayPass(proxied), waitMs: 0 }
  const misdirected = fromPlaintextToTls(target, status, text)
  if (misdirected !== null) throw misdirected
  if (texts !== null && (status === 200 || (status === 404 && texts.length === 0))) {
    return { reply: { status, body, serverTime: serverTime(response, clock) }, retry: false, waitMs: 0 }
  }
  const seconds = retryAfter(response)
  return {
    error: fromStatus(target, { status, texts }, seconds),
    retry: mayRetry(status, texts ?? []),
    waitMs: (seconds ?? 0) * 1000,
  }
}

/** As Vault's own client, and the two 400s that pass by themselves. Unsealing takes people: a sealed Vault is not asked again. */
function mayRetry(status: number, texts: readonly string[]): boolean {
  if (texts.some((text) => text.includes('is sealed'))) return false
  if (status === 400)
    return texts.some((text) => /Upgrading from non-versioned|Waiting for the primary to upgrade/.test(text))
  return status === 412 || status === 429 || (status >= 500 && status !== 501)
}

function retryAfter(response: Response): number | null {
  const header = response.headers.get('retry-after') ?? ''
  return /^\d{1,6}$/.test(header) ? Number(header) : null
}

/** The header has whole seconds, cut off: at its end a version that was deleted within this second counts as deleted. */
function serverTime(response: Response, clock: Clock): number {
  const date = Date.parse(response.headers.get('date') ?? '')
  return Number.isNaN(date) ? clock.now() : date + 999
}

async function readText(target: Target, response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_VAULT_BODY_BYTES)
      throw vaultError('ERR_VAULT_ANSWER_INVALID', target, `sent more than ${MAX_VAULT_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  return decodeUtf8(concat(...chunks)) ?? ''
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
