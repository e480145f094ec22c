/** What a cron trigger, a rule of EventBridge or a timer runs once a minute. */
import type { KeyringErrorCode } from '../core/errors.ts'
import { defectLine, scheduleLine } from '../core/lines.ts'
import type { KeyringAuthority } from '../core/operations.ts'

/**
 * One keyring after the other, and then the vaults behind references; neither a failure nor a defect of one holds up the next. Says what it did, nothing when
 * nothing was due. @returns `false` = there was a defect.
 */
export async function runSchedule(
  authority: KeyringAuthority,
  keyrings: readonly string[],
  log: (line: string) => void,
  hasTime: () => boolean = () => true,
  vaults: readonly string[] = [],
): Promise<boolean> {
  let isSound = true
  const all = [
    ...keyrings.map((keyring) => ({ call: 'syncIfDue', keyring }) as const),
    ...vaults.map((vault) => ({ call: 'refreshIfDue', vault }) as const),
  ]
  for (const message of all) {
    if (!hasTime()) break
    const result = await authority.call(message).catch((defect: unknown) => {
      isSound = false
      log(defectLine(defect, 'schedule'))
    })
    const tell = (outcome: string, code: KeyringErrorCode | null) => log(scheduleLine(message, outcome, code))
    if (result === undefined) tell('failed', 'ERR_INTERNAL')
    else if (!result.ok) tell('failed', result.error.code)
    else if (result.value !== 'not-due') tell(result.value, null)
  }
  return isSound
}
