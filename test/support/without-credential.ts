/** What somebody without a credential gets over a bare socket: the same on every path and at once, however much is still to come. */
import { connect } from 'node:net'
import { expect, it } from 'vitest'

const PATHS = [
  '/keyring',
  '/keyring/',
  '/keyring/active',
  '/keyring/vault/sync',
  '/keyring/remove',
  '/keyrings/default',
  '/keyrings/missing',
  '/keyrings/default/doctor',
  '/keyrings/default/encrypt',
  '/keyrings/default/encrypt/',
  '/keyrings/default/nothing',
  '/keyrings/%64efault/encrypt',
  '/keyrings/default%2Fencrypt',
  '/keyrings/%zz/encrypt',
  '//keyring',
  '/keyring\\active',
  '/nowhere',
  '/healthz/',
  '/',
  '*',
]
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']
/** Headers, and what of the body is sent before the answer. */
const BODIES: Readonly<Record<string, readonly [headers: string, sent: string]>> = {
  'no body': ['', ''],
  'a body': ['content-type: application/json\r\ncontent-length: 2\r\n', '{}'],
  'a body that does not come': ['content-length: 5\r\n', ''],
  'a body that is too large': ['content-length: 5000000\r\n', '{'],
  'a body larger than everything': ['content-length: 999999999999999\r\n', '{'],
  'an empty body in chunks': ['transfer-encoding: chunked\r\n', '0\r\n\r\n'],
  'a body in chunks without end': ['transfer-encoding: chunked\r\n', '5\r\n{"pla\r\n'],
  'a body that waits to be asked for': ['expect: 100-continue\r\ncontent-length: 5\r\n', ''],
  'one that is too large': ['expect: 100-continue\r\ncontent-length: 5000000\r\n', ''],
}
const END = '\r\n\r\n'

/** Over when the answer has come whole. */
function answerTo(port: number, method: string, path: string, [headers, sent]: readonly [string, string]) {
  return new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const took: string[] = []
    socket.setEncoding('latin1').on('data', (text: string) => {
      took.push(text)
      const answer = took.join('')
      if (isWhole(answer, method)) resolve((socket.destroy(), answer))
    })
    socket.once('error', reject).once('close', () => reject(new Error(`${method} ${path}: ${took.join('')}`)))
    socket.write(`${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n${sent}`)
  })
}

function isWhole(answer: string, method: string): boolean {
  const [head = '', body] = answer.split(END)
  if (body === undefined || method === 'HEAD') return body !== undefined
  const length = /^content-length: (\d+)$/im.exec(head)?.[1]
  return length === undefined ? answer.endsWith(`0${END}`) : body.length >= Number(length)
}

/** Without what differs by itself: the time, the id of the request; and a HEAD has no body. */
function alike(answer: string): object {
  const [head = '', body = ''] = answer.split(END)
  const [status = '', ...headers] = head.toLowerCase().split('\r\n')
  const shown = headers.filter((header) => !/^(date|content-length|transfer-encoding|keep-alive):/.test(header))
  return { status, headers: shown.toSorted(), body: /\{.*\}/.exec(body)?.[0].replace(/"request":"[^"]+"/, '') ?? null }
}

export function withoutCredential(port: () => number): void {
  it.each(Object.entries(BODIES))('is refused alike on every path, and at once, with %s', async (_name, sent) => {
    const bodiless = new Set<string>()
    const others = new Set<string>()
    for (const method of METHODS)
      for (const path of PATHS) {
        const answer = JSON.stringify(alike(await answerTo(port(), method, path, sent)))
        ;(method === 'HEAD' ? bodiless : others).add(answer)
      }
    const [answer = '', ...different] = others
    expect(different).toEqual([])
    expect(JSON.parse(answer)).toMatchObject({
      status: 'http/1.1 401 unauthorized',
      headers: expect.arrayContaining(['cache-control: no-store', 'www-authenticate: bearer']),
      body: expect.stringContaining('"code":"ERR_UNAUTHENTICATED"'),
    })
    expect([...bodiless]).toEqual([JSON.stringify({ ...(JSON.parse(answer) as object), body: null })])
  })

  it.each(UNENDED)(
    'is answered to %s %s, after which the connection ends whatever was announced',
    async (method, path) => {
      for (const framing of FRAMINGS) {
        const { answer } = await sending(port(), `${method} ${path}`, framing, 1)
        expect(isWhole(answer, method)).toBe(true)
        expect(answer).toMatch(LAST)
      }
    },
  )
}

/** What Node answers itself it must answer to everybody: the app has not been asked yet. */
export function sendingNonsense(port: () => number): void {
  it('is refused alike on every path with chunks that are none', async () => {
    const answers = new Set<string>()
    for (const method of METHODS)
      for (const path of PATHS) {
        const answer = await answerTo(port(), method, path, ['transfer-encoding: chunked\r\n', 'ZZ\r\n'])
        answers.add(answer.split('\r\n')[0] ?? '')
      }
    expect([...answers]).toEqual(['HTTP/1.1 400 Bad Request'])
  })
}

/** On a server of ours: workerd's own, which no client of a deployment meets, resets the connection. */
export function sendingOn(port: () => number): void {
  it.each(UNENDED)('reads the answer to %s %s to its end while it still sends', async (method, path) => {
    for (const framing of FRAMINGS) {
      const { answer, sent, error } = await sending(port(), `${method} ${path}`, framing, MOST_SENT)
      expect(isWhole(answer, method)).toBe(true)
      expect(answer).toMatch(LAST)
      expect([sent < MOST_SENT, error]).toEqual([true, null])
    }
  })
}

const UNENDED = [
  ['POST', '/keyrings/default/encrypt'],
  ['POST', '/nowhere'],
  ['GET', '/keyring'],
  ['HEAD', '/nowhere'],
] as const
const FRAMINGS = ['transfer-encoding: chunked', 'content-length: 999999999999999']
const LAST = /^HTTP\/1.1 401 [^]*\r\nconnection: close\r\n/i
const CHUNK = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000, 'x'), Buffer.from('\r\n')])
/** More than what lies in buffers on the way. */
const MOST_SENT = 64 * 1024 * 1024

/** Sends until the other side has ended its own, or `most` bytes, and then waits for that. */
function sending(port: number, request: string, framing: string, most: number) {
  return new Promise<{ answer: string; sent: number; error: string | null }>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const took: string[] = []
    let [sent, error]: [number, string | null] = [0, null]
    const send = (): void => {
      if (socket.readableEnded || socket.destroyed || sent >= most) return
      sent += CHUNK.length
      socket.write(CHUNK, () => setImmediate(send))
    }
    socket.setEncoding('latin1').on('data', (text: string) => took.push(text))
    socket.once('error', (thrown: NodeJS.ErrnoException) => (error = thrown.code ?? thrown.name))
    socket.once('close', () => resolve({ answer: took.join(''), sent, error }))
    socket.write(`${request} HTTP/1.1\r\nhost: localhost\r\n${framing}\r\n\r\n`)
    send()
  })
}
