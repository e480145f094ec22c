/** A forward proxy on loopback: it opens tunnels (CONNECT), passes on plain http, and is asked by names that it alone resolves. */
import { createServer, request } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { ServerOptions } from 'node:https'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

export interface ForwardProxy {
  readonly port: number
  readonly address: string
  /** What it was asked to connect to or to fetch, one after the other. */
  readonly asked: string[]
  /** By whoever connected to it over TLS: the common name in a client certificate, '' = there was none. */
  readonly presented: string[]
  close(): Promise<void>
}

interface ProxyOptions {
  /** Ports on 127.0.0.1, by host and port; what is not there is answered with `status`. */
  readonly to: Readonly<Record<string, number>>
  /** With a page of its own; 502 unless set, 0 = it hangs up. */
  readonly status?: number
  /** `user:password`. */
  readonly credentials?: string
  /** It speaks TLS itself, and asks for a client certificate. */
  readonly tls?: ServerOptions
}

const PAGE = '<html><title>The proxy says no.</title></html>'

export async function forwardProxy({ to, status = 502, credentials, tls }: ProxyOptions): Promise<ForwardProxy> {
  const asked: string[] = []
  const presented: string[] = []
  const open = new Set<Socket>()
  const expected = credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`
  const refusal = ({ headers }: IncomingMessage, target: string): number | null => {
    asked.push(target)
    if (headers['proxy-authorization'] !== expected) return 407
    return to[target] === undefined ? status : null
  }
  const server: Server =
    tls === undefined ? createServer() : createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: false })
  server.on('connection', (socket: Socket) =>
    open.add(socket.on('error', () => {}).on('close', () => open.delete(socket))),
  )
  server.on('secureConnection', (socket: TLSSocket) => {
    const { subject } = socket.getPeerCertificate()
    presented.push(String(subject?.CN ?? ''))
  })
  server.on('connect', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => {})
    const target = incoming.url ?? ''
    const refused = refusal(incoming, target)
    if (refused === 0) socket.destroy()
    else if (refused === null) tunnel(socket, head, to[target] ?? 0)
    else socket.end(`HTTP/1.1 ${refused} No\r\nContent-Type: text/html\r\n\r\n${PAGE}`)
  })
  server.on('request', (incoming, outgoing) => {
    const { host } = new URL(incoming.url ?? '')
    const refused = refusal(incoming, host)
    if (refused === 0) outgoing.destroy()
    else if (refused === null) passOn(incoming, outgoing, to[host] ?? 0)
    else outgoing.writeHead(refused, { 'content-type': 'text/html' }).end(PAGE)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    address: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    asked,
    presented,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}

function tunnel(socket: Socket, head: Buffer, port: number): void {
  const onward = connect(port, '127.0.0.1', () => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    onward.write(head)
    onward.pipe(socket).pipe(onward)
  })
  onward.on('error', () => socket.destroy()).on('close', () => socket.destroy())
  socket.on('close', () => onward.destroy())
}

function passOn(incoming: IncomingMessage, outgoing: ServerResponse, port: number): void {
  const { pathname, search } = new URL(incoming.url ?? '')
  const { method, headers } = incoming
  const onward = request({ host: '127.0.0.1', port, path: pathname + search, method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(outgoing)
  })
  onward.on('error', () => outgoing.destroy())
  incoming.pipe(onward)
}
