/** `edge-keyring vault get`: the value of one reference, and nothing beside it. */
import type { Outcome } from './command.ts'
import { failed } from './failure.ts'
import { valueAnswered, withResolver } from './resolve.ts'
import type { KongFiles } from './straight.ts'

export async function get(typed: string, files: KongFiles): Promise<Outcome> {
  const reference = typed.startsWith('vault://') ? `{${typed}}` : typed
  const [resolved] = await withResolver(files, (resolve) => resolve([reference]))
  if (resolved === undefined) throw failed('ERR_DEPLOYMENT_UNKNOWN', 'There was no answer for the reference.')
  const value = valueAnswered(resolved)
  return { document: { reference, value }, screen: value }
}
