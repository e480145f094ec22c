/** Measures the start of the local default up to its first answered request, and the memory it then holds. */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { startChild } from './child.ts'
import type { Row } from './measure.ts'
import { median, tempFolder, withEnds } from './measure.ts'

const RUNS = 5
const ANSWER_MS = 5000

interface Run {
  readonly ms: number
  readonly MiB: number
}

export async function benchStart(): Promise<Row[]> {
  const runs: Run[] = []
  for (let run = 0; run < RUNS; run += 1) runs.push(await once())
  return [
    {
      runs: RUNS,
      'first answer ms': Math.round(median(runs.map(({ ms }) => ms))),
      'ms per run': runs.map(({ ms }) => Math.round(ms)).join(' '),
      'resident MiB': Math.round(median(runs.map(({ MiB }) => MiB))),
    },
  ]
}

/** In a new folder each: settings, database and dev Vault are made anew. */
function once(): Promise<Run> {
  return withEnds(async (onEnd) => {
    const cwd = tempFolder(onEnd)
    const env = { PORT: '0', KEYRING_DEV_VAULT_PORT: String(await freePort()) }
    const file = join(import.meta.dirname, '../functions/node/server.ts')
    const began = performance.now()
    const child = await startChild({ file, env, cwd, stdout: 'pipe', listening: /listening +http:\/\/(\S+)/ })
    onEnd(child.stop)
    const response = await fetch(`http://${child.address}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS) })
    await response.text()
    if (!response.ok) throw new Error(`/readyz answered ${response.status}`)
    return { ms: performance.now() - began, MiB: child.memoryMiB() }
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
