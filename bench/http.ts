/** Requests a second beside a bare Hono handler: warmed up, then five interleaved rounds, the median of their ratios. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import autocannon from 'autocannon'
import { startDevVault } from '../functions/dev-vault/server.ts'
import type { Child } from './child.ts'
import { median, startChild } from './child.ts'

const ROUNDS = 5
const SECONDS = 3
const TOKEN = 'a token for the benchmark, of no importance'.replaceAll(' ', '-')
const REQUESTS = [
  { name: 'GET /keyring', method: 'GET', path: '/keyring' },
  {
    name: 'encrypt',
    method: 'POST',
    path: '/keyrings/default/encrypt',
    body: JSON.stringify({ plaintext: '4111 1111 1111 1111', context: 'orders/17' }),
  },
] as const

export async function benchHttp(): Promise<object[]> {
  const folder = mkdtempSync(join(tmpdir(), 'edge-keyring-bench-'))
  const vault = await startDevVault({
    port: 0,
    dataFile: null,
    seed: {
      mount: 'secret',
      path: 'keyring',
      data: { id: 'second02', key: 'a key of no importance 0123456789abcdef' },
    },
  })
  const ours = await startChild(
    join(import.meta.dirname, '../functions/node/server.ts'),
    settings(vault.address, folder),
    folder,
  )
  const bare = await startChild(join(import.meta.dirname, 'bare.ts'), {}, folder)
  try {
    const rows: object[] = []
    for (const request of REQUESTS)
      for (const connections of [32, 1]) rows.push(await compare(request, connections, ours, bare))
    return rows
  } finally {
    await Promise.all([ours.stop(), bare.stop(), vault.close()])
    rmSync(folder, { recursive: true, force: true })
  }
}

function settings(address: string, folder: string): Record<string, string> {
  const sha256 = createHash('sha256').update(TOKEN).digest('hex')
  return {
    NODE_ENV: 'production',
    PORT: '0',
    KEYRING_DATABASE: join(folder, 'keyring.sqlite'),
    KEYRING_VAULT_HOST: address,
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: 'root',
    KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
    KEYRING_API_TOKENS: JSON.stringify([{ name: 'bench', sha256, grants: ['admin'] }]),
  }
}

async function compare(
  request: (typeof REQUESTS)[number],
  connections: number,
  ours: Child,
  bare: Child,
): Promise<object> {
  for (const child of [ours, bare]) await load(child, request, connections)
  const rounds: { ours: Load; bare: Load }[] = []
  for (let round = 0; round < ROUNDS; round += 1)
    rounds.push({ ours: await load(ours, request, connections), bare: await load(bare, request, connections) })
  const of = (pick: (round: { ours: Load; bare: Load }) => number) => median(rounds.map(pick))
  return {
    request: request.name,
    connections,
    'req/s': Math.round(of((round) => round.ours.perSecond)),
    'bare req/s': Math.round(of((round) => round.bare.perSecond)),
    ratio: Number(of((round) => round.ours.perSecond / round.bare.perSecond).toFixed(2)),
    'cpu µs/req': Math.round(of((round) => round.ours.cpuUs)),
    'bare cpu µs/req': Math.round(of((round) => round.bare.cpuUs)),
  }
}

interface Load {
  readonly perSecond: number
  readonly cpuUs: number
}

async function load(
  child: Child,
  { method, path, ...rest }: (typeof REQUESTS)[number],
  connections: number,
): Promise<Load> {
  const before = child.cpuMs()
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const body = 'body' in rest ? { body: rest.body } : {}
  const result = await autocannon({
    url: `http://${child.address}${path}`,
    method,
    headers,
    ...body,
    connections,
    duration: SECONDS,
  })
  if (result.non2xx + result.errors > 0) throw new Error(`${path}: ${result.non2xx} refused, ${result.errors} failed`)
  const total = result.requests.total
  return { perSecond: total / result.duration, cpuUs: ((child.cpuMs() - before) * 1000) / total }
}
