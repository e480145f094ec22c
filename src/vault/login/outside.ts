/** Requests of a login to others than Vault: they are bounded in time and size, follow no redirects, and pass on no text of theirs. */
import { readText } from '../../core/body.ts'
import { exchange } from '../../core/deadline.ts'
import { isLoopback } from '../../core/loopback.ts'
import type { LoginParts } from './method.ts'

export interface OutsideAnswer {
  readonly status: number
  readonly text: string
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

/** `null` = there is no answer: the other side is unreachable, or its answer too slow or too long. Nothing is repeated. */
export async function askOutside(
  { fetch }: Pick<LoginParts, 'fetch'>,
  { url, timeoutMs: ms = TIMEOUT_MS, ...init }: OutsideRequest,
  signal: AbortSignal,
): Promise<OutsideAnswer | null> {
  const late = () => new Error('No answer in time.')
  const answered = exchange(url, init, { ms, signal, late }, async (request) => {
    const response = await fetch(request)
    const text = await readText(response, MOST_BYTES)
    return text === null ? null : { status: response.status, text }
  })
  return answered.catch(() => null)
}

/** An address is safe with `https`, or with plain http to loopback, and when nobody stands before an `@`. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  return username + password === '' && (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname)))
}
