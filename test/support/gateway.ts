/** A server on loopback that answers as it is told. */
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Fetch } from '../../src/core/ports.ts'

export interface Gateway {
  readonly address: string
  close(): Promise<void>
}

/** Of the connection, or of a body that is sent on decoded. */
const NOT_SENT_ON = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'host',
  'keep-alive',
  'transfer-encoding',
])
const sentOn = (headers: Iterable<readonly [string, string]>) =>
  [...headers].filter(([name]) => !NOT_SENT_ON.has(name)).map(([name, value]): [string, string] => [name, value])

/** @param to the origin of the requests that `answer` gets. Where `answer` fails, the connection is cut. */
export async function gateway(to: string, answer: Fetch): Promise<Gateway> {
  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = incoming
    const body = method === 'GET' ? null : await buffer(incoming)
    const given = Object.entries(headers).map(([name, value]) => [name, String(value)] as const)
    const request = new Request(to + url, { method, headers: sentOn(given), body, redirect: 'manual' })
    const response = await answer(request)
    const bytes = Buffer.from(await response.arrayBuffer())
    outgoing.writeHead(response.status, sentOn(response.headers)).end(bytes)
  }
  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => outgoing.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
