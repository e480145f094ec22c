/** What the HTTP server does with each connection, on an app that answers when the test says so: at its end, and when a client breaks off or sends what is no HTTP. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { serveHttp } from '../../functions/node/http.ts'
import type { Incoming } from '../../src/http/dispatch.ts'

/** Bytes that no socket takes at once. */
const LARGE = 32 * 1024 * 1024
/** Longer than what the server waits at its end. */
const LONG_MS = 1000

// After 75 s the server closes what is kept anyway.
vi.setConfig({ testTimeout: 30_000 })

let served: ReturnType<typeof serveHttp>
let port: number
/** Paths, as they came. */
let asked: string[]
/** By path, what answers a request that waits. */
let waiting: Map<string, () => void>

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  ;[asked, waiting] = [[], new Map()]
  const app = {
    fetch(request: Incoming) {
      const path = new URL(request.url).pathname
      asked.push(path)
      if (path === '/read') return request.bytes().then(() => new Response(path))
      if (path === '/parts') return new Response(inParts((rest) => waiting.set(path, rest)))
      if (path === '/large') return new Response('x'.repeat(LARGE))
      if (!path.startsWith('/wait')) return new Response(path)
      return new Promise<Response>((resolve) => waiting.set(path, () => resolve(new Response(path))))
    },
  }
  port = await new Promise<number>((resolve) => {
    served = serveHttp(app, { hostname: '127.0.0.1', port: 0 }, (address) => resolve(address.port))
  })
})
afterEach(() => {
  served.server.closeAllConnections()
  served.server.close()
  vi.useRealTimers()
})

/** The second part comes when it is called for. */
const inParts = (then: (rest: () => void) => void) =>
  new ReadableStream({
    start(controller) {
      const part = (text: string) => controller.enqueue(new TextEncoder().encode(text))
      part('first')
      then(() => (part('second'), controller.close()))
    },
  })

async function talk() {
  const socket = connect(port, '127.0.0.1')
  let said = ''
  socket.setEncoding('latin1').on('data', (text: string) => (said += text))
  const closed = new Promise<string>((resolve) => socket.on('error', () => {}).once('close', () => resolve(said)))
  await once(socket, 'connect')
  return {
    socket,
    closed,
    ask: (...paths: readonly string[]) => socket.write(paths.map((path) => head(path)).join('')),
    async until(words: string): Promise<string> {
      while (!said.includes(words)) await once(socket, 'data')
      return said
    },
  }
}

const head = (path: string, line = 'GET', more = ''): string => `${line} ${path} HTTP/1.1\r\nhost: a\r\n${more}\r\n`
const begun = (...paths: readonly string[]) => vi.waitUntil(() => paths.every((path) => asked.includes(path)))
/** Of each answer its status and what it says of the connection. */
const answersIn = (said: string): readonly string[] =>
  [...said.matchAll(/HTTP\/1\.1 (\d+) [^]*?\r\n\r\n/g)].map(
    ([head, status]) => `${status} ${/^connection: (\S+)/im.exec(head)?.[1]}`,
  )

const isOver = async (end: Promise<unknown>): Promise<boolean> => {
  await vi.advanceTimersByTimeAsync(LONG_MS)
  return Promise.race([end.then(() => true), new Promise<false>((resolve) => setImmediate(resolve, false))])
}

it('an answer that is read slowly comes whole, also at the end', async () => {
  const [slow, idle] = [await talk(), await talk()]
  slow.ask('/large')
  await slow.until('\r\n\r\n')
  slow.socket.pause()
  const end = served.close()
  await vi.advanceTimersByTimeAsync(LONG_MS)
  await idle.closed
  slow.socket.resume()
  const said = await slow.closed
  expect(said.length - said.indexOf('\r\n\r\n') - 4).toBe(LARGE)
  await end
})

it('what comes at the end on a connection that was kept is answered, and closes it', async () => {
  const kept = await talk()
  kept.ask('/one')
  await kept.until('/one')
  const end = served.close()
  kept.ask('/two')
  expect(answersIn(await kept.closed)).toEqual(['200 keep-alive', '200 close'])
  await end
})

