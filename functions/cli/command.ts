/** What every command shares: its words are checked, it says whose keyring it acts on, and its exit status means something. */
import { defineCommand } from 'citty'
import type { ArgsDef, CittyPlugin, CommandDef } from 'citty'
import { defectLine } from '../../src/core/lines.ts'
import { KEYRING_NAME } from '../../src/core/limits.ts'
import { printableJson } from '../../src/core/printable.ts'
import { KeyringClient } from './client.ts'
import { failed, failureOf } from './failure.ts'
import { openTarget } from './open-target.ts'

export const jsonArg = { json: { type: 'boolean', description: 'Print JSON, for machines.', default: false } } as const
export const keyringArgs = {
  ...jsonArg,
  keyring: { type: 'string', description: 'Name of the keyring.', default: 'default' },
} as const

export interface Outcome {
  /** For `--json`. */
  readonly document: object
  /** For people; bytes go out as they are. */
  readonly screen: string | Uint8Array
  /** 0 unless set. */
  readonly exit?: 0 | 1
}

/** Like `defineCommand`, but a flag or a word too many is an error. */
export const command = <const T extends ArgsDef>(def: CommandDef<T> & { args: T }): CommandDef<T> =>
  defineCommand({ ...def, plugins: [strict(def.args)] })

const strict = (known: ArgsDef): CittyPlugin => ({
  name: 'strict',
  setup({ args }) {
    const unknown = Object.keys(args).find((name) => name !== '_' && !Object.hasOwn(known, name))
    const words = Object.values(known).filter(({ type }) => type === 'positional').length
    if (unknown !== undefined) throw failed('ERR_USAGE', `There is no flag --${unknown} here.`)
    if (args._.length > words) throw failed('ERR_USAGE', 'There are more words than this command takes.')
  },
})

export const withKeyring = (
  args: { readonly json: boolean; readonly keyring: string },
  work: (keyring: KeyringClient) => Promise<Outcome>,
): Promise<void> =>
  reporting(args.json, async () => {
    refuseBadName(args.keyring)
    const target = await openTarget(process.env)
    console.error(target.where)
    try {
      return await work(new KeyringClient(target, args.keyring))
    } finally {
      await target.close()
    }
  })

export function refuseBadName(keyring: string): void {
  if (!KEYRING_NAME.test(keyring)) throw failed('ERR_USAGE', 'The flag --keyring takes the name of a keyring.')
}

export async function reporting(json: boolean, work: () => Promise<Outcome>): Promise<void> {
  try {
    const { document, screen, exit = 0 } = await work()
    process.exitCode = exit
    if (json) console.log(printableJson(document))
    else process.stdout.write(screen)
  } catch (error) {
    report(json, error)
  }
}

export function report(json: boolean, error: unknown): void {
  const failure = failureOf(error)
  process.exitCode = failure?.exit ?? 1
  if (failure === null) console.error(defectLine(error, 'cli'))
  else if (json) console.log(printableJson(failure.document))
  else for (const line of failure.lines) console.error(line)
}
