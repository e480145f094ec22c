/** What is asked for rarely, a rotation and the doctor: a platform where each start is paid for loads it when it is needed. */
import { rotateKeyring } from './keyring/rotate.ts'
import { examine } from './vault/doctor/doctor.ts'

export const rare = { rotate: rotateKeyring, examine } as const
