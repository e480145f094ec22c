/** The Node server beside a bare Hono handler on the same server. */
import { join } from 'node:path'
import { startDevVault } from '../functions/dev-vault/server.ts'
import { startChild } from './child.ts'
import { ENCRYPT, LIST, SEED, answerOf, compare, settings } from './compare.ts'
import type { Options, Row } from './measure.ts'
import { tempFolder, withEnds } from './measure.ts'

const MIN_RATIO = 0.7

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
    const args = [await answerOf(ours, LIST), await answerOf(ours, ENCRYPT)]
    const bare = await startChild({ file: join(import.meta.dirname, 'bare.ts'), args, cwd: folder })
    onEnd(bare.stop)
    const rows: Row[] = []
    for (const request of [LIST, ENCRYPT])
      for (const connections of [32, 1]) {
        const goal = request === LIST && connections === 32 ? MIN_RATIO : null
        rows.push(await compare({ request, connections, seconds, goal }, ours, bare))
      }
    return rows
  })
}
