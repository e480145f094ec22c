/** `edge-keyring start`: the same server as `npm start`, loaded only for this command. */
import * as server from '../node/server.ts'
import { outliveStdout } from './pipes.ts'

export async function start(flags: { readonly fresh: boolean }): Promise<void> {
  outliveStdout()
  await server.start(() => flags)
}
