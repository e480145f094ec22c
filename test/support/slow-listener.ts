/** One host with two addresses on loopback: one is far away, one is dead. Linux drops what a full queue cannot take, and asks again. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** Each listener's queue is filled by its own connections, so that the next one waits until something is accepted; `dead` never does. */
const SCRIPT = `
import socket, sys
def full(host, port):
    s = socket.socket()
    s.bind((host, port))
    s.listen(0)
    held = [socket.socket() for _ in range(8)]
    for each in held:
        each.setblocking(False)
        each.connect_ex(s.getsockname())
    return s, held
slow, held = full('127.0.0.3', 0)
dead, kept = full('127.0.0.4', slow.getsockname()[1])
print(slow.getsockname()[1], flush=True)
sys.stdin.readline()
for each in held:
    each.close()
answer = b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\n{}'
while True:
    connection, _ = slow.accept()
    try:
        if connection.recv(65536):
            connection.sendall(answer)
        connection.close()
    except OSError:
        pass
`

export const SLOW = '127.0.0.3'
export const DEAD = '127.0.0.4'

export interface SlowListener {
  readonly port: number
  /** From now on the slow address accepts; what it has dropped comes again a second later or more. */
  accept(): void
  close(): void
}

export async function slowListener(): Promise<SlowListener> {
  const child = spawn('python3', ['-c', SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] })
  const port = await new Promise<number>((resolve, reject) => {
    createInterface(child.stdout).once('line', (line) => resolve(Number(line)))
    child.once('close', () => reject(new Error('There is no listener.')))
  })
  return { port, accept: () => void child.stdin.write('\n'), close: () => void child.kill('SIGKILL') }
}
