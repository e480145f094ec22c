/** `edge-keyring start`: the same server as `npm start`, loaded only for this command. */
import type { StartFlags } from '../node/server.ts'
import { outliveStdout } from './pipes.ts'

export async function start(flags: StartFlags): Promise<void> {
  outliveStdout()
  const server = await import('../node/server.ts')
  await server.start(() => flags)
}
