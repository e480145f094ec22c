/** What every command shares: it says whose keyring it acts on, and its exit status means something. */
import { defectLine } from '../../src/core/lines.ts'
import { KEYRING_NAME } from '../../src/core/limits.ts'
import { printableJson } from '../../src/core/printable.ts'
import type { KeyringClient } from './client.ts'
import { failed, failureOf } from './failure.ts'
import { inWords } from './remedies.ts'
import type { Target } from './target.ts'

export interface Outcome {
  /** For `--json`. */
  readonly document: object
  /** For people; bytes go out as they are. */
  readonly screen: string | Uint8Array
  /** 0 unless set. */
  readonly exit?: 0 | 1
}

/** The client, and what it needs to know of answers, is loaded when a keyring is asked. */
export const withKeyring = (
  args: { readonly json: boolean; readonly keyring: string },
  work: (keyring: KeyringClient, target: Target) => Promise<Outcome>,
): Promise<void> =>
  reporting(
    args.json,
    async () => {
      refuseBadName(args.keyring)
      const [{ openTarget }, { KeyringClient }] = await Promise.all([import('./open-target.ts'), import('./client.ts')])
      const target = await openTarget(process.env)
      console.error(target.where)
      try {
        return await work(new KeyringClient(target, args.keyring), target)
      } finally {
        await target.close()
      }
    },
    args.keyring,
  )

export function refuseBadName(keyring: string): void {
  if (!KEYRING_NAME.test(keyring)) throw failed('ERR_USAGE', 'The flag --keyring takes the name of a keyring.')
}

export async function reporting(json: boolean, work: () => Promise<Outcome>, keyring?: string): Promise<void> {
  try {
    const { document, screen, exit = 0 } = await work()
    process.exitCode = exit
    process.stdout.write(json ? `${printableJson(document)}\n` : screen)
  } catch (error) {
    report(json, error, keyring)
  }
}

export function report(json: boolean, error: unknown, keyring = 'default'): void {
  const failure = failureOf(error)
  process.exitCode = failure?.exit ?? 1
  if (failure === null) return console.error(defectLine(error, 'cli'))
  const { document, lines } = failure
  const { remedy } = document
  if (json) console.log(printableJson({ ...document, ...(remedy && { remedy: inWords(remedy, keyring) }) }))
  else for (const line of lines) console.error(inWords(line, keyring))
}
