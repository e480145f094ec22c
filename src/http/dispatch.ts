/** What a platform calls: a request becomes what is asked, at a path as Hono reads it. */
import { getPath } from 'hono/utils/url'
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'

/** What is read of a request, so that a platform may give it without making one. */
export interface Incoming extends Pick<Request, 'method' | 'url' | 'body'> {
  readonly bytes: () => Promise<Uint8Array>
  readonly headers: Pick<Headers, 'get' | 'has'>
}

export interface Http {
  readonly fetch: (request: Incoming) => Awaitable<Response>
}

/** HEAD asks as GET does, and `request` still has it. */
export interface Asked {
  readonly request: Incoming
  readonly method: string
  readonly path: string
}

export const httpOf = (answer: (asked: Asked) => Awaitable<Response>): Http => ({
  fetch(request) {
    const isHead = request.method === 'HEAD'
    const response = answer({ request, method: isHead ? 'GET' : request.method, path: getPath(request as Request) })
    return isHead ? andThen(response, (full) => new Response(null, full)) : response
  },
})
