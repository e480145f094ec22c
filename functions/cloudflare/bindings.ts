/** What wrangler.toml binds: objects, and the settings as texts. */
import type { Env } from '../../src/config/names.ts'
import type { Replica } from '../../src/core/ports.ts'
import type { Kv } from './kv-replica.ts'
import { kvReplica } from './kv-replica.ts'

export interface ReplicaBinding {
  /** Absent = there is no replica. */
  readonly KEYRING_REPLICA?: Kv
}

/** Variables and secrets are texts; bindings are objects. */
export const settingsOf = (bindings: object): Env =>
  Object.fromEntries(Object.entries(bindings).filter(([, value]) => typeof value === 'string'))

export const replicaOf = ({ KEYRING_REPLICA: kv }: ReplicaBinding): Replica | null =>
  kv === undefined ? null : kvReplica(kv, (line) => console.warn(line))
