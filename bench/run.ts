/** `npm run bench`, or some parts: `npm run bench -- http --seconds 1`. Prints tables, writes bench/results/latest.json. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { benchHttp } from './http.ts'
import { benchLambda } from './lambda.ts'
import type { Options, Part, Row } from './measure.ts'
import { benchLibrary } from './library.ts'
import { benchRecord } from './record.ts'
import { benchReferences } from './references.ts'
import { benchResolve } from './resolve.ts'
import { benchRewrap } from './rewrap.ts'
import { benchStart } from './start.ts'
import { benchSync } from './sync.ts'
import { benchValues } from './values.ts'
import { benchWorker } from './worker.ts'
import { benchTls } from './tls.ts'

const PARTS: Readonly<Record<string, Part>> = {
  values: benchValues,
  library: benchLibrary,
  http: benchHttp,
  worker: benchWorker,
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
/** Milliseconds for everything beside the rounds of load; what hangs longer is ended. */
const REST_MS = 5 * 60_000
/** Rounds of load in one run, with those that warm up. */
const LOADS = 96

function asked(): { names: readonly string[]; options: Options } {
  const { values, positionals } = parseArgs({
    options: { seconds: { type: 'string', default: '3' } },
    allowPositionals: true,
  })
  const seconds = Number(values.seconds)
  const unknown = positionals.find((name) => !Object.hasOwn(PARTS, name))
  if (unknown !== undefined)
    throw new Error(`There is no part "${unknown}"; there are ${Object.keys(PARTS).join(', ')}.`)
  if (!(Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_SECONDS))
    throw new Error(`--seconds is a whole number from 1 to ${MAX_SECONDS}.`)
  return { names: positionals.length > 0 ? positionals : Object.keys(PARTS), options: { seconds } }
}

/** Children end with this process. */
function endInTime({ seconds }: Options): void {
  const stop = (why: string) => {
    console.error(why)
    process.exit(1)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(signal))
  setTimeout(() => stop('The benchmarks hang.'), LOADS * seconds * 1000 + REST_MS).unref()
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
