/** The dev Vault over HTTP: the paths of Vault's API, what seal, token and policy let through, and the envelope of an answer. */
import { Hono } from 'hono'
import type { Context, Next } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Token } from './access.ts'
import { capabilityOf } from './access.ts'
import type { VaultAnswer, VaultRequest } from './answer.ts'
import { DENIED, DONE, NOTHING, SEALED, UNKNOWN_TOKEN, refused } from './answer.ts'
import { answerKv } from './kv.ts'
import { addLogin, answerAuth, isLogin } from './logins.ts'
import type { State } from './state.ts'
import * as system from './system.ts'
import * as tokens from './tokens.ts'

type Handler = (state: State, request: VaultRequest) => VaultAnswer

/** Vault makes no difference between POST and PUT. */
const WRITE = ['POST', 'PUT']
const UNSUPPORTED: VaultAnswer = { status: 404, errors: ['1 error occurred:\n\t* unsupported path\n\n'] }

export function devVaultApp(state: State): Hono {
  const app = new Hono()
  const on = (methods: string[], path: string, handler: Handler) =>
    app.on(methods, `/v1/${path}`, async (context) => reply(context, handler(state, await readRequest(context))))
  const saved =
    (handler: Handler): Handler =>
    (state, request) => {
      const answer = handler(state, request)
      if (request.method !== 'GET') state.save()
      return answer
    }
  app.use(refuseOddTargets)
  on(['GET'], 'sys/health', system.health)
  on(['GET'], 'sys/seal-status', system.sealStatus)
  on(WRITE, 'sys/unseal', system.unseal)
  app.use('/v1/*', (context, next) => guard(state, context, next))
  on(WRITE, 'sys/seal', system.seal)
  on(WRITE, 'sys/mounts/*', saved(system.addMount))
  on(['DELETE'], 'sys/mounts/*', saved(system.removeMount))
  on(['GET'], 'sys/internal/ui/mounts/*', system.showMount)
  on(WRITE, 'sys/policies/acl/*', system.setPolicy)
  on(WRITE, 'sys/capabilities-self', system.capabilitiesSelf)
  on(WRITE, 'sys/auth/*', addLogin)
  on(WRITE, 'auth/token/create', tokens.createToken)
  on(['GET'], 'auth/token/lookup-self', tokens.lookupSelf)
  on(WRITE, 'auth/token/renew-self', tokens.renewSelf)
  on(WRITE, 'auth/token/revoke-self', tokens.revokeSelf)
  on(['GET', ...WRITE], 'auth/*', answerAuth)
  on(['GET', 'DELETE', ...WRITE], 'sys/*', () => UNSUPPORTED)
  on(
    ['GET', 'DELETE', ...WRITE],
    '*',
    saved((state, request) => answerKv(state.mounts, request)),
  )
  app.notFound((context) => reply(context, NOTHING))
  app.onError((error, context) => reply(context, fromThrown(error)))
  return app
}

/** A page that a browser has open could reach this port under a host name of its own; the root token is no secret. */
const HOSTS: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost'])

async function refuseOddTargets(context: Context, next: Next): Promise<Response | void> {
  const { hostname, pathname } = new URL(context.req.url)
  if (!HOSTS.has(hostname)) return reply(context, UNKNOWN_TOKEN)
  if (pathname.includes('//')) return context.redirect(pathname.replace(/\/{2,}/g, '/'), 307)
  if (decodeURIComponent(pathname).split('/').includes('..'))
    return reply(context, refused('relative paths not supported'))
  return next()
}

/** What a token may see of a mount is decided by the mount's own path. */
async function guard({ sealed, access, logins }: State, context: Context, next: Next): Promise<Response | void> {
  if (sealed) return reply(context, context.req.path === '/v1/sys/seal' ? DONE : SEALED)
  const path = vaultPath(context)
  if (isLogin(logins, path)) return next()
  const token = access.token(tokenOf(context))
  if (token === null) return reply(context, UNKNOWN_TOKEN)
  context.set('caller', token)
  access.count(token)
  const capability = capabilityOf(context.req.method, new URL(context.req.url).searchParams)
  if (!path.startsWith('sys/internal/ui/mounts/') && !access.allows(token, capability, path))
    return reply(context, DENIED)
  return next()
}

/** A body is read as JSON whatever its media type says, because `curl -d` sends a form's. */
async function readRequest(context: Context): Promise<VaultRequest> {
  const { method, url } = context.req
  const text = await context.req.text()
  const body: unknown = text === '' ? {} : JSON.parse(text)
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new SyntaxError('not an object')
  return {
    method: method === 'HEAD' ? 'GET' : method,
    path: vaultPath(context),
    query: new URL(url).searchParams,
    body: body as VaultRequest['body'],
    caller: (context.get('caller') as Token | undefined) ?? null,
  }
}

const vaultPath = ({ req }: Context): string => decodeURIComponent(new URL(req.url).pathname).slice('/v1/'.length)

const tokenOf = ({ req }: Context): string =>
  req.header('x-vault-token') ?? /^Bearer (.+)$/.exec(req.header('authorization') ?? '')?.[1] ?? ''

function fromThrown(error: Error): VaultAnswer {
  if (error instanceof SyntaxError) return refused('failed to decode JSON input: invalid character')
  if (error instanceof URIError) return refused('invalid URL escape')
  return { status: 500, errors: [`internal error: ${error.name}`] }
}

function reply(context: Context, answer: VaultAnswer): Response {
  context.header('cache-control', 'no-store')
  if (answer.status === 204) return context.body(null, 204)
  const { errors } = answer
  return context.json(answer.bare ?? (errors ? { errors } : envelope(answer)), answer.status as ContentfulStatusCode)
}

const envelope = ({ data, auth, warnings, leaseSeconds }: VaultAnswer) => ({
  request_id: crypto.randomUUID(),
  lease_id: '',
  renewable: false,
  lease_duration: leaseSeconds ?? 0,
  data: data ?? null,
  wrap_info: null,
  warnings: warnings ?? null,
  auth: auth ?? null,
})
