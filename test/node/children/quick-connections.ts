/** For NODE_OPTIONS=--import: HTTP servers of the process wait a hundredth of what they are told to, and say on standard error what that was. */
import http from 'node:http'
import type { ServerOptions } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'

const WAITS = ['keepAliveTimeout', 'headersTimeout', 'requestTimeout', 'connectionsCheckingInterval'] as const
const create = http.createServer

http.createServer = ((options: ServerOptions, ...more: []) => {
  const given = Object.fromEntries(WAITS.map((name) => [name, options[name]]))
  console.error(JSON.stringify({ waits: given }))
  const quick = Object.fromEntries(WAITS.flatMap((name) => (options[name] ? [[name, options[name] / 100]] : [])))
  return create({ ...options, ...quick }, ...more)
}) as typeof http.createServer
syncBuiltinESMExports()
