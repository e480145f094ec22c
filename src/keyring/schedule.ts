/** What a cron trigger, a rule of EventBridge or a timer runs once a minute. */
import { scheduleLine } from '../core/lines.ts'
import type { KeyringAuthority } from '../core/ports.ts'

/** One keyring after the other; a failure of one does not hold up the next. Says what it did, nothing when nothing was due. */
export async function runSchedule(
  authority: KeyringAuthority,
  keyrings: readonly string[],
  log: (line: string) => void,
  hasTime: () => boolean = () => true,
): Promise<void> {
  for (const keyring of keyrings) {
    if (!hasTime()) return
    const result = await authority.call({ call: 'syncIfDue', keyring })
    if (!result.ok) log(scheduleLine(keyring, 'failed', result.error.code))
    else if (result.value !== 'not-due') log(scheduleLine(keyring, result.value, null))
  }
}
