/** How a connection is made, whoever makes it: what is trusted and presented, by which proxy it goes, and how long each address is tried. */
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import type * as undici from 'undici'
import { MAX_VAULT_BODY_BYTES, VAULT_CONCURRENCY } from '../../src/core/limits.ts'
import type { HttpProxy } from './proxy.ts'
import { bare, blaming, refusedByProxy, unreachedProxy } from './proxy.ts'
import type { Credentials } from './tls-files.ts'

export type Undici = Pick<typeof undici, 'Agent' | 'Client' | 'Pool' | 'ProxyAgent' | 'buildConnector' | 'request'>

export type Dispatcher = undici.Dispatcher
export type Received = undici.Dispatcher.ResponseData

/** In a bundle that is split, what was CommonJS has no other export. */
export const loadUndici = async (): Promise<Undici> => (await import('undici')).default

/** Connections are kept for a short time, because a function that was frozen finds its connections dead. */
const KEEP_ALIVE_MS = 4000
/** A host may have so many addresses that each has its turn. Node's own 250 ms would pass over all that are far away. */
const ADDRESSES = 4
/** So long after whoever waited has given up, an attempt to connect ends too. */
const LINGER_MS = 1000

/** An address has its share of the time before the next one is tried; the last one has what is left. */
export const addressing = (timeoutMs: number) => ({
  autoSelectFamilyAttemptTimeout: Math.ceil(timeoutMs / ADDRESSES),
})

/** Any certificate that the operator names is trusted, be it an intermediate or the server's own, as OpenSSL's and Go's clients do. */
export const tlsOptions = ({ ca, servername, ...rest }: Credentials) => ({
  secureContext: createSecureContext({
    ...rest,
    ...(ca !== undefined && { ca: [...ca] }),
    allowPartialTrustChain: true,
  }),
  ...(servername !== undefined && { servername }),
  rejectUnauthorized: true,
})

/** HTTP/1.1, because over HTTP/2 a refused client certificate shows as a broken session. */
const POOL = {
  allowH2: false,
  connections: VAULT_CONCURRENCY,
  keepAliveTimeout: KEEP_ALIVE_MS,
  maxResponseSize: MAX_VAULT_BODY_BYTES,
}

/** @param proxy `null` = straight. What is presented goes to the host, never to the proxy. */
export function dispatcherOf(
  undici: Undici,
  credentials: Credentials,
  proxy: HttpProxy | null,
  timeoutMs: number,
): undici.Dispatcher {
  const toHost = { ...tlsOptions(credentials), ...connecting(timeoutMs) }
  if (proxy === null) return new undici.Agent({ ...POOL, connect: toHost })
  const toProxy = (origin: string | URL, options: object) =>
    new undici.Pool(origin, { ...POOL, ...options, connect: connector(undici, proxy, timeoutMs) })
  return new undici.ProxyAgent({
    ...POOL,
    uri: proxy.origin,
    ...(proxy.authorization !== null && { token: proxy.authorization.reveal() }),
    requestTls: toHost,
    clientFactory: toProxy,
    // Plain http is sent to the proxy in place of the host, so that such a pool is one of the proxy.
    factory: (origin, options) =>
      new URL(origin).origin === proxy.origin ? toProxy(origin, options) : new undici.Pool(origin, options),
  })
}

/** What the doctor looks at TLS through. @param host with its port. @throws a `ProxyTrouble`, and what a connection throws. */
export async function tunnel(undici: Undici, proxy: HttpProxy, host: string, timeoutMs: number, signal: AbortSignal) {
  const client = new undici.Client(proxy.origin, { connect: connector(undici, proxy, timeoutMs) })
  const headers = { host, ...(proxy.authorization !== null && { 'proxy-authorization': proxy.authorization.reveal() }) }
  const asked = { path: host, headers, signal, servername: new URL(proxy.origin).hostname }
  const { statusCode, socket } = await client
    .connect(asked)
    .catch(blaming(proxy))
    .finally(() => void client.close())
  if (statusCode === 200) return socket
  socket.destroy()
  throw refusedByProxy(proxy, statusCode)
}

const connecting = (timeoutMs: number) => ({
  ...addressing(timeoutMs),
  timeout: timeoutMs + LINGER_MS,
  allowH2: false,
})

/** A connection to the proxy that fails is the proxy's failure, whatever was asked for through it. */
function connector({ buildConnector }: Undici, proxy: HttpProxy, timeoutMs: number): undici.buildConnector.connector {
  const connect = buildConnector(connecting(timeoutMs))
  return ({ servername = '', ...target }, done) =>
    connect({ ...target, ...(isIP(bare(servername)) === 0 && { servername }) }, (...[error, socket]) =>
      error === null ? done(null, socket) : done(unreachedProxy(proxy, error), null),
    )
}
