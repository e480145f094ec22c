/** The HTTP app: from a request to who asks, whether they may, and the keyring that answers; every error becomes one problem document. */
import { PatternRouter } from 'hono/router/pattern-router'
import type { Authenticate, Caller } from '../auth/tokens.ts'
import { presentedToken } from '../auth/tokens.ts'
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import { KeyringError, teach } from '../core/errors.ts'
import { KEYRING_NAME } from '../core/limits.ts'
import type { Audit, Clock } from '../core/ports.ts'
import { SERVICE_REMEDIES } from '../core/service-remedies.ts'
import type { Keyring } from '../keyring/keyring.ts'
import type { Context, KeyringRoute, RareHandlers, Route, VaultRoute, Vaults } from './call.ts'
import { Call, Trail, requireGrant, unauthenticated } from './call.ts'
import type { Http } from './dispatch.ts'
import { httpOf } from './dispatch.ts'
import { problem } from './problem.ts'
import { nextId } from './request-id.ts'
import type { Reply } from './reply.ts'
import { respond } from './reply.ts'
import { ROUTES, VAULT_ROUTES } from './routes.ts'

teach(SERVICE_REMEDIES)

export interface HttpParts {
  readonly authenticate: Authenticate
  /** @throws `ERR_KEYRING_NOT_FOUND`. */
  readonly keyring: (name: string) => Awaitable<Keyring>
  readonly vaults: Vaults
  readonly audit: Audit
  readonly clock: Clock
  /** `rare-routes.ts`, at once or when it is needed. */
  readonly loadRoutes: () => Awaitable<RareHandlers>
  /** Is told of every error that is no KeyringError: a defect, or a platform that broke. */
  readonly onDefect: (error: unknown, request: string) => void
}

const DEFAULT_KEYRING = 'default'
/** Those that routes have; the router takes the name of what every object has for one too. */
const METHODS: readonly string[] = ['GET', 'POST'] satisfies Route['method'][]

type Match = (method: string, path: string) => ReturnType<PatternRouter<Route>['match']>[0]
/** What most requests are for, found at once: Hono's router looks at one route after the other. */
const USE = /^\/keyrings\/([^/]+)\/(encrypt|decrypt|rewrap)$/

/** To the router a slash at the end is nothing; the one path that has it is Kong's. */
const isOpenEnded = (path: string): boolean => path.endsWith('/') && path !== '/keyring/'

export function createHttp(parts: HttpParts): Http {
  const router = new PatternRouter<Route>()
  for (const route of [...ROUTES, ...VAULT_ROUTES]) router.add(route.method, route.path, route)
  const match: Match = (method, path) => (isOpenEnded(path) ? [] : router.match(method, path)[0])
  const uses = new Map(ROUTES.map((route) => [route.path.replace('/keyrings/:name/', ''), route]))
  return httpOf(({ request, method, path }) => {
    const [, used, use = ''] = (method === 'POST' && USE.exec(path)) || []
    const usedRoute = uses.get(use)
    if (used !== undefined && usedRoute !== undefined) return serve(parts, usedRoute, { request, path, name: used })
    const [found] = METHODS.includes(method) ? match(method, path) : []
    if (found === undefined) return refuse(parts, { request, path, name: '' }, methodsOf(match, path))
    const [route, params] = found
    const { name = 'handle' in route ? DEFAULT_KEYRING : '' } = params
    return serve(parts, route, { request, path, name: String(name) })
  })
}

/** There is no promise as far as nothing waits, because node-server answers such a response at once. Nothing of a body is awaited for those who may not send one. */
function serve(parts: HttpParts, route: Route, context: Context): Awaitable<Response> {
  const { name } = context
  const trail = trailOf(parts, context, route.action, 'handle' in route && KEYRING_NAME.test(name) ? name : null)
  const fail = (error: unknown) => answer(parts, context, error, trail)
  try {
    const response = andThen(admit(parts, route, context, trail), (caller) =>
      'answer' in route
        ? ofVaults(parts, route, context, caller, trail)
        : andThen(parts.keyring(name), (keyring) => {
            const call = new Call(context, keyring, caller, trail, parts.vaults)
            return andThen(handled(parts, route, call), (reply) => finish(route, call, trail, reply))
          }),
    )
    return response instanceof Promise ? response.catch(fail) : response
  } catch (error) {
    // As where there is no route: how soon an answer comes would tell them apart.
    return Promise.resolve(fail(error))
  }
}

