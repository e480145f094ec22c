/** What is asked for rarely, such as a change of a key, a rotation, an import, the doctor and the status of vaults: a platform where each start is paid for loads it when it is needed. */
import { noteFound, tellEnds } from './keyring/ends.ts'
import { importRecord } from './keyring/import.ts'
import { pushing } from './keyring/push.ts'
import { changeKey, resealAll } from './keyring/rewrite.ts'
import { noteEnded, rotateKeyring } from './keyring/rotate.ts'
import { takeHanded } from './secrets/handed.ts'
import { summaryOf } from './secrets/summary.ts'
import { examine, lookAhead } from './vault/doctor/doctor.ts'
import { kv2Sink } from './vault/kv/kv2-sink.ts'
import { unwrapSecretId } from './vault/login/wrapped-secret-id.ts'
import { examineEntity } from './vaults-doctor.ts'

export const rare = {
  change: changeKey,
  reseal: resealAll,
  rotate: rotateKeyring,
  noteEnded,
  sink: kv2Sink,
  import: importRecord,
  pushing,
  examine,
  examineEntity,
  summaryOf,
  takeHanded,
  lookAhead,
  noteFound,
  tellEnds,
  unwrapSecretId,
} as const
