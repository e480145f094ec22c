/** A TCP proxy on loopback: it counts connections, and can let them die under the client as a frozen function finds them. */
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export interface TcpProxy {
  readonly port: number
  /** Connections so far. */
  readonly connections: number
  /** Whatever is sent next on a connection that is open now ends it unanswered. */
  killOpen(): void
  close(): Promise<void>
}

export async function tcpProxy(target: number): Promise<TcpProxy> {
  const open = new Set<Socket>()
  const doomed = new WeakSet<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    open.add(socket)
    const onward = connect(target, '127.0.0.1')
    const end = () => {
      open.delete(socket)
      socket.destroy()
      onward.destroy()
    }
    for (const each of [socket, onward]) each.on('error', end).on('close', end)
    socket.on('data', (chunk) => (doomed.has(socket) ? end() : onward.write(chunk)))
    onward.on('data', (chunk) => socket.write(chunk))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections
    },
    killOpen: () => open.forEach((socket) => doomed.add(socket)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of open) socket.destroy()
      }),
  }
}