function handled({ loadRoutes }: HttpParts, { handle }: KeyringRoute, call: Call): Awaitable<Reply> {
  return typeof handle === 'string' ? andThen(loadRoutes(), ({ keyring }) => keyring[handle](call)) : handle(call)
}

function ofVaults(
  { vaults, clock, loadRoutes }: HttpParts,
  route: VaultRoute,
  context: Context,
  caller: Caller | null,
  trail: Trail,
): Awaitable<Response> {
  const call = {
    ...vaults,
    context,
    grants: caller?.grants ?? new Set<string>(),
    caller: caller?.name ?? '',
    now: clock.now(),
    asks: (facts: Trail['facts']) => void (trail.facts = facts),
    resolved: (all: Trail['outcomes']) => void (trail.outcomes = all),
    begin: () => trail.begin(),
  }
  const reply = andThen(loadRoutes(), (rare) => rare.vaults[route.answer](call))
  return andThen(reply, (reply) => {
    trail.end(null)
    return respond(reply)
  })
}

function admit(parts: HttpParts, route: Route, context: Context, trail: Trail): Awaitable<Caller | null> {
  const { action } = route
  if (action === 'open') return null
  return andThen(authenticate(parts, context, trail), (caller) => {
    requireGrant(caller, action, 'handle' in route ? context.name : null)
    return caller
  })
}

/** What ends is for those with a credential. */
function finish({ action }: KeyringRoute, { keyring }: Call, trail: Trail, reply: Reply): Response {
  if (action !== 'open') trail.end(null)
  const ending = action === 'open' ? null : keyring.ending
  const warning = keyring.warning ?? (ending && `${ending.end.what};days=${ending.days}`)
  return respond(warning === null ? reply : { ...reply, headers: { ...reply.headers, 'keyring-warning': warning } })
}

function authenticate(parts: HttpParts, { request: { headers } }: Context, trail: Trail): Awaitable<Caller | null> {
  const presented = presentedToken({
    authorization: headers.get('authorization') ?? undefined,
    kongAdminToken: headers.get('kong-admin-token') ?? undefined,
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
const methodOf = ({ request: { method } }: Context): string => (/^[A-Z]{1,16}$/.test(method) ? method : 'unknown')

/** A caller's id is taken over when it is harmless in a log. */
function requestId({ request }: Context): string {
  const given = request.headers.get('x-request-id')
  return given !== null && /^[\w.-]{1,64}$/.test(given) ? given : nextId()
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
  return respond(problem(context.path, known, trail.request, headers))
}

/** The methods that a path has; this is asked only when no route was found. */
const methodsOf = (match: Match, path: string): readonly string[] =>
  METHODS.flatMap((method) => (match(method, path).length === 0 ? [] : method === 'GET' ? ['GET', 'HEAD'] : [method]))

/** Without a credential nobody learns which paths there are, nor by how soon the answer comes. */
async function refuse(parts: HttpParts, context: Context, methods: readonly string[]): Promise<Response> {
  const trail = trailOf(parts, context, methodOf(context))
  try {
    if ((await authenticate(parts, context, trail)) === null) return answer(parts, context, unauthenticated(), trail)
    return methods.length === 0
      ? answer(parts, context, new KeyringError('ERR_ROUTE_NOT_FOUND', 'There is nothing at this path.'), trail)
      : answer(parts, context, new KeyringError('ERR_METHOD_NOT_ALLOWED', 'This path has other methods.'), trail, {
          allow: methods.join(', '),
        })
  } catch (error) {
    return answer(parts, context, error, trail)
  }
}
