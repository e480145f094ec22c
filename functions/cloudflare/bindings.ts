/** The bindings of wrangler.toml, told apart: objects, and the settings as texts. */
import type { Env } from '../../src/config/setting.ts'
import { BINDING } from '../../src/config/reach.ts'
import type { Replica } from '../../src/core/ports.ts'
import type { Kv } from './kv-replica.ts'
import { kvReplica } from './kv-replica.ts'

export interface ReplicaBinding {
  /** Absent = there is no replica. */
  readonly KEYRING_REPLICA?: Kv
}

/** Bindings that are settings too: the settings say which go together. */
const VAULT_BINDINGS = new Set(['KEYRING_VAULT_MTLS', 'KEYRING_VAULT_VPC'])

/** Variables and secrets are the texts among the bindings. */
export const settingsOf = (bindings: object): Env =>
  Object.fromEntries(
    Object.entries(bindings).flatMap(([name, value]) =>
      VAULT_BINDINGS.has(name)
        ? [[name, typeof value === 'object' ? BINDING : 'text']]
        : typeof value === 'string'
          ? [[name, value]]
          : [],
    ),
  )

export const replicaOf = ({ KEYRING_REPLICA: kv }: ReplicaBinding): Replica | null =>
  kv === undefined ? null : kvReplica(kv, (line) => console.warn(line))
