/** What is asked for rarely, such as a change of a key, a rotation and the doctor: a platform where each start is paid for loads it when it is needed. */
import { tellEnds } from './keyring/ends.ts'
import { changeKey, resealAll } from './keyring/rewrite.ts'
import { rotateKeyring } from './keyring/rotate.ts'
import { examine, lookAhead } from './vault/doctor/doctor.ts'

export const rare = {
  change: changeKey,
  reseal: resealAll,
  rotate: rotateKeyring,
  examine,
  lookAhead,
  tellEnds,
} as const
