/** Servers side by side: one round of load that warms up, seven interleaved ones, and the medians of what each needed for a value. */
import autocannon from 'autocannon'
import type { Row } from './measure.ts'
import { allWanted, median, percentile, rounded } from './measure.ts'
import type { Request, Server } from './requests.ts'

const ROUNDS = 7

export interface Task {
  readonly request: Request
  readonly connections: number
  readonly seconds: number
  /** Values in one request: figures but for latency are of one value. */
  readonly items?: number | null
}

/** Who does the same work, and what is wanted of us beside it. */
export interface Other {
  readonly beside: string
  readonly server: Server
  readonly request: Request
  readonly goals?: Goals
}

interface Goals {
  /** So many times as many a second, at least. */
  readonly ratio?: number
  /** This part of their processor time, at most. */
  readonly cpuRatio?: number
  /** Microseconds of processor time, at most. */
  readonly cpuUs?: number
  /** The 99th percentile of latency no worse than theirs. */
  readonly p99?: boolean
}

interface Load {
  readonly perSecond: number
  readonly cpuUs: number
  readonly p50: number
  readonly p99: number
}

interface Round {
  readonly ours: Load
  readonly theirs: Load
}

export async function sideBySide(task: Task, ours: Server, others: readonly Other[]): Promise<Row[]> {
  const rounds = others.map((): Round[] => [])
  for (let round = 0; round <= ROUNDS; round += 1) {
    const own = await load(ours, task)
    for (const [at, { server, request }] of others.entries()) {
      const theirs = await load(server, { ...task, request })
      if (round > 0) rounds[at]?.push({ ours: own, theirs })
    }
  }
  return others.map((other, at) => summary(task, other, rounds[at] ?? []))
}

function summary({ request, connections }: Task, { beside, goals = {} }: Other, rounds: readonly Round[]): Row {
  const own = (figure: keyof Load) => median(rounds.map(({ ours }) => ours[figure]))
  const their = (figure: keyof Load) => median(rounds.map(({ theirs }) => theirs[figure]))
  const ratios = (figure: keyof Load) => rounds.map(({ ours, theirs }) => ours[figure] / theirs[figure])
  const [ratio, cpuRatio, p99Ratio] = [median(ratios('perSecond')), median(ratios('cpuUs')), median(ratios('p99'))]
  return {
    request: request.name,
    beside,
    connections,
    'a second': Math.round(own('perSecond')),
    theirs: Math.round(their('perSecond')),
    'cpu µs': rounded(own('cpuUs'), 1),
    'their cpu µs': rounded(their('cpuUs'), 1),
    'p50, p99 ms': `${own('p50').toFixed(1)}, ${own('p99').toFixed(1)}`,
    'their p50, p99 ms': `${their('p50').toFixed(1)}, ${their('p99').toFixed(1)}`,
    'ratio by round': ratios('perSecond')
      .map((one) => one.toFixed(2))
      .join(' '),
    ratio: rounded(ratio, 2),
    'cpu ratio': rounded(cpuRatio, 2),
    ...allWanted([
      goals.ratio !== undefined && [`ratio ≥ ${goals.ratio}`, ratio >= goals.ratio],
      goals.cpuRatio !== undefined && [`cpu ratio ≤ ${goals.cpuRatio}`, cpuRatio <= goals.cpuRatio],
      goals.cpuUs !== undefined && [`cpu ≤ ${goals.cpuUs} µs`, own('cpuUs') <= goals.cpuUs],
      goals.p99 === true && ['p99 ≤ theirs', p99Ratio <= 1],
    ]),
  }
}

async function load(server: Server, { request, connections, seconds, items }: Task): Promise<Load> {
  const { path } = request
  const latencies: number[] = []
  const before = server.cpuMs()
  const result = await cannon(server, [request], { connections, duration: seconds }, (ms) => latencies.push(ms))
  const cpuMs = server.cpuMs() - before
  if (result.non2xx + result.errors > 0) throw new Error(`${path}: ${result.non2xx} refused, ${result.errors} failed`)
  const values = latencies.length * (items ?? 1)
  return {
    perSecond: values / result.duration,
    cpuUs: (cpuMs * 1000) / values,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
  }
}

/** The requests in turns, on each connection. Its own histograms are of whole milliseconds. */
export function cannon(
  { address }: Server,
  requests: readonly Request[],
  limits: Pick<autocannon.Options, 'connections' | 'duration' | 'amount'>,
  onAnswer: (ms: number) => void = () => {},
): Promise<autocannon.Result> {
  const url = `http://${address}`
  return new Promise((resolve, reject) => {
    const instance = autocannon(
      { ...limits, url, requests: requests.map((request) => ({ ...request })) },
      (error, result) => (error === null || error === undefined ? resolve(result) : reject(error)),
    )
    instance.on('response', (_client, _status, _bytes, ms) => onAnswer(ms))
  })
}
