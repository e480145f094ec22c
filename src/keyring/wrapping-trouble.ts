/** A record that the settings have no key for, or another one: it stops a start, and is said once where nothing can be stopped. */
import type { ErrorData, Result } from '../core/errors.ts'
import { failureLine } from '../core/lines.ts'
import type { KeyringAuthority } from '../core/operations.ts'
import { distantAuthority } from './messages.ts'

/** That there is no key for a keyring at all is no trouble: whoever uses another one alone is given its key alone. */
const isTrouble = ({ code, facts }: ErrorData): boolean =>
  (code === 'ERR_WRAPPING_KEY_MISSING' && 'wrappingKey' in facts) || code === 'ERR_WRAPPING_KEY_WRONG'

/** For the start of a process: what is wrong with each keyring. A store that cannot be read now stops nothing. */
export async function wrappingTroubles(
  authority: KeyringAuthority,
  keyrings: readonly string[],
): Promise<readonly ErrorData[]> {
  const reads = keyrings.map((keyring) => authority.call({ call: 'read', keyring, known: 0 }))
  return (await Promise.all(reads)).flatMap((read) => (!read.ok && isTrouble(read.error) ? [read.error] : []))
}

/** The same authority. @param log hears of each trouble at its first use, but for an import's, which may be of what was given. */
export function tellingAuthority(authority: KeyringAuthority, log: (line: string) => void): KeyringAuthority {
  const said = new Set<string>()
  return distantAuthority(async (message) => {
    const result: Result<unknown> = await authority.call(message)
    if (message.call !== 'import' && !result.ok && isTrouble(result.error) && !said.has(result.error.message)) {
      said.add(result.error.message)
      log(failureLine('settings', result.error))
    }
    return result
  })
}
