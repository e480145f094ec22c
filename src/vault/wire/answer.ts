/** One answer of Vault: it is read up to a limit, told from others, and says whether asking again could go better. */
import { parseJson, readText } from '../../core/body.ts'
import type { KeyringError } from '../../core/errors.ts'
import { MAX_VAULT_BODY_BYTES } from '../../core/limits.ts'
import type { Clock } from '../../core/ports.ts'
import type { ErrorOf, Destination } from './errors.ts'
import { vaultError } from './errors.ts'
import { errorTexts } from './schema.ts'
import { fromPlaintextToTls, fromProxy } from './unreached.ts'

/** 200, 204 without a body, or a 404 that says "nothing there" or "deleted". */
export interface VaultReply {
  readonly status: 200 | 204 | 404
  readonly body: unknown
  /** The server's time, in milliseconds since 1970. */
  readonly serverTime: number
}

/**
 * 'read' = as often as it helps. 'login' = not after an answer that could be final: Vault locks a user out after five
 * failures. 'once' = never: the first may have consumed what it was about.
 */
export type Repeat = 'read' | 'login' | 'once'

/** One answer, or none, and whether another attempt could go better. */
export interface Attempt {
  readonly reply?: VaultReply
  readonly error?: KeyringError
  readonly retry: boolean
  readonly waitMs: number
  /** The connection was dead already: the next attempt needs no pause, once. */
  readonly isStale?: boolean
}

export const final = (error: KeyringError): Attempt => ({ error, retry: false, waitMs: 0 })

export async function settleResponse(
  target: Destination,
  response: Response,
  { clock, repeat, errorOf }: { clock: Clock; repeat: Repeat; errorOf: ErrorOf },
): Promise<Attempt> {
  const { status } = response
  if (status >= 300 && status < 400) return redirected(target, response, repeat)
  const text = await readText(response, MAX_VAULT_BODY_BYTES)
  if (text === null)
    throw vaultError('ERR_VAULT_ANSWER_INVALID', target, `sent more than ${MAX_VAULT_BODY_BYTES} bytes`)
  if (status === 204) return { reply: { status, body: null, serverTime: clock.now() }, retry: false, waitMs: 0 }
  const body = parseJson(text)
  const texts = errorTexts(body)
  const stray = fromProxy(target, status, texts !== null) ?? fromPlaintextToTls(target, status, text)
  if (stray !== null) return { error: stray, retry: repeat !== 'once' && mayPass(stray), waitMs: 0 }
  if (isReply(status, texts))
    return { reply: { status, body, serverTime: serverTime(response, clock) }, retry: false, waitMs: 0 }
  const seconds = retryAfter(response)
  return {
    error: errorOf(target, { status, texts }, seconds),
    retry: mayRepeat(repeat, status, texts ?? []),
    waitMs: (seconds ?? 0) * 1000,
  }
}

const isReply = (status: number, texts: readonly string[] | null): status is 200 | 404 =>
  texts !== null && (status === 200 || (status === 404 && texts.length === 0))

/** Certificates and answers do not mend themselves within seconds; names and connections may. */
export const mayPass = ({ facts }: KeyringError): boolean => facts['step'] !== 'tls' && facts['step'] !== 'read'

/** A standby that cannot forward names the leader, for seconds a dead one: the configured address is asked again. */
async function redirected(target: Destination, response: Response, repeat: Repeat): Promise<Attempt> {
  await response.body?.cancel()
  const error = vaultError('ERR_VAULT_REDIRECTED', target, 'answered with a redirect, which is not followed', {
    vaultStatus: response.status,
  })
  return { error, retry: repeat !== 'once' && isOfStandby(target, response), waitMs: 0 }
}

function isOfStandby({ host, path }: Destination, { status, headers }: Response): boolean {
  const location = URL.parse(headers.get('location') ?? '')
  return status === 307 && location !== null && location.host !== host && location.pathname === path
}

/** Vault's own client repeats the same, but for the two 400s that pass by themselves. A sealed Vault is not asked again, because unsealing takes people. */
function mayRepeat(repeat: Repeat, status: number, texts: readonly string[]): boolean {
  const says = (pattern: RegExp) => texts.some((text) => pattern.test(text))
  if (repeat === 'once' || says(/is sealed/)) return false
  if (status === 412 || status === 429 || status === 502 || status === 503 || says(/local node not active/)) return true
  if (repeat === 'login') return false
  if (status === 400) return says(/Upgrading from non-versioned|Waiting for the primary to upgrade/)
  return status >= 500 && status !== 501
}

function retryAfter(response: Response): number | null {
  const header = response.headers.get('retry-after') ?? ''
  return /^\d{1,6}$/.test(header) ? Number(header) : null
}

/** RFC 9110 has one form; Date.parse takes others too, such as a year that no Date can show a second later. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/

/** The header has whole seconds, cut off. The end of that second is taken, so that a version that was deleted within it counts as deleted. */
function serverTime(response: Response, clock: Clock): number {
  const date = Date.parse(HTTP_DATE.exec(response.headers.get('date') ?? '')?.[0] ?? '')
  return Number.isNaN(date) ? clock.now() : date + 999
}
