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
  body: JSON.stringify(plain(0)),
}

/** A value of 32 bytes. */
function plain(index: number) {
  return { plaintext: `4111 1111 1111 1111 ${String(index).padStart(12, '0')}`, context: 'orders/17' }
}

export const encryptBatch = (items: number): Request => ({
  ...ENCRYPT,
  name: `POST encrypt, ${items} items`,
  body: JSON.stringify({ items: Array.from({ length: items }, (_, index) => plain(index)) }),
})

/** Decrypts what `server` has encrypted. */
export async function decryptOf(server: Pick<Server, 'address'>, items: number | null = null): Promise<Request> {
  const answer = JSON.parse(await answerOf(server, items === null ? ENCRYPT : encryptBatch(items))) as Made & {
    readonly items?: readonly Made[]
  }
  const asked = ({ ciphertext }: Made) => ({ ciphertext, context: 'orders/17' })
  return {
    name: items === null ? 'POST decrypt' : `POST decrypt, ${items} items`,
    method: 'POST',
    path: '/keyrings/default/decrypt',
    body: JSON.stringify(answer.items === undefined ? asked(answer) : { items: answer.items.map(asked) }),
  }
}

interface Made {
  readonly ciphertext: string
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
  /** What the bare handler is asked, where that differs. */
  readonly bareRequest?: Request
  /** Values in one request: processor time is given, and wanted, for each. */
  readonly items?: number
  /** The most processor time that is wanted, in microseconds. */
  readonly cpuGoal?: number
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
  const bareTask = { ...task, request: task.bareRequest ?? task.request }
  await load(ours, task)
  await load(bare, bareTask)
  const rounds: Round[] = []
  for (let round = 0; round < ROUNDS; round += 1)
    rounds.push({ ours: await load(ours, task), bare: await load(bare, bareTask) })
  return summary(task, rounds)
}

function summary({ request, connections, goal, items, cpuGoal }: Task, rounds: readonly Round[]): Row {
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
    ...(items !== undefined && { 'cpu µs/item': rounded(of(({ ours }) => ours.cpuUs) / items, 1) }),
    ...goals(
      goal !== null && [`ratio ≥ ${goal}`, of(ratioOf) >= goal],
      cpuGoal !== undefined && [`cpu ≤ ${cpuGoal} µs`, of(({ ours }) => ours.cpuUs) / (items ?? 1) <= cpuGoal],
    ),
  }
}

function goals(...all: readonly (false | readonly [string, boolean])[]): Row {
  const set = all.filter((goal) => goal !== false)
  return set.length === 0
    ? {}
    : wanted(
        set.map(([what]) => what).join(', '),
        set.every(([, isMet]) => isMet),
      )
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
