/** The Node server beside a bare Hono handler on the same server, with the same JSON and AES-GCM where values are used. */
import { join } from 'node:path'
import { startDevVault } from '../functions/dev-vault/server.ts'
import { startChild } from './child.ts'
import type { Task } from './compare.ts'
import { ENCRYPT, LIST, SEED, answerOf, compare, decryptOf, encryptBatch, settings } from './compare.ts'
import type { Options, Row } from './measure.ts'
import { tempFolder, withEnds } from './measure.ts'

const MIN_RATIO = 0.7
/** Microseconds of processor time: for a value of 32 bytes, and for an item of a batch. */
const [MOST_CPU, MOST_CPU_ITEM] = [75, 6]

export function benchHttp({ seconds }: Options): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const folder = tempFolder(onEnd)
    const vault = await startDevVault({ port: 0, dataFile: null, seed: SEED })
    onEnd(vault.close)
    const ours = await startChild({
      file: join(import.meta.dirname, '../functions/node/server.ts'),
      env: {
        ...settings(vault.address),
        NODE_ENV: 'production',
        PORT: '0',
        KEYRING_DATABASE: join(folder, 'keyring.sqlite'),
      },
      cwd: folder,
    })
    onEnd(ours.stop)
    const args = [await answerOf(ours, LIST)]
    const bare = await startChild({ file: join(import.meta.dirname, 'bare.ts'), args, cwd: folder })
    onEnd(bare.stop)
    const tasks: Omit<Task, 'seconds'>[] = [
      { request: LIST, connections: 32, goal: MIN_RATIO },
      { request: LIST, connections: 1, goal: null },
      { request: ENCRYPT, connections: 32, goal: MIN_RATIO, cpuGoal: MOST_CPU },
      { request: ENCRYPT, connections: 1, goal: null },
    ]
    const decrypts = async (items: number | null) => ({
      request: await decryptOf(ours, items),
      bareRequest: await decryptOf(bare, items),
    })
    tasks.push({ ...(await decrypts(null)), connections: 32, goal: MIN_RATIO, cpuGoal: MOST_CPU })
    for (const items of [100, 1000])
      for (const asked of [{ request: encryptBatch(items) }, await decrypts(items)])
        tasks.push({ ...asked, items, connections: 4, goal: null, cpuGoal: MOST_CPU_ITEM })
    const rows: Row[] = []
    for (const task of tasks) rows.push(await compare({ ...task, seconds }, ours, bare))
    return rows
  })
}
