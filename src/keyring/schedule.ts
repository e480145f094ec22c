/** What a cron trigger, a rule of EventBridge or a timer runs once a minute. */
import { defectLine, scheduleLine } from '../core/lines.ts'
import type { KeyringAuthority } from '../core/operations.ts'

/**
 * One keyring after the other; neither a failure nor a defect of one holds up the next. Says what it did, nothing when
 * nothing was due. @returns `false` = there was a defect.
 */
export async function runSchedule(
  authority: KeyringAuthority,
  keyrings: readonly string[],
  log: (line: string) => void,
  hasTime: () => boolean = () => true,
): Promise<boolean> {
  let isSound = true
  for (const keyring of keyrings) {
    if (!hasTime()) break
    const result = await authority.call({ call: 'syncIfDue', keyring }).catch((defect: unknown) => {
      isSound = false
      log(defectLine(defect, 'schedule'))
    })
    if (result === undefined) log(scheduleLine(keyring, 'failed', 'ERR_INTERNAL'))
    else if (!result.ok) log(scheduleLine(keyring, 'failed', result.error.code))
    else if (result.value !== 'not-due') log(scheduleLine(keyring, result.value, null))
  }
  return isSound
}
