/** For tests: Vaults to run against, a client to prepare them with, and a proxy that spoils their answers. */
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inject } from 'vitest'
import { UNSEAL_KEY, startDevVault } from '../../functions/dev-vault/server.ts'
import { startOpenBao } from '../vault/openbao.ts'

export interface VaultServer {
  readonly address: string
  readonly token: string
  readonly unsealKey: string
  readonly close: () => Promise<void>
}

export interface VaultTarget {
  readonly name: string
  /** False = not to be had on this machine: `describe.skipIf(!target.isAvailable)`. */
  readonly isAvailable: boolean
  /** A server of the caller's own, empty and in memory. An OpenBao takes about 0.4 s. */
  readonly open: () => Promise<VaultServer>
}

/** The dev Vault and, in suites of the project `vault`, a real OpenBao. */
export function vaultTargets(): readonly [VaultTarget, VaultTarget] {
  const shared = inject('openbao') ?? null
  const open = () => (shared === null ? Promise.reject(new Error('There is no OpenBao.')) : startOpenBao(shared.binary))
  return [
    { name: 'dev Vault', isAvailable: true, open: openDevVault },
    { name: 'OpenBao', isAvailable: shared !== null, open },
  ]
}

async function openDevVault(): Promise<VaultServer> {
  const { address, close } = await startDevVault({ port: 0, dataFile: null })
  return { address, close, token: 'root', unsealKey: UNSEAL_KEY }
}

interface VaultAnswer {
  readonly status: number
  readonly headers: Headers
  /** Parsed if it is JSON, else the text. */
  readonly body: unknown
}

interface RequestOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** `null` = none is sent. */
  readonly token?: string | null
}

/** Paths are those of secrets below the client's mount. All but `request` throw when Vault refuses. */
export interface VaultClient {
  /** Any path below /v1/; redirects are not followed, refusals are answers. */
  request(method: string, path: string, options?: RequestOptions): Promise<VaultAnswer>
  /** @returns the number of the new version. */
  write(path: string, data: Readonly<Record<string, unknown>>, cas?: number): Promise<number>
  /** Deletes versions; without any the current one. They can be undeleted. */
  remove(path: string, ...versions: number[]): Promise<void>
  undelete(path: string, ...versions: number[]): Promise<void>
  destroy(path: string, ...versions: number[]): Promise<void>
  /** The secret with all its versions goes; the next write makes another one of that name. */
  deleteMetadata(path: string): Promise<void>
  metadata(path: string): Promise<KvMetadata>
  /** Sets `max_versions`, `delete_version_after`, `cas_required`. */
  configure(path: string, settings: Readonly<Record<string, unknown>>): Promise<void>
  /** Makes a KV mount. @returns a client for it. */
  mount(path: string, version?: 1 | 2): Promise<VaultClient>
  /** @returns a new token that may do what the policy says, in Vault's language for policies. */
  tokenFor(policy: string): Promise<string>
  seal(): Promise<void>
  unseal(key: string): Promise<void>
}

/** @param mount of KV version 2; of version 1 only `request` is of use. @param namespace '' = none. */
export function vaultClient(address: string, token: string, mount = 'secret', namespace = ''): VaultClient {
  const inNamespace = namespace === '' ? {} : { 'x-vault-namespace': namespace }
  const request: VaultClient['request'] = (method, path, { headers = {}, ...options } = {}) =>
    ask(`${address}/v1/${path}`, method, { token, headers: { ...inNamespace, ...headers }, ...options })
  const must = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await request(method, path, { body })
    if (answer.status < 300) return answer.body as T
    throw new Error(`${method} ${path} answered ${answer.status} ${JSON.stringify(answer.body)}`)
  }
  const mark = (how: string, path: string, versions: number[]) =>
    must<void>('POST', `${mount}/${how}/${path}`, { versions })
  return {
    request,
    async write(path, data, cas) {
      const body = { data, ...(cas !== undefined && { options: { cas } }) }
      return (await must<{ data: { version: number } }>('POST', `${mount}/data/${path}`, body)).data.version
    },
    remove: (path, ...versions) =>
      versions.length === 0 ? must('DELETE', `${mount}/data/${path}`) : mark('delete', path, versions),
    undelete: (path, ...versions) => mark('undelete', path, versions),
    destroy: (path, ...versions) => mark('destroy', path, versions),
    deleteMetadata: (path) => must('DELETE', `${mount}/metadata/${path}`),
    metadata: async (path) => (await must<{ data: KvMetadata }>('GET', `${mount}/metadata/${path}`)).data,
    configure: (path, settings) => must('POST', `${mount}/metadata/${path}`, settings),
    async mount(path, version = 2) {
      await must('POST', `sys/mounts/${path}`, { type: 'kv', options: { version: String(version) } })
      if (version === 2) await untilUpgraded(() => request('GET', `${path}/metadata/none`))
      return vaultClient(address, token, path, namespace)
    },
    async tokenFor(policy) {
      const name = `policy-${crypto.randomUUID()}`
      await must('POST', `sys/policies/acl/${name}`, { policy })
      const body = { policies: [name] }
      return (await must<{ auth: { client_token: string } }>('POST', 'auth/token/create', body)).auth.client_token
    },
    seal: () => must('PUT', 'sys/seal'),
    unseal: (key) => must('PUT', 'sys/unseal', { key }),
  }
}

