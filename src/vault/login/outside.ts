/** Requests of a login to others than Vault: they are bounded in time and size, follow no redirects, and pass on no text of theirs. */
import { readText } from '../../core/body.ts'
import { exchange } from '../../core/deadline.ts'
import type { Facts } from '../../core/errors.ts'
import { KeyringError } from '../../core/errors.ts'
import { isLoopback } from '../../core/loopback.ts'
import { unansweredBy } from '../wire/unreached.ts'
import type { LoginParts } from './method.ts'

export interface OutsideAnswer {
  readonly status: number
  readonly text: string
}

/** The other side is unreachable, or its answer too slow or too long. */
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

/** Nothing is repeated. @throws what is wrong with our own files. */
export async function askOutside(
  { fetch }: Pick<LoginParts, 'fetch'>,
  { url, timeoutMs: ms = TIMEOUT_MS, ...init }: OutsideRequest,
  signal: AbortSignal,
): Promise<OutsideAnswer | Unanswered> {
  const late = () => LATE
  const answered = exchange(url, init, { ms, signal, late }, async (request) => {
    const response = await fetch(request)
    const text = await readText(response, MOST_BYTES)
    return text === null ? TOO_LONG : { status: response.status, text }
  })
  return answered.catch((error: unknown) => (error === LATE ? SILENT : unanswered(error)))
}

const LATE = new Error('No answer in time.')
const SILENT: Unanswered = { status: null, what: 'does not answer in time', facts: {} }
const TOO_LONG: Unanswered = { status: null, what: 'sent more than an answer may have', facts: {} }

const TRUST =
  'Check its certificate: name, dates, the whole chain, and that the authority is trusted here. Node and Lambda trust those in the file that NODE_EXTRA_CA_CERTS names too, Workers public ones only.'

function unanswered(thrown: unknown): Unanswered {
  if (thrown instanceof KeyringError) throw thrown
  const { step, what, reason } = unansweredBy(thrown)
  const mayBeTls = step === 'tls' || step === 'unknown'
  return { status: null, what, facts: { step, reason }, ...(mayBeTls && { remedy: TRUST }) }
}

/** An address is safe with `https`, or with plain http to loopback, and when nobody stands before an `@`. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  return username + password === '' && (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname)))
}
