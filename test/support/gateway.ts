/** A server on loopback that answers as it is told. */
import { buffer } from 'node:stream/consumers'
import type { Fetch } from '../../src/core/ports.ts'
import type { Listening } from './listen.ts'
import { listen } from './listen.ts'

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

/** @param to the origin of the requests that `answer` gets. */
export const gateway = (to: string, answer: Fetch): Promise<Listening> =>
  listen(async (incoming, outgoing) => {
    const { method = 'GET', url = '/', headers } = incoming
    const body = method === 'GET' ? null : await buffer(incoming)
    const given = Object.entries(headers).map(([name, value]) => [name, String(value)] as const)
    const request = new Request(to + url, { method, headers: sentOn(given), body, redirect: 'manual' })
    const response = await answer(request)
    const bytes = Buffer.from(await response.arrayBuffer())
    outgoing.writeHead(response.status, sentOn(response.headers)).end(bytes)
  })
