/** The app behind Node's HTTP server: what becomes of a request that is answered before it has come whole, and of one whose target is no path. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { andThen } from '../../src/core/awaitable.ts'
import type { Http as App, Incoming } from '../../src/http/dispatch.ts'
import { Connections } from './connections.ts'

/**
 * How long a connection waits for a request, or for the rest of one, in milliseconds. Load balancers keep theirs for 60 s: the side that
 * ends one first must be theirs, or a request that is on its way gets no answer.
 */
const REQUEST_MS = 75_000
const CONNECTIONS = {
  keepAliveTimeout: REQUEST_MS,
  headersTimeout: REQUEST_MS,
  requestTimeout: REQUEST_MS,
  connectionsCheckingInterval: 5000,
  // Of two tokens Node would take the first: joined they are one that nobody is let in with.
  joinDuplicateHeaders: true,
  // Node's own answer to a request without a host would let what follows it be carried out.
  requireHostHeader: false,
}
/** What still comes after the last answer is thrown away for so long, in milliseconds, and up to so many bytes. */
const LINGER_MS = 500
const LINGER_BYTES = 16 * 1024 * 1024

interface Http {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

interface Served {
  readonly server: Server
  /** Accepts nothing more. Over when all that is under way is done, be there somebody who hears of it or not. */
  readonly close: () => Promise<unknown>
}

export function serveHttp(
  app: App,
  where: { readonly hostname: string; readonly port: number },
  listening: (address: AddressInfo) => void,
): Served {
  let underWay = 0
  let quiet = () => {}
  const fetch = (request: Request, http: unknown) => {
    const { incoming, outgoing } = http as Http
    if (connections.hasEnded(incoming.socket)) return refused(outgoing)
    underWay += 1
    return andThen(app.fetch(new NodeRequest(request, incoming)), (response) => {
      underWay -= 1
      if (underWay === 0) quiet()
      if (endUnread(http as Http)) connections.end(incoming.socket)
      return response
    })
  }
  const server = serve({ fetch, ...where, serverOptions: CONNECTIONS }, listening) as Server
  const connections = new Connections(server)
  server.prependListener('request', (incoming) => {
    if (isWithoutHost(incoming)) connections.end(incoming.socket)
    askedForPath(incoming)
  })
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    incoming.once('resume', () => void (outgoing.headersSent || outgoing.writeContinue()))
    server.emit('request', incoming, outgoing)
  })
  // Whatever else is expected is answered without it.
  server.on('checkExpectation', (incoming, outgoing) => void server.emit('request', incoming, outgoing))
  const done = () => new Promise<void>((resolve) => (underWay === 0 ? resolve() : (quiet = resolve)))
  return { server, close: () => Promise.all([connections.close(), done()]) }
}

/** RFC 9112, section 3.2. */
const isWithoutHost = ({ headers, httpVersion }: IncomingMessage): boolean =>
  headers.host === undefined && httpVersion !== '1.0'

function refused(outgoing: ServerResponse): Response {
  outgoing.setHeader('connection', 'close')
  return new Response(null, { status: 400, headers: { 'cache-control': 'no-store' } })
}

/** The library's headers check each name that they are asked for, and its value, which Node has done; of a body it makes a copy. */
class NodeRequest implements Incoming {
  readonly #request: Request
  readonly #incoming: IncomingMessage
  readonly method: string
  readonly url: string
  readonly headers: Incoming['headers']

  constructor(request: Request, incoming: IncomingMessage) {
    this.#request = request
    this.#incoming = incoming
    this.method = request.method
    this.url = request.url
    this.headers = new NodeHeaders(incoming.headers)
  }

  get body() {
    return this.#request.body
  }

  /** What the library does for a connection that has ended meanwhile is left to it. */
  bytes() {
    return this.#incoming.destroyed
      ? this.#request.arrayBuffer().then((buffer) => new Uint8Array(buffer))
      : wholeOf(this.#incoming)
  }
}

function wholeOf(incoming: IncomingMessage): Promise<Buffer<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    const parts: Buffer<ArrayBuffer>[] = []
    const end = () => resolve(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts))
    incoming.on('data', (part: Buffer<ArrayBuffer>) => parts.push(part))
    incoming.once('end', end).once('error', reject)
    // An error for each request that came to its end would cost a fifth of it.
    incoming.once('close', () => void (incoming.readableEnded || reject(new Error('The connection has ended.'))))
  })
}

class NodeHeaders {
  readonly #headers: IncomingMessage['headers']

  constructor(headers: IncomingMessage['headers']) {
    this.#headers = headers
  }

  get(name: string): string | null {
    const value = this.#headers[name]
    return typeof value === 'string' ? value : null
  }

  has(name: string): boolean {
    return this.#headers[name] !== undefined
  }
}

/** What is no URL would be answered by the library, to everybody: as a path that does not exist it is refused like one. Nobody here asks for the host. */
function askedForPath(incoming: IncomingMessage): void {
  const target = (incoming.url ?? '').replace(/^https?:\/\/\w[^/\\?]*(?=[/?]|$)/, '')
  incoming.url = /^\/[^\\?]*(?:\?|$)/.test(target) ? target : '/'
  incoming.headers.host = 'localhost'
}

/**
 * An answer to a request whose body was not read to its end is the connection's last, by its headers alone: how much has come says too
 * much. So is that to a body in chunks of HTTP/1.0, which had none (RFC 9112, section 6.1). @returns whether it is.
 */
function endUnread({ incoming, outgoing }: Http): boolean {
  const { headers, readableEnded, socket, httpVersion } = incoming
  const isChunked = headers['transfer-encoding'] !== undefined
  const hasBody = isChunked || Number(headers['content-length'] ?? 0) > 0
  if (!hasBody || (readableEnded && !(isChunked && httpVersion === '1.0'))) return false
  outgoing.setHeader('connection', 'close')
  // A connection that is destroyed while something still comes is reset, and a client may then not read the answer.
  socket.destroySoon = () => {
    const most = socket.bytesRead + LINGER_BYTES
    socket.removeAllListeners('data').on('data', () => void (socket.bytesRead > most && socket.destroy()))
    socket.end()
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  }
  return true
}
