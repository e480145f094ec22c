/** Requests of a login to others than Vault: bounded in time and size, no redirects, and no text of theirs is passed on. */
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
  /** Milliseconds. */
  readonly timeoutMs?: number
}

/** A token with many claims has some KiB. */
const MOST_BYTES = 256 * 1024
const TIMEOUT_MS = 5000

/** `null` = no answer: unreachable, too slow, too long. Nothing is repeated. */
export async function ask(
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

/** `https`, or plain http to loopback; nobody before an `@`. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  return username + password === '' && (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname)))
}
