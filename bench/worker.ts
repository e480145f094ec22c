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
/** By connections. */
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
    const ours = await run(worker(vault.address))
    await answerOf(ours, SYNC)
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
    for (const { request, goals } of GOALS)
      for (const connections of [1, 32] as const) {
        // A fresh snapshot: no refresh falls into the measurement.
        await answerOf(ours, SYNC)
        await objectCalls(ours)
        const row = await compare({ request, connections, seconds, goal: goals[connections] }, ours, bare)
        const calls = await objectCalls(ours)
        rows.push({
          ...row,
          'object calls': calls,
          ...(request === ENCRYPT && calls > 0 && wanted('no object call', false)),
        })
      }
    for (const connections of [1, 32] as const) {
      const row = await compare({ request: LIST, connections, seconds, goal: null }, hop, bare)
      rows.push({ ...row, request: 'one bare hop' })
    }
    return rows
  })
}

/** That of the tests, whose object counts. */
const worker = (vault: string): Service => ({
  name: 'main',
  entry: join(import.meta.dirname, '../test/workerd/worker.ts'),
  objectClass: 'KeyringObject',
  objects: { KEYRING_OBJECT: ['KeyringObject', 'main'] },
  texts: settings(vault),
})

async function objectCalls({ url }: { readonly url: string }): Promise<number> {
  const response = await fetch(`${url}/object/calls`, { method: 'POST', body: 'null' })
  return ((await response.json()) as string[]).length
}
