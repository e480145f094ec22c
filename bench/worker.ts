/** The Worker on the bare runtime beside a bare Hono Worker, and how often its object was called. */
import { join } from 'node:path'
import { startDevVault } from '../functions/dev-vault/server.ts'
import type { Service } from '../test/support/workerd.ts'
import { startWorkerd } from '../test/support/workerd.ts'
import { cpuMs } from './child.ts'
import type { Server } from './compare.ts'
import { ENCRYPT, LIST, SEED, answerOf, compare, settings } from './compare.ts'
import type { Options, Row } from './measure.ts'
import { tempFolder, wanted, withEnds } from './measure.ts'

/** Nothing runs the schedule here. */
const SYNC = { name: 'sync', method: 'POST', path: '/keyring/vault/sync' } as const
/** The ratios that are wanted, by the number of connections. */
const GOALS = [
  { request: ENCRYPT, goals: { 1: 0.55, 32: 0.35 } },
  { request: LIST, goals: { 1: 0.5, 32: 0.2 } },
] as const

export function benchWorker({ seconds }: Options): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const vault = await startDevVault({ port: 0, dataFile: null, seed: SEED })
    onEnd(vault.close)
    const run = async (service: Service): Promise<Server & { url: string }> => {
      const running = await startWorkerd(tempFolder(onEnd), [service])
      onEnd(() => running.kill())
      const url = running.url(service.name)
      return { url, address: new URL(url).host, cpuMs: () => cpuMs(running.process.pid) }
    }
    const [ours, counted] = [await run(worker(vault.address, OURS)), await run(worker(vault.address, COUNTED))]
    for (const each of [ours, counted]) await answerOf(each, SYNC)
    const [listed, encrypted] = [await answerOf(ours, LIST), await answerOf(ours, ENCRYPT)]
    const bare = await run({
      name: 'bare',
      entry: join(import.meta.dirname, 'bare-worker.ts'),
      texts: { LISTED: listed, ENCRYPTED: encrypted },
    })
    const hop = await run({
      name: 'hop',
      entry: join(import.meta.dirname, 'hop-worker.ts'),
      texts: { LISTED: listed },
      objectClass: 'HopObject',
      objects: { HOP_OBJECT: ['HopObject', 'hop'] },
    })
    const rows: Row[] = []
    for (const { request, goals } of GOALS) {
      const calls = await objectCalls(counted, request)
      for (const connections of [1, 32] as const) {
        // A fresh snapshot: no refresh falls into the measurement.
        await answerOf(ours, SYNC)
        const row = await compare({ request, connections, seconds, goal: goals[connections] }, ours, bare)
        rows.push({
          ...row,
          'object calls for 100': calls,
          ...(request === ENCRYPT && calls > 0 && wanted('no object call', false)),
        })
      }
    }
    for (const connections of [1, 32] as const) {
      const row = await compare({ request: LIST, connections, seconds, goal: null }, hop, bare)
      rows.push({ ...row, request: 'one bare hop' })
    }
    return rows
  })
}

const OURS = '../functions/cloudflare/worker.ts'
/** That of the tests, whose object counts. */
const COUNTED = '../test/workerd/worker.ts'

const worker = (vault: string, entry: string): Service => ({
  name: 'main',
  entry: join(import.meta.dirname, entry),
  objectClass: 'KeyringObject',
  objects: { KEYRING_OBJECT: ['KeyringObject', 'main'] },
  texts: settings(vault),
})

async function objectCalls(
  counted: Server & { url: string },
  request: Parameters<typeof answerOf>[1],
): Promise<number> {
  const sinceLast = async () => {
    const response = await fetch(`${counted.url}/object/calls`, { method: 'POST', body: 'null' })
    return ((await response.json()) as string[]).length
  }
  await sinceLast()
  for (let times = 0; times < 100; times += 1) await answerOf(counted, request)
  return sinceLast()
}
