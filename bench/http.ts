/** Requests a second beside a bare Hono handler: warmed up, then five interleaved rounds, the median of their ratios. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import autocannon from 'autocannon'
import { startDevVault } from '../functions/dev-vault/server.ts'
import type { Child } from './child.ts'
import { startChild } from './child.ts'
import type { Options, Row } from './measure.ts'
import { median, rounded, tempFolder, wanted, withEnds } from './measure.ts'

const ROUNDS = 5
const MIN_RATIO = 0.7
const TOKEN = 'a-token-for-the-benchmark,-of-no-importance'
const HEADERS = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }

interface Request {
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: string
}

const LIST: Request = { name: 'GET /keyring', method: 'GET', path: '/keyring' }
const ENCRYPT: Request = {
  name: 'POST encrypt',
  method: 'POST',
  path: '/keyrings/default/encrypt',
  body: JSON.stringify({ plaintext: '4111 1111 1111 1111', context: 'orders/17' }),
}

export function benchHttp({ seconds }: Options): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const folder = tempFolder(onEnd)
    const vault = await startDevVault({
      port: 0,
      dataFile: null,
      seed: {
        mount: 'secret',
        path: 'keyring',
        data: { id: 'second02', key: 'a key of no importance 0123456789abcdef' },
      },
    })
    onEnd(vault.close)
    const ours = await startChild({
      file: join(import.meta.dirname, '../functions/node/server.ts'),
      env: settings(vault.address, folder),
      cwd: folder,
    })
    onEnd(ours.stop)
    const args = [await answerOf(ours, LIST), await answerOf(ours, ENCRYPT)]
    const bare = await startChild({ file: join(import.meta.dirname, 'bare.ts'), args, cwd: folder })
    onEnd(bare.stop)
    const rows: Row[] = []
    for (const request of [LIST, ENCRYPT])
      for (const connections of [32, 1]) rows.push(await compare({ request, connections, seconds }, ours, bare))
    return rows
  })
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

/** The bytes that the bare handler is to answer as well. */
async function answerOf({ address }: Child, { method, path, body }: Request): Promise<string> {
  const response = await fetch(`http://${address}${path}`, { method, headers: HEADERS, body: body ?? null })
  if (!response.ok) throw new Error(`${path} answered ${response.status}`)
  return response.text()
}

interface Task {
  readonly request: Request
  readonly connections: number
  readonly seconds: number
}

interface Load {
  readonly perSecond: number
  readonly cpuUs: number
}

interface Round {
  readonly ours: Load
  readonly bare: Load
}

async function compare(task: Task, ours: Child, bare: Child): Promise<Row> {
  for (const child of [ours, bare]) await load(child, task)
  const rounds: Round[] = []
  for (let round = 0; round < ROUNDS; round += 1)
    rounds.push({ ours: await load(ours, task), bare: await load(bare, task) })
  return summary(task, rounds)
}

function summary({ request, connections }: Task, rounds: readonly Round[]): Row {
  const of = (pick: (round: Round) => number) => median(rounds.map(pick))
  const ratioOf = ({ ours, bare }: Round) => ours.perSecond / bare.perSecond
  const hasGoal = request === LIST && connections === 32
  return {
    request: request.name,
    connections,
    'req/s': Math.round(of(({ ours }) => ours.perSecond)),
    'bare req/s': Math.round(of(({ bare }) => bare.perSecond)),
    'cpu µs/req': Math.round(of(({ ours }) => ours.cpuUs)),
    'bare cpu µs/req': Math.round(of(({ bare }) => bare.cpuUs)),
    'ratio per round': rounds.map((round) => ratioOf(round).toFixed(2)).join(' '),
    ratio: rounded(of(ratioOf), 2),
    ...(hasGoal && wanted(`ratio ≥ ${MIN_RATIO}`, of(ratioOf) >= MIN_RATIO)),
  }
}

async function load(child: Child, { request, connections, seconds }: Task): Promise<Load> {
  const { method, path, body } = request
  const before = child.cpuMs()
  const result = await autocannon({
    url: `http://${child.address}${path}`,
    method,
    headers: HEADERS,
    ...(body !== undefined && { body }),
    connections,
    duration: seconds,
  })
  if (result.non2xx + result.errors > 0) throw new Error(`${path}: ${result.non2xx} refused, ${result.errors} failed`)
  const total = result.requests.total
  return { perSecond: total / result.duration, cpuUs: ((child.cpuMs() - before) * 1000) / total }
}
