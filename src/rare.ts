/** What is asked for rarely, a change of a key, a rotation, a push and the doctor: a platform where each start is paid for loads it when it is needed. */
import { applyChange } from './keyring/change.ts'
import { pushing } from './keyring/push.ts'
import { rotateKeyring } from './keyring/rotate.ts'
import { examine } from './vault/doctor/doctor.ts'

export const rare = { change: applyChange, rotate: rotateKeyring, pushing, examine } as const
