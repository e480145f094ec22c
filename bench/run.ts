/**
 * `npm run bench`, or some parts: `npm run bench -- http --seconds 3`, `npm run bench -- soak --requests 10000000`. Prints tables with the goal of
 * each row, then which goals are not met; writes bench/results/latest.json.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { benchHttp } from './http.ts'
import { benchLambda } from './lambda.ts'
import type { Options, Part, Row } from './measure.ts'
import { benchLibrary } from './library.ts'
import { benchPeers } from './peers.ts'
import { benchRecord } from './record.ts'
import { benchReferences } from './references.ts'
import { benchResolve } from './resolve.ts'
import { benchRewrap } from './rewrap.ts'
import { benchSoak } from './soak.ts'
import { benchStart } from './start.ts'
import { benchSync } from './sync.ts'
import { benchValues } from './values.ts'
import { benchWorker } from './worker.ts'
import { benchTls } from './tls.ts'

const PARTS: Readonly<Record<string, Part>> = {
  values: benchValues,
  peers: benchPeers,
  library: benchLibrary,
  http: benchHttp,
  worker: benchWorker,
  soak: benchSoak,
  sync: benchSync,
  record: benchRecord,
  start: benchStart,
  lambda: benchLambda,
  references: benchReferences,
  resolve: benchResolve,
  rewrap: benchRewrap,
  tls: benchTls,
}
const MAX_SECONDS = 30
const [LEAST_REQUESTS, MAX_REQUESTS] = [1000, 100_000_000]
/** Milliseconds for everything beside the rounds of load; what hangs longer is ended. */
const REST_MS = 10 * 60_000
/** Rounds of load in one run, with those that warm up. */
const LOADS = 360
/** Milliseconds for a request of the soak. */
const REQUEST_MS = 0.5

function asked(): { names: readonly string[]; options: Options } {
  const { values, positionals } = parseArgs({
    options: { seconds: { type: 'string', default: '1' }, requests: { type: 'string', default: '200000' } },
    allowPositionals: true,
  })
  const unknown = positionals.find((name) => !Object.hasOwn(PARTS, name))
  if (unknown !== undefined)
    throw new Error(`There is no part "${unknown}"; there are ${Object.keys(PARTS).join(', ')}.`)
  const seconds = whole('seconds', values.seconds, 1, MAX_SECONDS)
  const requests = whole('requests', values.requests, LEAST_REQUESTS, MAX_REQUESTS)
  return { names: positionals.length > 0 ? positionals : Object.keys(PARTS), options: { seconds, requests } }
}

function whole(option: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new Error(`--${option} is a whole number from ${least} to ${most}.`)
}

/** Children end with this process. */
function endInTime({ seconds, requests }: Options): void {
  const stop = (why: string) => {
    console.error(why)
    process.exit(1)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(signal))
  const mostMs = LOADS * seconds * 1000 + requests * REQUEST_MS + REST_MS
  setTimeout(() => stop('The benchmarks hang.'), mostMs).unref()
}

function save(options: Options, results: Readonly<Record<string, Row[]>>): void {
  const folder = join(import.meta.dirname, 'results')
  const machine = { node: process.version, cpus: cpus().length, cpu: cpus()[0]?.model ?? 'unknown' }
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'latest.json'),
    `${JSON.stringify({ time: new Date().toISOString(), ...machine, ...options, results }, null, 2)}\n`,
  )
}

/** Of which row it is, its first texts say. */
function tellGoals(results: Readonly<Record<string, Row[]>>): void {
  const withGoal = Object.entries(results)
    .flatMap(([part, rows]) => rows.map((row) => ({ part, row })))
    .filter(({ row }) => (row['met'] ?? '') !== '')
  const missed = withGoal.filter(({ row }) => row['met'] !== 'yes')
  const load = loadavg().map((average) => average.toFixed(1))
  console.log(`\n${cpus().length} cores, load averages ${load.join(', ')}.`)
  console.log(`${withGoal.length - missed.length} of ${withGoal.length} rows with a goal meet it.`)
  for (const { part, row } of missed)
    console.log(
      `${part}: ${Object.values(row).slice(0, 2).join(', ')}: ${row['met'] === 'NO' ? `NO: ${row['wanted']}` : row['met']}`,
    )
}

const { names, options } = asked()
endInTime(options)
const results: Record<string, Row[]> = {}
for (const [name, part] of Object.entries(PARTS)) {
  if (!names.includes(name)) continue
  console.log(`\n${name}`)
  const rows = (results[name] = await part(options))
  console.table(rows)
}
save(options, results)
tellGoals(results)
