/** One answer of Vault: it is read up to a limit, told from others, and says whether asking again could go better. */
import { parseJson, readText } from '../../core/body.ts'
import type { KeyringError } from '../../core/errors.ts'
import { MAX_VAULT_BODY_BYTES } from '../../core/limits.ts'
import type { Clock } from '../../core/ports.ts'
import type { ErrorOf, Destination } from './errors.ts'
import { vaultError } from './errors.ts'
import type { VaultStep } from './outages.ts'
import { isSentAgain, rowOf } from './outages.ts'
import { retryAfter } from './retry-after.ts'
import { errorTexts } from './schema.ts'
import { fromPlaintextToTls, fromProxy } from './unreached.ts'

/** 200, 204 without a body, or a 404 that says "nothing there" or "deleted". */
export interface VaultReply {
  readonly status: 200 | 204 | 404
  readonly body: unknown
  /** The server's time, in milliseconds since 1970. */
  readonly serverTime: number
}

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
  { clock, step, errorOf }: { clock: Clock; step: VaultStep; errorOf: ErrorOf },
): Promise<Attempt> {
  const { status } = response
  if (status >= 300 && status < 400) return redirected(target, response, step)
  const text = await readText(response, MAX_VAULT_BODY_BYTES)
  if (text === null)
    throw vaultError('ERR_VAULT_ANSWER_INVALID', target, `sent more than ${MAX_VAULT_BODY_BYTES} bytes`)
  if (status === 204) return { reply: { status, body: null, serverTime: clock.now() }, retry: false, waitMs: 0 }
  const body = parseJson(text)
  const texts = errorTexts(status, body)
  const stray = fromProxy(target, status, texts !== null) ?? fromPlaintextToTls(target, status, text)
  if (stray !== null) return { error: stray, retry: mayRepeat(step) && mayPass(stray), waitMs: 0 }
  if (isReply(status, texts))
    return { reply: { status, body, serverTime: serverTime(response, clock) }, retry: false, waitMs: 0 }
  const answer = { step, status, texts }
  const seconds = retryAfter(response.headers, clock.now())
  return {
    error: errorOf(target, answer, seconds),
    retry: isSentAgain(step, rowOf(answer)),
    waitMs: (seconds ?? 0) * 1000,
  }
}

const isReply = (status: number, texts: readonly string[] | null): status is 200 | 404 =>
  texts !== null && (status === 200 || (status === 404 && texts.length === 0))

/** Whatever happens, these may have consumed what they were about, or are not worth it. */
export const mayRepeat = (step: VaultStep): boolean => step !== 'wrap' && step !== 'question'

/** Certificates and answers do not mend themselves within seconds; names and connections may. */
export const mayPass = ({ facts }: KeyringError): boolean => facts['step'] !== 'tls' && facts['step'] !== 'read'

/** A standby that cannot forward names the leader, for seconds a dead one: the configured address is asked again. */
async function redirected(target: Destination, response: Response, step: VaultStep): Promise<Attempt> {
  await response.body?.cancel()
  const error = vaultError('ERR_VAULT_REDIRECTED', target, 'answered with a redirect, which is not followed', {
    vaultStatus: response.status,
  })
  return { error, retry: mayRepeat(step) && isOfStandby(target, response), waitMs: 0 }
}

/** A standby knows nothing of a base path before it, and may name a leader whose address cannot be read. */
function isOfStandby({ host, path }: Destination, { status, headers }: Response): boolean {
  if (status !== 307) return false
  const location = URL.parse(headers.get('location') ?? '')
  if (location === null || !/^https?:$/.test(location.protocol)) return true
  const [name = ''] = host.split('/')
  return location.host !== name && location.pathname.endsWith(path)
}

/** RFC 9110 has one form; Date.parse takes others too, such as a year that no Date can show a second later. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/

/** The header has whole seconds, cut off. The end of that second is taken, so that a version that was deleted within it counts as deleted. */
function serverTime(response: Response, clock: Clock): number {
  const date = Date.parse(HTTP_DATE.exec(response.headers.get('date') ?? '')?.[0] ?? '')
  return Number.isNaN(date) ? clock.now() : date + 999
}
