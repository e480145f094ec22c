/** The Node server beside a bare Hono handler with the same JSON and AES-GCM, and beside OpenBao's Transit, which has no audit device. */
import { join } from 'node:path'
import { startDevVault } from '../functions/dev-vault/server.ts'
import type { Child } from './child.ts'
import { startChild } from './child.ts'
import type { Other, Task } from './compare.ts'
import { sideBySide } from './compare.ts'
import type { OnEnd, Options, Row } from './measure.ts'
import { tempFolder, withEnds } from './measure.ts'
import type { Transit } from './openbao.ts'
import { startTransit, transitDecrypt, transitEncrypt } from './openbao.ts'
import type { Items, Request, Server } from './requests.ts'
import { LIST, SEED, answerOf, decryptOf, encryptOf, settings } from './requests.ts'

const [CONNECTIONS, BATCH_CONNECTIONS] = [32, 4]
const BARE_RATIO = 0.7
/** For a value of 32 bytes, and for an item of a batch. */
const [MOST_CPU, MOST_CPU_ITEM] = [75, 6]
const BARE_GOALS = { ratio: BARE_RATIO, cpuUs: MOST_CPU }
const ROOT_GOALS = { ratio: 1.4, cpuRatio: 0.5, p99: true }
const LOGIN_GOALS = { ratio: 4, p99: true }
const LOGIN_BATCH_GOALS = { ratio: 1, p99: true }

interface Servers {
  readonly ours: Server
  readonly bare: Server
  readonly transit: Transit
}

type Asked = Pick<Task, 'request' | 'connections' | 'items'> & { readonly others: readonly Other[] }

export function benchHttp({ seconds }: Options): Promise<Row[]> {
  return withEnds(async (onEnd) => {
    const folder = tempFolder(onEnd)
    const ours = await startServer(folder, onEnd)
    const args = [await answerOf(ours, LIST)]
    const bare = await startChild({ file: join(import.meta.dirname, 'bare.ts'), args, cwd: folder })
    onEnd(bare.stop)
    const servers = { ours, bare, transit: await startTransit(onEnd) }
    const list = { beside: 'bare Hono', server: bare, request: LIST, goals: { ratio: BARE_RATIO } }
    const tasks: Asked[] = [{ request: LIST, connections: CONNECTIONS, others: [list] }]
    for (const items of [null, 100, 1000]) tasks.push(...(await ofValues(servers, items)))
    const rows: Row[] = []
    for (const { others, ...task } of tasks) rows.push(...(await sideBySide({ ...task, seconds }, ours, others)))
    return rows
  })
}

/** As the image has it: a store in a file, little room for young objects, each use in the audit log, which goes to /dev/null. */
export async function startServer(folder: string, onEnd: OnEnd): Promise<Child> {
  const vault = await startDevVault({ port: 0, dataFile: null, seed: SEED })
  onEnd(vault.close)
  const ours = await startChild({
    file: join(import.meta.dirname, '../functions/node/server.ts'),
    env: {
      ...settings(vault.address),
      NODE_ENV: 'production',
      PORT: '0',
      KEYRING_DATABASE: join(folder, 'keyring.sqlite'),
      NODE_OPTIONS: '--max-semi-space-size=4',
    },
    cwd: folder,
  })
  onEnd(ours.stop)
  return ours
}

async function ofValues({ ours, bare, transit }: Servers, items: Items): Promise<readonly Asked[]> {
  const { server, tokens } = transit
  const asked = (request: Request, bareRequest: Request, transitRequest: (token: string) => Request): Asked => {
    const [root, login] = [transitRequest(tokens.root), transitRequest(tokens.login)]
    const others =
      items === null
        ? [
            { beside: 'bare Hono', server: bare, request: bareRequest, goals: BARE_GOALS },
            { beside: 'OpenBao, root token', server, request: root, goals: ROOT_GOALS },
            { beside: "OpenBao, a login's token", server, request: login, goals: LOGIN_GOALS },
          ]
        : [
            { beside: 'bare Hono', server: bare, request: bareRequest, goals: { cpuUs: MOST_CPU_ITEM } },
            { beside: "OpenBao, a login's token", server, request: login, goals: LOGIN_BATCH_GOALS },
          ]
    return { request, items, connections: items === null ? CONNECTIONS : BATCH_CONNECTIONS, others }
  }
  return [
    asked(encryptOf(items), encryptOf(items), transitEncrypt(items)),
    asked(await decryptOf(ours, items), await decryptOf(bare, items), await transitDecrypt(transit, items)),
  ]
}
