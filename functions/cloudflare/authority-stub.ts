/** The Worker's side of the authority: each call is one hop to the Durable Object. */
import { KeyringError, settle } from '../../src/core/errors.ts'
import type { Result } from '../../src/core/errors.ts'
import type { KeyringAuthority } from '../../src/core/ports.ts'
import type { KeyringObject } from './keyring-object.ts'

/** One object for each deployment, under this name. */
const OBJECT = 'keyring'

type Stub = DurableObjectStub<KeyringObject>

export function objectAuthority(objects: DurableObjectNamespace<KeyringObject>): KeyringAuthority {
  /** A stub belongs to the request that made it: a new one for each call. */
  const call = async <T>(ask: (stub: Stub) => Promise<unknown>): Promise<Result<T>> => {
    try {
      return (await ask(objects.getByName(OBJECT))) as Result<T>
    } catch {
      return settle(() => {
        throw new KeyringError('ERR_AUTHORITY_UNAVAILABLE', 'The Durable Object of this deployment cannot be reached.')
      })
    }
  }
  return {
    read: (keyring, known) => call((stub) => stub.read(keyring, known)),
    status: (keyring) => call((stub) => stub.status(keyring)),
    sync: (keyring, options) => call((stub) => stub.sync(keyring, options)),
    syncIfDue: (keyring) => call((stub) => stub.syncIfDue(keyring)),
    change: (keyring, change) => call((stub) => stub.change(keyring, change)),
  }
}
