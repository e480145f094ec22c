/** A Lambda runtime in one process: imports the bundle named, and runs one event after the other. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

type Handler = (event: unknown, context: object) => Promise<unknown>

const [bundle = '', timeoutMs = '29000'] = process.argv.slice(2)
const { handler } = (await import(pathToFileURL(bundle).href)) as { handler: Handler }

async function run(event: unknown): Promise<{ status: number; body: string }> {
  const endsAt = Date.now() + Number(timeoutMs)
  const context = { awsRequestId: crypto.randomUUID(), getRemainingTimeInMillis: () => endsAt - Date.now() }
  try {
    return { status: 200, body: JSON.stringify((await handler(event, context)) ?? null) }
  } catch (error) {
    console.error(error)
    return { status: 500, body: JSON.stringify({ errorType: 'Error', errorMessage: 'Unhandled' }) }
  }
}

let last: Promise<unknown> = Promise.resolve()
const server = createServer((request, response) => {
  const ran = Promise.all([text(request), last]).then(([event]) => run(JSON.parse(event)))
  last = ran
  void ran.then(({ status, body }) => response.writeHead(status).end(body))
})
server.listen(0, '127.0.0.1', () => console.log(`listening ${(server.address() as AddressInfo).port}`))
