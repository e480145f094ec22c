/** Measures starts up to the first answered request, beside the bare server's, and the memory that is held then and once it is configured. */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import { startDevVault } from '../functions/dev-vault/server.ts'
import { buildNode } from '../tools/build-node.ts'
import { startChild } from './child.ts'
import type { Child, Program } from './child.ts'
import type { Row } from './measure.ts'
import { median, rounded, tempFolder, wanted, withEnds } from './measure.ts'

const RUNS = 9
const ANSWER_MS = 5000
const MOST_TIMES_BARE = 1.8
const MOST_MIB = 80
/** What is compiled in the background is there by then, in milliseconds. */
const SETTLED_MS = 1500
const ROOT = join(import.meta.dirname, '..')

interface Run {
  readonly ms: number
  readonly cpuMs: number
  readonly MiB: number
}

type Server = Pick<Program, 'file' | 'args' | 'listening'> & {
  readonly path: string
  readonly env?: () => Promise<Readonly<Record<string, string>>>
}

const DEPLOYED = {
  NODE_ENV: 'production',
  PORT: '0',
  KEYRING_DATABASE: 'keyring.sqlite',
  KEYRING_VAULT_MOUNT: 'secret',
  KEYRING_VAULT_PATH: 'keyring',
  KEYRING_WRAPPING_KEYS: `w1:${Buffer.alloc(32, 1).toString('base64')}`,
  KEYRING_API_TOKEN: 'of-no-importance',
}
/** Nothing is asked, so that a start is measured and no Vault. */
const PUSHED = { ...DEPLOYED, KEYRING_STRATEGY: 'push', KEYRING_VAULT_HOST: 'https://vault.example' }

export function benchStart(): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const folder = tempFolder(onEnd)
    await buildNode(folder)
    const bare = join(folder, 'bare.mjs')
    const entry = join(ROOT, 'bench/bare.ts')
    await build({ entryPoints: [entry], outfile: bare, bundle: true, minify: true, format: 'esm', platform: 'node' })
    const vault = await startDevVault({
      port: 0,
      dataFile: null,
      seed: { mount: 'secret', path: 'keyring', data: { id: 'first001', key: 'k'.repeat(32) } },
    })
    onEnd(() => vault.close())
    const file = join(folder, 'server.mjs')
    const path = '/healthz'
    const asking = { ...DEPLOYED, KEYRING_VAULT_HOST: vault.address, KEYRING_VAULT_TOKEN: 'root' }
    const servers: Readonly<Record<string, Server>> = {
      'bare, built': { file: bare, args: ['x'], path: '/keyring' },
      'built, idle': { file, path, env: async () => PUSHED },
      'built, configured': { file, path, env: async () => asking },
      'npm start': {
        file: join(ROOT, 'functions/node/server.ts'),
        path,
        listening: /listening +http:\/\/(\S+)/,
        env: async () => ({ PORT: '0', KEYRING_DEV_VAULT_PORT: String(await freePort()) }),
      },
    }
    const runs = new Map<string, Run[]>(Object.keys(servers).map((name) => [name, []]))
    for (let run = 0; run < RUNS; run += 1)
      for (const [name, server] of Object.entries(servers)) runs.get(name)?.push(await once(server))
    const bares = runs.get('bare, built') ?? []
    return [...runs].map(([name, each]) => row(name, each, bares))
  })
}

function row(what: string, runs: readonly Run[], bares: readonly Run[]): Row {
  const of = (each: readonly Run[], pick: (run: Run) => number) => median(each.map(pick))
  // It is counted in hundredths of a second, which a mean evens out.
  const cpu = (each: readonly Run[]) => each.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / each.length
  const times = cpu(runs) / cpu(bares)
  const MiB = of(runs, (run) => run.MiB)
  return {
    what,
    runs: runs.length,
    'first answer ms': Math.round(of(runs, ({ ms }) => ms)),
    'ms per run': runs.map(({ ms }) => Math.round(ms)).join(' '),
    'CPU ms': Math.round(cpu(runs)),
    'times bare': rounded(times, 2),
    'resident MiB': rounded(MiB, 1),
    ...goal(what, times, MiB),
  }
}

function goal(what: string, times: number, MiB: number): Row {
  if (what === 'built, idle')
    return wanted('CPU ≤ 1.8 times bare, ≤ 80 MiB', times <= MOST_TIMES_BARE && MiB <= MOST_MIB)
  return what === 'built, configured' ? wanted('≤ 80 MiB', MiB <= MOST_MIB) : {}
}

/** In a new folder each: settings, database and dev Vault are made anew. */
function once({ file, args, path, listening, env = async () => ({}) }: Server): Promise<Run> {
  return withEnds(async (onEnd) => {
    const cwd = tempFolder(onEnd)
    const program = { file, ...(args && { args }), cwd, env: await env() }
    const began = performance.now()
    const child = await startChild(listening === undefined ? program : { ...program, stdout: 'pipe', listening })
    onEnd(child.stop)
    const response = await fetch(`http://${child.address}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) })
    await response.text()
    if (!response.ok) throw new Error(`${path} answered ${response.status}`)
    const ms = performance.now() - began
    return { ms, cpuMs: child.cpuMs(), MiB: await settledMiB(child) }
  })
}

async function settledMiB(child: Child): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, SETTLED_MS))
  return child.memoryMiB()
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
