/** Requests of a login to others than Vault: bounded in time and size, no redirects, and no text of theirs is passed on. */
import { readText } from '../../core/body.ts'
import { isLoopback } from '../../core/loopback.ts'
import { Sending } from '../../core/sending.ts'
import type { LoginParts } from './method.ts'

type Outside = Pick<LoginParts, 'clock' | 'fetch'>

export interface OutsideAnswer {
  readonly status: number
  readonly text: string
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

/** `null` = no answer: unreachable, too slow, too long. Nothing is repeated. */
export async function askOutside(
  { clock, fetch }: Outside,
  { url, timeoutMs = TIMEOUT_MS, ...init }: OutsideRequest,
  signal: AbortSignal,
): Promise<OutsideAnswer | null> {
  if (signal.aborted) return null
  const sending = new Sending(url, init)
  const stop = () => sending.stop()
  const settled = new AbortController()
  clock.sleep(timeoutMs, settled.signal).then(stop, () => {})
  signal.addEventListener('abort', stop)
  try {
    const response = await fetch(sending.request)
    const text = await readText(response, MOST_BYTES)
    return text === null ? null : { status: response.status, text }
  } catch {
    return null
  } finally {
    settled.abort()
    signal.removeEventListener('abort', stop)
  }
}

/** `https`, or plain http to loopback; nobody before an `@`. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  return username + password === '' && (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname)))
}