it('of requests that wait for each other at the end the last alone closes their connection', async () => {
  const [client, later] = [await talk(), await talk()]
  client.ask('/wait1', '/wait2')
  later.ask('/wait3')
  await begun('/wait1', '/wait2', '/wait3')
  const end = served.close()
  later.ask('/wait4')
  await begun('/wait4')
  for (const path of ['/wait2', '/wait1', '/wait3', '/wait4']) waiting.get(path)?.()
  expect(answersIn(await client.closed)).toEqual(['200 keep-alive', '200 close'])
  expect(answersIn(await later.closed)).toEqual(['200 undefined', '200 close'])
  await end
})

it('behind an answer that has said that it closes, nothing is carried out', async () => {
  const client = await talk()
  client.ask('/wait1', '/wait2')
  await begun('/wait1', '/wait2')
  const end = served.close()
  waiting.get('/wait2')?.()
  await new Promise((resolve) => setImmediate(resolve))
  client.ask('/three')
  await new Promise((resolve) => setImmediate(resolve))
  waiting.get('/wait1')?.()
  expect(answersIn(await client.closed)).toEqual(['200 keep-alive', '200 close'])
  expect(asked).not.toContain('/three')
  await end
})

it('the end waits for what is under way, also when its client is gone', async () => {
  const client = await talk()
  client.ask('/wait')
  await begun('/wait')
  client.socket.resetAndDestroy()
  await client.closed
  const end = served.close()
  expect(await isOver(end)).toBe(false)
  waiting.get('/wait')?.()
  await end
})

it('a connection on which nothing is asked does not hold up the end', async () => {
  const idle = await talk()
  const end = served.close()
  await vi.advanceTimersByTimeAsync(LONG_MS)
  expect(await idle.closed).toBe('')
  await end
})

it.each([
  ['what is no HTTP', 'garbage\r\n\r\n', '400 Bad Request'],
  ['too large a head', head('/x', 'GET', `x: ${'y'.repeat(20_000)}\r\n`), '431 Request Header Fields Too Large'],
  ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n', '400 Bad Request'],
])('%s is refused, behind the answer to what was asked before', async (_, text, status) => {
  const client = await talk()
  client.socket.write(head('/wait') + text)
  await begun('/wait')
  await new Promise((resolve) => setImmediate(resolve))
  waiting.get('/wait')?.()
  const said = await client.closed
  expect(answersIn(said)).toEqual(['200 keep-alive', `${status.slice(0, 3)} close`])
  expect(said).toMatch(
    new RegExp(`HTTP/1.1 ${status}\r\nCache-Control: no-store\r\nContent-Length: 0\r\nConnection: close\r\n\r\n$`),
  )
})

it('a body that is no HTTP is refused at once', async () => {
  const client = await talk()
  client.socket.write(head('/wait', 'POST', 'transfer-encoding: chunked\r\n'))
  await begun('/wait')
  client.socket.write('no size\r\n')
  expect(answersIn(await client.closed)).toEqual(['400 close'])
})

it('does not cut off an answer that is under way', async () => {
  const client = await talk()
  client.socket.write(head('/parts', 'POST', 'transfer-encoding: chunked\r\n'))
  await client.until('first')
  client.socket.write('no size\r\n')
  await new Promise((resolve) => setImmediate(resolve))
  waiting.get('/parts')?.()
  expect(await client.closed).toContain('second')
})

it('behind a request without a host nothing is carried out', async () => {
  const client = await talk()
  client.socket.write(`GET /one HTTP/1.1\r\n\r\n${head('/two')}`)
  const said = await client.closed
  expect([answersIn(said), asked]).toEqual([['400 close'], []])
  expect(said).toContain('no-store')
})

it('what else is expected is answered without it', async () => {
  const client = await talk()
  client.socket.write(head('/one', 'GET', 'expect: more\r\nconnection: close\r\n'))
  expect(answersIn(await client.closed)).toEqual(['200 close'])
})

it('a body in chunks of HTTP/1.0 is the last of its connection', async () => {
  const client = await talk()
  const more = 'connection: keep-alive\r\ntransfer-encoding: chunked\r\n'
  client.socket.write(`${head('/read', 'POST', more).replace('HTTP/1.1', 'HTTP/1.0')}0\r\n\r\n`)
  expect(answersIn(await client.closed)).toEqual(['200 close'])
})
