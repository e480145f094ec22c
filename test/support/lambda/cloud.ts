/** What AWS is to the two functions: processes that run bundles, a function URL, the Invoke API. */
import { spawn } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buffer } from 'node:stream/consumers'
import type { Listening } from '../listen.ts'
import { listen } from '../listen.ts'

const RUNTIME = join(import.meta.dirname, 'runtime.ts')

export interface LambdaFunction {
  /** Runs one event. `failed` = the function threw. */
  invoke(event: unknown): Promise<{ readonly failed: boolean; readonly body: unknown }>
  output(): string
  stop(): Promise<void>
}

/** One instance of a function, as a process with this environment and no other. Rejects with what was printed when it does not start. */
export async function startFunction(
  bundle: string,
  env: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<LambdaFunction> {
  const child = spawn(process.execPath, [RUNTIME, bundle, String(timeoutMs)], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const printed: string[] = []
  child.stderr.on('data', (chunk: Buffer) => printed.push(chunk.toString()))
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const port = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      printed.push(`${line}\n`)
      const listening = /^listening (\d+)$/.exec(line)?.[1]
      if (listening !== undefined) resolve(listening)
    })
    void closed.then(() => reject(new Error(printed.join(''))))
  })
  return {
    async invoke(event) {
      const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: JSON.stringify(event) })
      return { failed: response.status !== 200, body: await response.json() }
    },
    output: () => printed.join(''),
    async stop() {
      child.kill('SIGKILL')
      await closed
    },
  }
}

interface Result {
  readonly statusCode: number
  readonly headers?: Readonly<Record<string, string>>
  readonly cookies?: readonly string[]
  readonly body?: string
  readonly isBase64Encoded?: boolean
}

/** Bytes of JSON, there and back, by Lambda's quotas; above, the caller gets a bare 413 or 502. */
const MOST_PAYLOAD = 6 * 1024 * 1024
const TOO_LONG = { failed: false, body: { statusCode: 413, body: '{"Message":"Request must be smaller"}' } }
const isTooLong = (payload: unknown): boolean => Buffer.byteLength(JSON.stringify(payload)) > MOST_PAYLOAD

/** A function URL: HTTP to payload 2.0 and back. A function that threw is a 502. */
export const functionUrl = (target: LambdaFunction): Promise<Listening> =>
  listen(async (request, response) => {
    const { url, method } = request
    const event = eventOf({ url, method, headers: joined(request) }, await buffer(request))
    const { failed, body } = isTooLong(event) ? TOO_LONG : await target.invoke(event)
    if (failed || isTooLong(body)) response.writeHead(502).end('Internal Server Error')
    else reply(response, body as Result)
  })

/** What comes twice is joined with a comma: Node would leave out the second of some. */
const joined = ({ headersDistinct }: IncomingMessage): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headersDistinct).map(([name, values = []]) => [name, values.join(name === 'cookie' ? '; ' : ',')]),
  )

function reply(response: ServerResponse, { statusCode, headers, cookies, body = '', isBase64Encoded }: Result): void {
  const { connection: _, ...rest } = headers ?? {}
  response.writeHead(statusCode, { ...rest, ...(cookies && { 'set-cookie': [...cookies] }) })
  response.end(isBase64Encoded ? Buffer.from(body, 'base64') : body)
}

interface EventSource extends Pick<IncomingMessage, 'url' | 'method'> {
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** Bodies that are no text come in base64, as forms do. */
export function eventOf(request: EventSource, body: Buffer) {
  const { pathname, search } = new URL(request.url ?? '/', 'http://localhost')
  const { cookie, connection: _, ...headers } = request.headers
  const isText = /^(text\/|application\/json)/.test(headers['content-type'] ?? '') && isUtf8(body)
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: pathname,
    rawQueryString: search.slice(1),
    ...(cookie !== undefined && { cookies: cookie.split('; ') }),
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
    requestContext: {
      domainName: 'function.lambda-url.eu-central-1.on.aws',
      http: { method: request.method, path: pathname, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1' },
      requestId: crypto.randomUUID(),
      routeKey: '$default',
      stage: '$default',
    },
    ...(body.length > 0 && { body: body.toString(isText ? 'utf8' : 'base64') }),
    isBase64Encoded: body.length > 0 && !isText,
  }
}

function isUtf8(body: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(body)
    return true
  } catch {
    return false
  }
}

/** The Invoke API. @param named the function of that name. Requests that are not signed for Lambda are refused. */
export const invokeApi = (named: (name: string) => LambdaFunction | undefined): Promise<Listening> =>
  listen(async (request, response) => {
    const event = await buffer(request)
    const target = named(/^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(request.url ?? '')?.[1] ?? '')
    const error = invokeError(request)
    if (error !== null) response.writeHead(error[0], { 'x-amzn-errortype': error[1] }).end('{"Message":"secret-text"}')
    else if (target === undefined)
      response.writeHead(404, { 'x-amzn-errortype': 'ResourceNotFoundException' }).end('{"Message":"secret-text"}')
    else {
      const { failed, body } = await target.invoke(JSON.parse(event.toString()))
      response.writeHead(200, failed ? { 'x-amz-function-error': 'Unhandled' } : {}).end(JSON.stringify(body))
    }
  })

const SIGNED = /^AWS4-HMAC-SHA256 Credential=\w+\/\d{8}\/[\w-]+\/lambda\/aws4_request/

function invokeError({ headers }: IncomingMessage): [number, string] | null {
  if (!SIGNED.test(headers.authorization ?? '')) return [403, 'AccessDeniedException']
  if (headers['x-amz-invocation-type'] !== 'RequestResponse') return [400, 'InvalidParameterValueException']
  return null
}
