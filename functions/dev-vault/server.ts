/**
 * A stand-in for Vault on 127.0.0.1, with the part of its HTTP API that the project uses. It protects nothing: the token is known,
 * and the data lies in a file. The same suite runs against it and against a real OpenBao.
 */
import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import { devVaultApp } from './app.ts'
import type { DevVaultOptions } from './state.ts'
import { State } from './state.ts'

export { UNSEAL_KEY } from './system.ts'

export interface DevVault {
  readonly address: string
  readonly port: number
  /** Closes it, and cuts what is under way. */
  readonly close: () => Promise<void>
}

/** Rejects with the server's own error, such as EADDRINUSE. There is no way to listen on more than loopback. */
export async function startDevVault(options: DevVaultOptions): Promise<DevVault> {
  const app = devVaultApp(new State(options))
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: options.port }, ({ port }) =>
      resolve({ address: `http://127.0.0.1:${port}`, port, close: () => close(server as Server) }),
    )
    server.once('error', reject)
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
