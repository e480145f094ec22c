/** Requests of a login to others than Vault: bounded in time and size, no redirects, and no text of theirs is passed on. */
import { readText } from '../../core/body.ts'
import type { Facts } from '../../core/errors.ts'
import { isLoopback } from '../../core/loopback.ts'
import { Sending } from '../../core/sending.ts'
import { unansweredBy } from '../wire/unreached.ts'
import type { LoginParts } from './method.ts'

type Outside = Pick<LoginParts, 'clock' | 'fetch'>

export interface OutsideAnswer {
  readonly status: number
  readonly text: string
}

/** Unreachable, too slow, too long. */
export interface Unanswered {
  readonly status: null
  /** The rest of a sentence that begins with who was asked. */
  readonly what: string
  readonly facts: Facts
  /** Absent = that of the code. */
  readonly remedy?: string
}

export interface OutsideRequest {
  readonly url: string
  readonly method?: 'GET' | 'POST' | 'PUT'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Milliseconds. */
  readonly timeoutMs?: number
}

/** A token with many claims has some KiB. */
const MOST_BYTES = 256 * 1024
const TIMEOUT_MS = 5000

/** Nothing is repeated. @throws what is no trouble of the network. */
export async function ask(
  { clock, fetch }: Outside,
  { url, timeoutMs = TIMEOUT_MS, ...init }: OutsideRequest,
  signal: AbortSignal,
): Promise<OutsideAnswer | Unanswered> {
  if (signal.aborted) return SILENT
  const sending = new Sending(url, init)
  const stop = () => sending.stop()
  const settled = new AbortController()
  clock.sleep(timeoutMs, settled.signal).then(stop, () => {})
  signal.addEventListener('abort', stop)
  try {
    const response = await fetch(sending.request)
    const text = await readText(response, MOST_BYTES)
    return text === null ? TOO_LONG : { status: response.status, text }
  } catch (error) {
    return sending.isStopped ? SILENT : unanswered(error)
  } finally {
    settled.abort()
    signal.removeEventListener('abort', stop)
  }
}

const SILENT: Unanswered = { status: null, what: 'does not answer in time', facts: {} }
const TOO_LONG: Unanswered = { status: null, what: 'sent more than an answer may have', facts: {} }

const TRUST =
  'Check its certificate: name, dates, the whole chain, and that the authority is trusted here. Node and Lambda trust those in the file that NODE_EXTRA_CA_CERTS names too, Workers public ones only.'

function unanswered(thrown: unknown): Unanswered {
  const trouble = unansweredBy(thrown)
  if (trouble === null) throw thrown
  const { step, what, reason } = trouble
  const mayBeTls = step === 'tls' || step === 'unknown'
  return { status: null, what, facts: { step, reason }, ...(mayBeTls && { remedy: TRUST }) }
}

/** `https`, or plain http to loopback; nobody before an `@`. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  return username + password === '' && (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname)))
}
