/** The Worker's side of the authority, for which each call is one hop to the Durable Object. */
import { within } from '../../src/core/deadline.ts'
import { KeyringError, settle } from '../../src/core/errors.ts'
import type { Result } from '../../src/core/errors.ts'
import { SYNC_DEADLINE_MS } from '../../src/core/limits.ts'
import type { KeyringAuthority } from '../../src/core/ports.ts'
import type { KeyringObject } from './keyring-object.ts'
import { LOOK_MS } from './limits.ts'
import { readAnswer, readUrl } from './read-call.ts'

/** Each deployment has one object, under this name. */
const OBJECT = 'keyring'
/** The object's own deadline comes first, so that its answer says what was slow. */
const WORK_MS = SYNC_DEADLINE_MS + LOOK_MS

type Stub = DurableObjectStub<KeyringObject>

/** @param locationHint counts when the object is made, at its first use. `null` = it is made near that first request. */
export function objectAuthority(
  objects: DurableObjectNamespace<KeyringObject>,
  locationHint: DurableObjectLocationHint | null,
): KeyringAuthority {
  const where = locationHint === null ? undefined : { locationHint }
  const id = objects.idFromName(OBJECT)
  /** A stub belongs to the request that made it, so that each call has a new one. */
  const call = async <T>(ms: number, ask: (stub: Stub) => Promise<unknown>): Promise<Result<T>> => {
    try {
      return (await within(ms, ask(objects.get(id, where)))) as Result<T>
    } catch {
      return settle(() => {
        throw new KeyringError('ERR_AUTHORITY_UNAVAILABLE', 'The Durable Object of this deployment cannot be reached.')
      })
    }
  }
  return {
    read: (keyring, known) => call(LOOK_MS, async (stub) => readAnswer(await stub.fetch(readUrl(keyring, known)))),
    status: (keyring) => call(LOOK_MS, (stub) => stub.status(keyring)),
    sync: (keyring, options) => call(WORK_MS, (stub) => stub.sync(keyring, options)),
    syncIfDue: (keyring) => call(WORK_MS, (stub) => stub.syncIfDue(keyring)),
    change: (keyring, change) => call(WORK_MS, (stub) => stub.change(keyring, change)),
    diagnose: (keyring) => call(WORK_MS, (stub) => stub.diagnose(keyring)),
  }
}