async function ask(url: string, method: string, { body, headers, token = null }: RequestOptions): Promise<VaultAnswer> {
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    headers: { ...(token !== null && { 'x-vault-token': token }), ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return { status: response.status, headers: response.headers, body: parsed(await response.text()) }
}

interface KvMetadata {
  readonly created_time: string
  readonly current_version: number
  readonly oldest_version: number
  readonly versions: Readonly<Record<string, { created_time: string; deletion_time: string; destroyed: boolean }>>
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** A new version 2 mount of OpenBao answers 400 for some milliseconds. */
async function untilUpgraded(ask: () => Promise<VaultAnswer>): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) if ((await ask()).status === 404) return
  throw new Error('The mount did not come up.')
}

export type Fault =
  /** An answer of the proxy's own; Vault is not asked. */
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** No answer until the client gives up or the proxy is closed. */
  | 'hang'
  /** The connection is cut. */
  | 'cut'
  /** The last good answer to the same method and path, as of a standby that lags behind; without one Vault is asked. */
  | 'replay'
  /** Vault carries it out, and the answer gets lost. */
  | 'lose'

interface SeenRequest {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

export interface FaultyProxy {
  readonly address: string
  /** All requests so far, in order; emptied with `seen.length = 0`. */
  readonly seen: SeenRequest[]
  /** The most requests that were unanswered at one time. */
  readonly mostAtOnce: number
  /** Where requests go; set it to stand for another Vault behind the same name. */
  target: string
  /**
   * From now on requests that match get the fault, `times` of them (all unless set). Faults are tried in order; the first that fits wins.
   * @param match part of the path, or a pattern for `METHOD /v1/path?query`.
   */
  spoil(match: string | RegExp, fault: Fault, times?: number): void
  /** Forgets all faults. */
  heal(): void
  close(): Promise<void>
}

export const FAULTS = {
  rateLimited: (retryAfter?: string): Fault => ({
    status: 429,
    headers: { 'content-type': 'application/json', ...(retryAfter !== undefined && { 'retry-after': retryAfter }) },
    body: JSON.stringify({ errors: ['request path "secret/data/x": rate limit quota exceeded'] }),
  }),
  /** Go's answer to plain HTTP on a TLS port. */
  plainHttpToTls: { status: 400, body: 'Client sent an HTTP request to an HTTPS server.\n' } satisfies Fault,
  /** Of a proxy or a captive portal. */
  html: {
    status: 200,
    headers: { 'content-type': 'text/html' },
    body: '<html><body>Welcome</body></html>',
  } satisfies Fault,
  /** Of a load balancer. */
  page: (status: number): Fault => ({
    status,
    headers: { 'content-type': 'text/html' },
    body: `<html><head><title>${status}</title></head><body><center><h1>${status}</h1></center><hr>nginx</body></html>`,
  }),
  cutOffJson: { status: 200, headers: { 'content-type': 'application/json' }, body: '{"data":{"cre' } satisfies Fault,
  redirect: (location: string): Fault => ({ status: 307, headers: { location } }),
  error: (status: number, ...errors: string[]): Fault => ({
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ errors }),
  }),
}

interface Spoiled {
  readonly match: string | RegExp
  readonly fault: Fault
  times: number
}

interface GoodAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

class Proxy implements FaultyProxy {
  readonly seen: SeenRequest[] = []
  mostAtOnce = 0
  target: string
  address = ''
  readonly #server: Server
  readonly #good = new Map<string, GoodAnswer>()
  #spoiled: Spoiled[] = []
  #open = 0

  constructor(target: string) {
    this.target = target
    this.#server = createServer((incoming, outgoing) => this.#answer(incoming, outgoing))
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.address = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  spoil(match: string | RegExp, fault: Fault, times = Infinity): void {
    this.#spoiled.push({ match, fault, times })
  }

  heal(): void {
    this.#spoiled = []
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  #answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method = 'GET', url: path = '/', headers } = incoming
    this.seen.push({ method, path, headers })
    this.#open += 1
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#open)
    outgoing.once('close', () => (this.#open -= 1))
    const line = `${method} ${path}`
    const fault = this.#faultFor(line)
    if (fault === 'hang') return
    if (fault === 'cut') outgoing.destroy()
    else if (typeof fault === 'object') outgoing.writeHead(fault.status, fault.headers).end(fault.body)
    else if (fault === 'replay' && this.#replay(line, outgoing)) return
    else this.#forward(line, incoming, outgoing, fault === 'lose')
  }

  #faultFor(line: string): Fault | undefined {
    const spoiled = this.#spoiled.find(({ match, times }) => times > 0 && fits(match, line))
    if (spoiled !== undefined) spoiled.times -= 1
    return spoiled?.fault
  }

  #replay(line: string, outgoing: ServerResponse): boolean {
    const good = this.#good.get(line)
    if (good !== undefined) outgoing.writeHead(good.status, good.headers).end(good.body)
    return good !== undefined
  }

  #forward(line: string, incoming: IncomingMessage, outgoing: ServerResponse, loses: boolean): void {
    const { method, headers, url = '/' } = incoming
    const onward = httpRequest(new URL(this.target + url), { method, headers }, (answer) => {
      const [chunks, status] = [[] as Buffer[], answer.statusCode ?? 502]
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.once('end', () => {
        const body = Buffer.concat(chunks)
        if (status === 200) this.#good.set(line, { status, headers: answer.headers, body })
        if (loses) outgoing.destroy()
        else outgoing.writeHead(status, answer.headers).end(body)
      })
    })
    onward.once('error', () => outgoing.destroy())
    outgoing.once('close', () => onward.destroy())
    incoming.pipe(onward)
  }
}

const fits = (match: string | RegExp, line: string): boolean =>
  typeof match === 'string' ? line.includes(match) : match.test(line)

/** A proxy on loopback before the Vault at `target`. */
export const faultyProxy = (target: string): Promise<FaultyProxy> => new Proxy(target).listen()
