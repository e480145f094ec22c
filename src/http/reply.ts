/** What a handler answers, as plain data, and the one place that makes a Response of it. */
import type { Bytes } from '../core/bytes.ts'

export interface Reply {
  /** 200 unless set. */
  readonly status?: number
  /** Bytes go out as they are; `null` = no body. */
  readonly body: object | null
  readonly headers?: Readonly<Record<string, string>>
}

const BARE = { 'cache-control': 'no-store' }
const JSON_HEADERS = { 'content-type': 'application/json', ...BARE }

/** Headers go in as a plain object: a Headers object costs more than all the rest of a short answer on Node. */
export function respond({ status = 200, body, headers }: Reply): Response {
  const base = body === null ? BARE : JSON_HEADERS
  return new Response(body instanceof Uint8Array ? (body as Bytes) : body && JSON.stringify(body), {
    status,
    headers: headers === undefined ? base : { ...base, ...headers },
  })
}
