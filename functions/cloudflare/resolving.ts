/** `edge-keyring/references/cloudflare`: references in a Worker of an application, out of the replica; the Worker that syncs is asked for the rest. */
import { systemClock } from '../../src/core/clock.ts'
import type { ErrorData } from '../../src/core/errors.ts'
import { failureLine } from '../../src/core/lines.ts'
import { webCipher, webHash } from '../../src/crypto/web.ts'
import { replicaAgeMs } from '../../src/keyring/freshness.ts'
import type { StoredReferencesOptions } from '../../src/library/open-stored.ts'
import { storedReferences } from '../../src/library/open-stored.ts'
import type { References } from '../../src/library/references.ts'
import type { UsingConfig } from '../../src/library/settings.ts'
import { itemsOfCopies, itemsOfStore } from '../../src/library/stored-values.ts'
import { ReplicaCopies } from '../../src/secrets/replica-copies.ts'
import { readGiven } from './given-settings.ts'
import type { Kv } from './kv-replica.ts'
import { kvReplica } from './kv-replica.ts'
import { FRESHNESS } from './limits.ts'

export * from '../../src/library/resolving.ts'
export type { StoredReferencesOptions } from '../../src/library/open-stored.ts'

/** @param env the Worker's bindings. @throws `ERR_CONFIG_INVALID`. */
export async function openReferences(env: object, options: StoredReferencesOptions = {}): Promise<References> {
  const { reading, config } = await readGiven(env)
  const { KEYRING_REPLICA: kv } = env as { readonly KEYRING_REPLICA?: Kv }
  const { store } = options
  if (store === undefined && kv === undefined)
    reading.wrong('KEYRING_REPLICA', 'is required: the namespace of Workers KV that the Worker that syncs writes')
  reading.end()
  const invalid = new Map<string, ErrorData>()
  const items =
    store === undefined && kv !== undefined
      ? itemsOfCopies(copiesIn(kv, config, invalid), config.maxRecordAgeMs, invalid)
      : itemsOfStore(store ?? NOTHING)
  return storedReferences({ config, service: options.service ?? null, cipher: webCipher, hash: webHash, items })
}

const NOTHING = { get: async () => null }

const copiesIn = (
  kv: Kv,
  { syncPeriodMs, maxRecordAgeMs }: UsingConfig,
  invalid: Map<string, ErrorData>,
): ReplicaCopies =>
  new ReplicaCopies(
    {
      ...FRESHNESS,
      replica: kvReplica(kv, (line) => console.warn(line)),
      clock: systemClock,
      ages: { stampMs: replicaAgeMs(syncPeriodMs), recordMs: maxRecordAgeMs },
    },
    (vault, error) => {
      invalid.set(vault, error)
      console.warn(failureLine('store', error))
    },
  )
