/** From the start of the local default to its first answered request, and the memory it then holds. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median, startChild } from './child.ts'

const RUNS = 5

export async function benchStart(): Promise<object[]> {
  const runs: { ms: number; MiB: number }[] = []
  for (let run = 0; run < RUNS; run += 1) runs.push(await once())
  return [
    {
      runs: RUNS,
      'first answer ms': Math.round(median(runs.map(({ ms }) => ms))),
      'resident MiB': Math.round(median(runs.map(({ MiB }) => MiB))),
    },
  ]
}

async function once(): Promise<{ ms: number; MiB: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-bench-'))
  const env = { PORT: '0', KEYRING_DEV_VAULT_PORT: String(await freePort()) }
  const began = performance.now()
  const child = await startChild(
    join(import.meta.dirname, '../functions/node/server.ts'),
    env,
    folder,
    'pipe',
    /listening +http:\/\/(\S+)/,
  )
  try {
    await (await fetch(`http://${child.address}/readyz`)).text()
    return { ms: performance.now() - began, MiB: child.memoryMiB() }
  } finally {
    await child.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
