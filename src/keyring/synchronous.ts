/** A keyring for callers that cannot wait. Whoever serves waits for all of it, and does not load this. */
import type { Cipher } from '../core/ports.ts'
import { SyncKeyring } from './sync-keyring.ts'
import type { UsableKeyring } from './usable.ts'

/** @param cipher one that answers at once; absent = the keyring's own does. */
export const synchronous = async (keyring: UsableKeyring, cipher?: Cipher): Promise<SyncKeyring> =>
  new SyncKeyring(await keyring.atOnce(cipher))
