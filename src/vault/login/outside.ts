/** Requests of a login to others than Vault: they are bounded in time and size, follow no redirects, and pass on no text of theirs. */
import { readText } from '../../core/body.ts'
import { exchange } from '../../core/deadline.ts'
import type { Facts } from '../../core/errors.ts'
import { safeAddress } from '../../core/loopback.ts'
import { retryAfter } from '../wire/retry-after.ts'
import { unansweredBy } from '../wire/unreached.ts'
import type { LoginParts } from './method.ts'

export interface OutsideAnswer {
  readonly status: number
  readonly text: string
  /** Seconds; `null` = it does not say. */
  readonly retryAfter: number | null
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
  /** Milliseconds; 5 s unless set. */
  readonly timeoutMs?: number
}

/** More than this is no answer: a token with many claims has some KiB. */
const MOST_BYTES = 256 * 1024
const TIMEOUT_MS = 5000

/** Nothing is repeated. @throws what is no trouble of the network. */
export async function askOutside(
  { fetch, clock }: Pick<LoginParts, 'fetch' | 'clock'>,
  { url, timeoutMs: ms = TIMEOUT_MS, ...init }: OutsideRequest,
  signal: AbortSignal,
): Promise<OutsideAnswer | Unanswered> {
  const late = new Error('No answer in time.')
  const answered = exchange(url, init, { ms, signal, late: () => late }, async (request) => {
    const response = await fetch(request)
    const text = await readText(response, MOST_BYTES)
    const { status, headers } = response
    return text === null ? TOO_LONG : { status, text, retryAfter: retryAfter(headers, clock.now()) }
  })
  return answered.catch((error: unknown) => (error === late ? SILENT : unanswered(error)))
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

/** An address is safe with `https`, or with plain http to loopback, and when nobody stands before an `@`. */
export function isSafeUrl(text: string): boolean {
  const url = safeAddress(text)
  return url !== null && url.username + url.password === ''
}
