/** `edge-keyring vault get`: the value of one reference, and nothing beside it. */
import type { Outcome } from './command.ts'
import { failed } from './failure.ts'
import { valueAnswered, withResolver } from './resolve.ts'
import type { KongFiles } from './straight.ts'

/** @param refresh the vault is asked anew; where it is asked straight it always is. */
export async function get(typed: string, files: KongFiles, refresh: boolean): Promise<Outcome> {
  const reference = typed.startsWith('vault://') ? `{${typed}}` : typed
  const [resolved] = await withResolver(files, (resolve) => resolve([reference]), refresh)
  if (resolved === undefined) throw failed('ERR_DEPLOYMENT_UNKNOWN', 'There was no answer for the reference.')
  const value = valueAnswered(resolved)
  return { document: { reference, value }, screen: value }
}
