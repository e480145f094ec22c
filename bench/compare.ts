/** Requests a second beside a bare handler: warmed up, then five interleaved rounds, the median of their ratios. */
import { createHash } from 'node:crypto'
import autocannon from 'autocannon'
import type { Child } from './child.ts'
import type { Row } from './measure.ts'
import { median, rounded, wanted } from './measure.ts'

const ROUNDS = 5
const TOKEN = 'a-token-for-the-benchmark,-of-no-importance'
const HEADERS = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }

/** What is measured: where it listens, and the processor time that it has used. */
export type Server = Pick<Child, 'address' | 'cpuMs'>

export interface Request {
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: string
  /** Unless set, those of a caller of ours. */
  readonly headers?: Readonly<Record<string, string>>
}

export const LIST: Request = { name: 'GET /keyring', method: 'GET', path: '/keyring' }
export const ENCRYPT: Request = {
  name: 'POST encrypt',
  method: 'POST',
  path: '/keyrings/default/encrypt',
  body: JSON.stringify({ plaintext: '4111 1111 1111 1111', context: 'orders/17' }),
}

/** What every deployment needs, with the dev Vault at `address`. */
export function settings(address: string): Record<string, string> {
  const sha256 = createHash('sha256').update(TOKEN).digest('hex')
  return {
    KEYRING_VAULT_HOST: address,
    KEYRING_VAULT_MOUNT: 'secret',
    KEYRING_VAULT_PATH: 'keyring',
    KEYRING_VAULT_TOKEN: 'root',
    KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
    KEYRING_API_TOKENS: JSON.stringify([{ name: 'bench', sha256, grants: ['admin'] }]),
  }
}

export const SEED = {
  mount: 'secret',
  path: 'keyring',
  data: { id: 'second02', key: 'a key of no importance 0123456789abcdef' },
}

/** The bytes that the bare handler is to answer as well. */
export async function answerOf({ address }: Pick<Server, 'address'>, { method, path, body }: Request): Promise<string> {
  const response = await fetch(`http://${address}${path}`, { method, headers: HEADERS, body: body ?? null })
  if (!response.ok) throw new Error(`${path} answered ${response.status}`)
  return response.text()
}

export interface Task {
  readonly request: Request
  readonly connections: number
  readonly seconds: number
  /** The least ratio that is wanted; `null` = none. */
  readonly goal: number | null
}

export interface Load {
  readonly perSecond: number
  readonly cpuUs: number
}

interface Round {
  readonly ours: Load
  readonly bare: Load
}

export async function compare(task: Task, ours: Server, bare: Server): Promise<Row> {
  for (const child of [ours, bare]) await load(child, task)
  const rounds: Round[] = []
  for (let round = 0; round < ROUNDS; round += 1)
    rounds.push({ ours: await load(ours, task), bare: await load(bare, task) })
  return summary(task, rounds)
}

function summary({ request, connections, goal }: Task, rounds: readonly Round[]): Row {
  const of = (pick: (round: Round) => number) => median(rounds.map(pick))
  const ratioOf = ({ ours, bare }: Round) => ours.perSecond / bare.perSecond
  return {
    request: request.name,
    connections,
    'req/s': Math.round(of(({ ours }) => ours.perSecond)),
    'bare req/s': Math.round(of(({ bare }) => bare.perSecond)),
    'cpu µs/req': Math.round(of(({ ours }) => ours.cpuUs)),
    'bare cpu µs/req': Math.round(of(({ bare }) => bare.cpuUs)),
    'ratio per round': rounds.map((round) => ratioOf(round).toFixed(2)).join(' '),
    ratio: rounded(of(ratioOf), 2),
    ...(goal !== null && wanted(`ratio ≥ ${goal}`, of(ratioOf) >= goal)),
  }
}

export async function load(child: Server, { request, connections, seconds }: Omit<Task, 'goal'>): Promise<Load> {
  const { method, path, body, headers = HEADERS } = request
  const before = child.cpuMs()
  const result = await autocannon({
    url: `http://${child.address}${path}`,
    method,
    headers,
    ...(body !== undefined && { body }),
    connections,
    duration: seconds,
  })
  if (result.non2xx + result.errors > 0) throw new Error(`${path}: ${result.non2xx} refused, ${result.errors} failed`)
  const total = result.requests.total
  return { perSecond: total / result.duration, cpuUs: ((child.cpuMs() - before) * 1000) / total }
}
