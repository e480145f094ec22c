/** Requests of a login to others than Vault: bounded in time and size, no redirects, and no text of theirs is passed on. */
import { concat, decodeUtf8 } from '../../core/bytes.ts'
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
export async function ask(
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
    return { status: response.status, text: await bounded(response) }
  } catch {
    return null
  } finally {
    settled.abort()
    signal.removeEventListener('abort', stop)
  }
}

async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MOST_BYTES) throw new RangeError('The answer is too long.')
    chunks.push(chunk)
  }
  return decodeUtf8(concat(...chunks)) ?? ''
}

/** `undefined` = not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** `https`, or plain http to loopback; nobody before an `@`. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
  return username + password === '' && (protocol === 'https:' || (protocol === 'http:' && isLoopback))
}
