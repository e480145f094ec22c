/**
 * A stand-in for Vault on 127.0.0.1: the part of its HTTP API that the project uses. It protects nothing: the token is known, the
 * data lies in a file. The same suite runs against it and against a real OpenBao.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { answerKv } from './kv.ts'
import type { KvAnswer } from './kv.ts'
import { append, newMount, newSecret } from './secrets.ts'
import type { Mounts } from './secrets.ts'

export const UNSEAL_KEY = 'dev-unseal-key'

export interface DevVaultOptions {
  /** 0 = any that is free. */
  readonly port: number
  /** `null` = in memory. */
  readonly dataFile: string | null
  readonly rootToken?: string
  /** Written when there is no data yet. */
  readonly seed?: { readonly mount: string; readonly path: string; readonly data: Readonly<Record<string, unknown>> }
}

export interface DevVault {
  readonly address: string
  close(): Promise<void>
}

/** Rejects with the server's own error, such as EADDRINUSE. */
export function startDevVault(options: DevVaultOptions): Promise<DevVault> {
  const app = devVaultApp(options)
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: options.port }, ({ port }) => {
      const close = () => new Promise<void>((done) => void server.close(() => done()))
      resolve({ address: `http://127.0.0.1:${port}`, close })
    })
    server.once('error', reject)
  })
}

class Vault {
  readonly mounts: Mounts
  sealed = false
  readonly #file: string | null

  constructor({ dataFile, seed }: DevVaultOptions) {
    this.#file = dataFile
    const isNew = dataFile === null || !existsSync(dataFile)
    this.mounts = isNew ? { secret: newMount('2') } : (JSON.parse(readFileSync(dataFile, 'utf8')) as Mounts)
    if (isNew && seed !== undefined)
      append(((this.mounts[seed.mount] ??= newMount('2')).secrets[seed.path] ??= newSecret()), seed.data)
    this.save()
  }

  save(): void {
    if (this.#file === null) return
    writeFileSync(`${this.#file}.new`, JSON.stringify(this.mounts), { mode: 0o600 })
    renameSync(`${this.#file}.new`, this.#file)
  }
}

function devVaultApp(options: DevVaultOptions): Hono {
  const vault = new Vault(options)
  const token = options.rootToken ?? 'root'
  const app = new Hono()
  app.get('/v1/sys/health', (context) => context.json(health(vault), vault.sealed ? 503 : 200))
  app.get('/v1/sys/seal-status', (context) =>
    context.json({
      type: 'shamir',
      initialized: true,
      sealed: vault.sealed,
      t: 1,
      n: 1,
      progress: 0,
      version: 'dev-vault',
    }),
  )
  app.on(['POST', 'PUT'], '/v1/sys/unseal', async (context) => unseal(vault, context))
  app.use('/v1/*', async (context, next) => {
    if (vault.sealed) return context.json({ errors: ['Vault is sealed'] }, 503)
    if (tokenOf(context) !== token) return context.json({ errors: ['permission denied'] }, 403)
    return next()
  })
  app.on(['POST', 'PUT'], '/v1/sys/seal', (context) => {
    vault.sealed = true
    return context.body(null, 204)
  })
  app.on(['POST', 'PUT'], '/v1/sys/mounts/:mount{.+}', async (context) => addMount(vault, context))
  app.get('/v1/sys/internal/ui/mounts/:path{.+}', (context) => showMount(vault, context))
  app.get('/v1/auth/token/lookup-self', (context) =>
    context.json(
      envelope({
        display_name: 'root',
        policies: ['root'],
        ttl: 0,
        expire_time: null,
        type: 'service',
        renewable: false,
        num_uses: 0,
      }),
    ),
  )
  app.all('/v1/:path{.+}', async (context) => answerSecret(vault, context))
  app.notFound((context) => context.json({ errors: [] }, 404))
  return app
}

const health = ({ sealed }: Vault) => ({
  initialized: true,
  sealed,
  standby: sealed,
  server_time_utc: Math.floor(Date.now() / 1000),
  version: 'dev-vault',
})

/** As Vault, whatever the media type says: curl -d sends a form's. `undefined` = no JSON. */
async function jsonBody(context: Context): Promise<unknown> {
  const text = await context.req.text()
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    return undefined
  }
}

async function unseal(vault: Vault, context: Context): Promise<Response> {
  const { key } = ((await jsonBody(context)) ?? {}) as { key?: unknown }
  if (key !== UNSEAL_KEY) return context.json({ errors: ["'key' must be a valid hex or base64 string"] }, 400)
  vault.sealed = false
  return context.json({ sealed: false, t: 1, n: 1, progress: 0 })
}

const tokenOf = (context: Context): string | undefined =>
  context.req.header('x-vault-token') ?? /^Bearer (.+)$/.exec(context.req.header('authorization') ?? '')?.[1]

async function addMount(vault: Vault, context: Context): Promise<Response> {
  const { options } = ((await jsonBody(context)) ?? {}) as { options?: { version?: string } }
  vault.mounts[context.req.param('mount') ?? ''] = newMount(options?.version === '2' ? '2' : '1')
  vault.save()
  return context.body(null, 204)
}

function showMount(vault: Vault, context: Context): Response {
  const asked = `${context.req.param('path')}/`
  const found = Object.entries(vault.mounts).find(([name]) => asked.startsWith(`${name}/`))
  if (found === undefined)
    return context.json(
      {
        errors: [
          `preflight capability check returned 403, please ensure client's policies grant access to path "${asked}"`,
        ],
      },
      403,
    )
  const [path, { version }] = found
  return context.json(envelope({ path: `${path}/`, type: 'kv', options: { version } }))
}

async function answerSecret(vault: Vault, context: Context): Promise<Response> {
  const path = context.req.param('path') ?? ''
  const body = context.req.method === 'GET' ? {} : await jsonBody(context)
  if (body === undefined)
    return context.json(
      { errors: ['failed to decode JSON input: invalid character looking for beginning of value'] },
      400,
    )
  const answer = answerKv(vault.mounts, {
    method: context.req.method,
    path,
    query: new URL(context.req.url).searchParams,
    body,
  })
  if (answer === null) return context.json({ errors: [`no handler for route "${path}". route entry not found.`] }, 404)
  if (context.req.method !== 'GET') vault.save()
  return reply(context, answer)
}

function reply(context: Context, { status, data, errors }: KvAnswer): Response {
  if (status === 204) return context.body(null, 204)
  return context.json(errors === undefined ? envelope(data) : { errors }, status as ContentfulStatusCode)
}

const envelope = (data: unknown) => ({
  request_id: crypto.randomUUID(),
  lease_id: '',
  renewable: false,
  lease_duration: 0,
  data,
  wrap_info: null,
  warnings: null,
  auth: null,
})
