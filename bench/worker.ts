/** The Worker on the bare runtime beside a bare Hono Worker with the same JSON and AES-GCM, and how often its object was called. */
import { join } from 'node:path'
import { startDevVault } from '../functions/dev-vault/server.ts'
import type { Service } from '../test/support/workerd.ts'
import { startWorkerd } from '../test/support/workerd.ts'
import { cpuMs } from './child.ts'
import type { Other } from './compare.ts'
import { sideBySide } from './compare.ts'
import type { Options, Row } from './measure.ts'
import { tempFolder, wanted, withEnds } from './measure.ts'
import type { Request, Server } from './requests.ts'
import { LIST, SEED, answerOf, decryptOf, encryptOf, post, settings } from './requests.ts'

type Running = Server & { readonly url: string }

/** Nothing runs the schedule here. */
const SYNC = post('/keyring/vault/sync', {})

export function benchWorker({ seconds }: Options): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const vault = await startDevVault({ port: 0, dataFile: null, seed: SEED })
    onEnd(vault.close)
    const run = async (service: Service): Promise<Running> => {
      const running = await startWorkerd(tempFolder(onEnd), [service])
      onEnd(() => running.kill())
      const url = running.url(service.name)
      return { url, address: new URL(url).host, cpuMs: () => cpuMs(running.process.pid) }
    }
    const [ours, counted] = [await run(worker(vault.address, OURS)), await run(worker(vault.address, COUNTED))]
    for (const each of [ours, counted]) await answerOf(each, SYNC)
    const texts = { LISTED: await answerOf(ours, LIST) }
    const bare = await run({ name: 'bare', entry: join(import.meta.dirname, 'bare-worker.ts'), texts })
    const hop = await run({
      name: 'hop',
      entry: join(import.meta.dirname, 'hop-worker.ts'),
      texts,
      objectClass: 'HopObject',
      objects: { HOP_OBJECT: ['HopObject', 'hop'] },
    })
    const beside = (server: Server, what: string, request: Request, ratio: number | null): Other => ({
      beside: what,
      server,
      request,
      ...(ratio !== null && { goals: { ratio } }),
    })
    const [encrypt, decrypt, bareDecrypt] = [encryptOf(null), await decryptOf(ours, null), await decryptOf(bare, null)]
    const rows: Row[] = []
    for (const connections of [1, 32]) {
      const tasks: readonly (readonly [Request, readonly Other[]])[] = [
        [encrypt, [beside(bare, 'bare Hono', encrypt, 0.8)]],
        [decrypt, [beside(bare, 'bare Hono', bareDecrypt, 0.75)]],
        [
          LIST,
          [
            beside(bare, 'bare Hono', LIST, connections === 1 ? 0.5 : 0.2),
            beside(hop, 'bare Hono, one hop', LIST, null),
          ],
        ],
      ]
      for (const [request, others] of tasks) {
        // A fresh snapshot: no refresh falls into the measurement.
        await answerOf(ours, SYNC)
        rows.push(...(await sideBySide({ request, connections, seconds }, ours, others)))
      }
    }
    for (const request of [encrypt, decrypt, LIST]) rows.push(await objectCalls(counted, request))
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

/** Within the time for which a snapshot is fresh. */
async function objectCalls(counted: Running, request: Request): Promise<Row> {
  await answerOf(counted, SYNC)
  const sinceLast = async (): Promise<number> => {
    const response = await fetch(`${counted.url}/object/calls`, { method: 'POST', body: 'null' })
    return ((await response.json()) as string[]).length
  }
  await sinceLast()
  for (let times = 0; times < 100; times += 1) await answerOf(counted, request)
  const calls = await sinceLast()
  return {
    request: `${request.name}, 100 times`,
    beside: `${calls} calls of the object`,
    ...(request !== LIST && wanted('no call of the object', calls === 0)),
  }
}
