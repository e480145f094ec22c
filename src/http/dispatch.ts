/** What a platform calls: a request becomes what is asked, at a path as Hono reads it. */
import { getPath } from 'hono/utils/url'
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'

export interface Http {
  readonly fetch: (request: Request) => Awaitable<Response>
}

/** HEAD asks as GET does, and `request` still has it. */
export interface Asked {
  readonly request: Request
  readonly method: string
  readonly path: string
}

export const httpOf = (answer: (asked: Asked) => Awaitable<Response>): Http => ({
  fetch(request) {
    const isHead = request.method === 'HEAD'
    const response = answer({ request, method: isHead ? 'GET' : request.method, path: getPath(request) })
    return isHead ? andThen(response, (full) => new Response(null, full)) : response
  },
})
