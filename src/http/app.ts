/** The Hono app: from a request to who asks, whether they may, and the keyring that answers; every error becomes one problem document. */
import type { Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { HonoBase } from 'hono/hono-base'
import { TrieRouter } from 'hono/router/trie-router'
import type { Authenticate, Caller } from '../auth/tokens.ts'
import { presentedToken } from '../auth/tokens.ts'
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import { KeyringError } from '../core/errors.ts'
import { KEYRING_NAME, MAX_REQUEST_BODY_BYTES } from '../core/limits.ts'
import type { Audit, Clock } from '../core/ports.ts'
import type { Keyring } from '../keyring/keyring.ts'
import { cutOff, refuseBody } from './body.ts'
import type { Route } from './call.ts'
import { Call, Trail, requireGrant, unauthenticated } from './call.ts'
import { problem } from './problem.ts'
import type { Reply } from './reply.ts'
import { respond } from './reply.ts'
import { ROUTES } from './routes.ts'

export interface HttpParts {
  readonly authenticate: Authenticate
  /** @throws `ERR_KEYRING_NOT_FOUND`. */
  readonly keyring: (name: string) => Awaitable<Keyring>
  readonly audit: Audit
  readonly clock: Clock
  /** Is told of every error that is no KeyringError: a defect, or a platform that broke. */
  readonly onDefect: (error: unknown, request: string) => void
}

const DEFAULT_KEYRING = 'default'

export function createHttp(parts: HttpParts): Hono {
  const app: Hono = new HonoBase({ router: new TrieRouter() })
  for (const route of ROUTES) app.on(route.method, route.path, (context) => serve(parts, route, context))
  app.notFound((context) => refuse(parts, context, methodsOf(app, context.req.path)))
  app.onError((error, context) => answer(parts, context, error, trailOf(parts, context, methodOf(context))))
  return app
}

/** There is no promise as far as nothing waits, because node-server answers such a response at once. Nothing of a body is awaited for those who may not send one. */
function serve(parts: HttpParts, route: Route, context: Context): Awaitable<Response> {
  const name = context.req.param('name') ?? DEFAULT_KEYRING
  const trail = trailOf(parts, context, route.action, KEYRING_NAME.test(name) ? name : null)
  const fail = (error: unknown) => answer(parts, context, error, trail)
  try {
    const response = andThen(admit(parts, route, context, trail, name), (caller) =>
      andThen(parts.keyring(name), (keyring) => {
        const call = new Call(context, keyring, caller, trail)
        return andThen(
          andThen(limitBody(route, context), () => route.handle(call)),
          (reply) => finish(route, call, trail, reply),
        )
      }),
    )
    return response instanceof Promise ? response.catch(fail) : response
  } catch (error) {
    // As Hono does where there is no route: how soon an answer comes would tell them apart.
    return Promise.resolve(fail(error))
  }
}

function admit(
  parts: HttpParts,
  { action }: Route,
  context: Context,
  trail: Trail,
  keyring: string,
): Awaitable<Caller | null> {
  if (action === 'open') return null
  return andThen(authenticate(parts, context, trail), (caller) => {
    requireGrant(caller, action, keyring)
    return caller
  })
}

/** What ends is for those with a credential. */
function finish({ action }: Route, { keyring }: Call, trail: Trail, reply: Reply): Response {
  if (action !== 'open') trail.end(null)
  const ending = action === 'open' ? null : keyring.ending
  const warning = keyring.warning ?? (ending && `${ending.what};days=${ending.days}`)
  return respond(warning === null ? reply : { ...reply, headers: { ...reply.headers, 'keyring-warning': warning } })
}

function authenticate(parts: HttpParts, context: Context, trail: Trail): Awaitable<Caller | null> {
  const presented = presentedToken({
    authorization: context.req.header('authorization'),
    kongAdminToken: context.req.header('kong-admin-token'),
  })
  return andThen(parts.authenticate(presented), (caller) => {
    trail.caller = caller?.name ?? null
    return caller
  })
}

function trailOf(parts: HttpParts, context: Context, action: string, keyring: string | null = null): Trail {
  return new Trail(parts.audit, parts.clock, requestId(context), action, keyring)
}

/** Of a request that meets no route: Lambda lets any word through as a method. */
const methodOf = ({ req }: Context): string => (/^[A-Z]{1,16}$/.test(req.method) ? req.method : 'unknown')

/** A caller's id is taken over when it is harmless in a log. */
function requestId(context: Context): string {
  const given = context.req.header('x-request-id')
  return given !== undefined && /^[\w.-]{1,64}$/.test(given) ? given : crypto.randomUUID()
}

function answer(
  parts: HttpParts,
  context: Context,
  error: unknown,
  trail: Trail,
  headers: Record<string, string> = {},
): Response {
  const known = error instanceof KeyringError ? error : new KeyringError('ERR_INTERNAL', 'Something went wrong here.')
  if (known !== error) parts.onDefect(error, trail.request)
  trail.end(known.code)
  return respond(problem(context.req.path, known, trail.request, headers))
}

const countBody = bodyLimit({ maxSize: MAX_REQUEST_BODY_BYTES, onError: refuseBody })

/**
 * The platform holds a body to its length; only a body without one needs to be counted as it comes. What is no length is none.
 * Counting is no step of Hono's own, because that joins several by promises: a twentieth of an encrypt on Workers.
 */
function limitBody({ method }: Route, context: Context): Awaitable<unknown> {
  const length = context.req.header('content-length') ?? ''
  const isSmall =
    /^\d{1,15}$/.test(length) &&
    Number(length) <= MAX_REQUEST_BODY_BYTES &&
    context.req.header('transfer-encoding') === undefined
  return method === 'GET' || isSmall ? null : countBody(context, async () => {}).catch(cutOff)
}

/** The methods that a path has; this is asked only when no route was found. */
const methodsOf = ({ router }: Hono, path: string): readonly string[] =>
  ['GET', 'POST'].flatMap((method) =>
    router.match(method, path)[0].length === 0 ? [] : method === 'GET' ? ['GET', 'HEAD'] : [method],
  )

/** Without a credential nobody learns which paths there are, nor by how soon the answer comes. */
function refuse(parts: HttpParts, context: Context, methods: readonly string[]): Awaitable<Response> {
  const trail = trailOf(parts, context, methodOf(context))
  return andThen(authenticate(parts, context, trail), (caller) => {
    if (caller === null) return answer(parts, context, unauthenticated(), trail)
    return methods.length === 0
      ? answer(parts, context, new KeyringError('ERR_ROUTE_NOT_FOUND', 'There is nothing at this path.'), trail)
      : answer(parts, context, new KeyringError('ERR_METHOD_NOT_ALLOWED', 'This path has other methods.'), trail, {
          allow: methods.join(', '),
        })
  })
}
