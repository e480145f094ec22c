/** The cold start of the HTTP function with one read of DynamoDB, beside a bare handler: whole processes, in turns. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { PLAIN_SYNC, authorityOn, world, wrappingKey } from '../test/support/authority.ts'
import { eventOf } from '../test/support/lambda/cloud.ts'
import { awsEnvironment, createTable, startDynalite, storeOn } from '../test/support/lambda/table.ts'
import { buildLambda } from '../tools/build-lambda.ts'
import type { Row } from './measure.ts'
import { median, rounded, tempFolder, wanted, withEnds } from './measure.ts'

const RUNS = 41
/** Times the bare handler, and KiB: decision 9. */
const MOST = 1.25
const MOST_KIB = 40
const TOKEN = 'of-no-importance'
const run = promisify(execFile)

/** Time from the start of the process to its answer, in milliseconds. */
interface Taken {
  readonly wall: number
  readonly cpu: number
}

/** As Lambda: import, one event, one answer. */
const program = (bundle: string, event: object): string => `
  import { handler } from './${bundle}.mjs'
  const answer = await handler(${JSON.stringify(event)}, { getRemainingTimeInMillis: () => 29000 })
  const { user, system } = process.cpuUsage()
  if (answer.statusCode !== 200) throw new Error(answer.body)
  console.log(JSON.stringify({ wall: performance.now(), cpu: (user + system) / 1000 }))
  process.exit()
`

const request = (method: string, url: string, body: string) => {
  const headers = { 'kong-admin-token': TOKEN, 'content-type': 'application/json' }
  return eventOf({ method, url, headers }, Buffer.from(body))
}

export function benchLambda(): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const folder = tempFolder(onEnd)
    const server = await startDynalite()
    onEnd(() => server.close())
    const env = await environment(server.endpoint)
    const http = await buildLambda('http', folder)
    await buildBare(folder)
    const encrypt = request('POST', '/keyrings/default/encrypt', '{"plaintext":"of no importance"}')
    const programs = {
      bare: program('bare', {}),
      list: program('http', request('GET', '/keyring', '')),
      encrypt: program('http', encrypt),
    }
    for (const [name, text] of Object.entries(programs)) writeFileSync(join(folder, `run-${name}.mjs`), text)
    const taken = await inTurns(Object.keys(programs), (name) => once(join(folder, `run-${name}.mjs`), env))
    return [
      { what: 'bundle, gzipped KiB', ...sized(http.start.gzipped / 1024) },
      ...['list', 'encrypt'].flatMap((name) => compared(name, taken.get(name) ?? [], taken.get('bare') ?? [])),
    ]
  })
}

const sized = (KiB: number): Row => ({ value: rounded(KiB, 1), ...wanted(`≤ ${MOST_KIB}`, KiB <= MOST_KIB) })

/** A keyring of three keys. */
async function environment(endpoint: string): Promise<Record<string, string>> {
  const table = await createTable(endpoint)
  const synced = await authorityOn(world(['a:1', 'b:2', 'c:3'], storeOn(endpoint, table)), [wrappingKey('w1', 1)]).sync(
    'default',
    PLAIN_SYNC,
  )
  if (!synced.ok) throw new Error(synced.error.message)
  const sha256 = createHash('sha256').update(TOKEN).digest('hex')
  return {
    ...awsEnvironment(endpoint),
    KEYRING_TABLE: table,
    KEYRING_SYNC_FUNCTION: 'sync',
    KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
    KEYRING_API_TOKENS: JSON.stringify([{ name: 'admin', sha256, grants: ['admin'] }]),
  }
}

const buildBare = (folder: string) =>
  build({
    entryPoints: [join(import.meta.dirname, 'bare-lambda.ts')],
    outfile: join(folder, 'bare.mjs'),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
  })

/** The first round warms the disk. */
async function inTurns(
  names: readonly string[],
  measure: (name: string) => Promise<Taken>,
): Promise<Map<string, Taken[]>> {
  const taken = new Map<string, Taken[]>(names.map((name) => [name, []]))
  for (let round = 0; round <= RUNS; round += 1) {
    for (const name of names) {
      const one = await measure(name)
      if (round > 0) taken.get(name)?.push(one)
    }
  }
  return taken
}

async function once(file: string, env: Record<string, string>): Promise<Taken> {
  const { stdout } = await run(process.execPath, [file], { env, timeout: 20_000 })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Taken
}

function compared(name: string, ours: readonly Taken[], bare: readonly Taken[]): Row[] {
  return (['wall', 'cpu'] as const).map((kind) => {
    const [own, other] = [median(ours.map((one) => one[kind])), median(bare.map((one) => one[kind]))]
    return {
      what: `${name}, ${kind} ms`,
      value: rounded(own, 1),
      bare: rounded(other, 1),
      ratio: rounded(own / other, 2),
      ...wanted(`≤ ${MOST}`, own / other <= MOST),
    }
  })
}
