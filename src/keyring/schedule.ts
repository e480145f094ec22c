/** What a cron trigger, a rule of EventBridge or a timer runs once a minute. */
import { defectLine, scheduleLine } from '../core/lines.ts'
import type { KeyringAuthority } from '../core/ports.ts'

/**
 * One keyring after the other; neither a failure nor a defect of one holds up the next. Says what it did, nothing when
 * nothing was due. @returns `false` = there was a defect.
 */
export async function runSchedule(
  authority: KeyringAuthority,
  keyrings: readonly string[],
  log: (line: string) => void,
): Promise<boolean> {
  let isSound = true
  for (const name of keyrings) {
    const result = await authority.syncIfDue(name).catch((defect: unknown) => {
      isSound = false
      log(defectLine(defect, 'schedule'))
    })
    if (result === undefined) log(scheduleLine(name, 'failed', 'ERR_INTERNAL'))
    else if (!result.ok) log(scheduleLine(name, 'failed', result.error.code))
    else if (result.value !== 'not-due') log(scheduleLine(name, result.value, null))
  }
  return isSound
}
