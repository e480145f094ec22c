/**
 * What whoever reads the secrets of a vault in a store or a copy has to know of that vault: one more sealed item beside them, under a
 * name that follows from the vault's prefix alone (docs/formats.md). Whoever lists secrets finds a state of none there, and passes over it.
 */
import { parseJson } from '../core/body.ts'
import type { Bytes } from '../core/bytes.ts'
import { KeyringError, settle } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import type { ItemStore, SecretRules } from '../core/secrets.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import { FORGOTTEN_MS, NOTED_MS } from './life.ts'

interface DescribedVault {
  /** Of the entity. */
  readonly type: string
  readonly identity: string
  readonly rules: SecretRules
  readonly isBase64: boolean
}

export interface Description extends DescribedVault {
  /** When it was written, to the day, in milliseconds since 1970. */
  readonly time: number
}

/** By each wrapping key; the first one's is written. No name of a secret is made of this text. */
export const descriptionNames = (sealer: ItemSealer): Promise<readonly string[]> => sealer.fingerprints('vault')

/** @throws `ERR_RECORD_INVALID`, `ERR_WRAPPING_KEY_MISSING`. */
export async function openDescription(sealer: ItemSealer, name: string, bytes: Bytes): Promise<Description> {
  const said = parseJson(await sealer.open(name, bytes)) as Description | undefined
  if (said === undefined) throw new KeyringError('ERR_RECORD_INVALID', 'What describes a vault is not readable.')
  return said
}

/** For the schedule: it is written when it says something else, and each day, so that it outlives every secret that is written meanwhile. */
export function describing(
  { items, clock }: { readonly items: ItemStore; readonly clock: Pick<Clock, 'now'> },
  { prefix, type, identity, rules, isBase64 }: DescribedVault & { readonly prefix: string },
  sealer: ItemSealer,
): () => Promise<void> {
  let known = ''
  return async () => {
    const now = clock.now()
    const next = JSON.stringify({ type, identity, rules, isBase64, time: now - (now % NOTED_MS) })
    if (known === next) return
    const [name = ''] = await descriptionNames(sealer)
    const stored = await items.get(prefix, name)
    const held = stored && (await settle(() => sealer.open(name, stored.bytes)))
    if (!held?.ok || held.value !== next) {
      const times = { due: Number.POSITIVE_INFINITY, expires: now + FORGOTTEN_MS + NOTED_MS }
      await items.put(prefix, name, await sealer.seal(name, next), stored?.version ?? 0, times)
    }
    known = next
  }
}
