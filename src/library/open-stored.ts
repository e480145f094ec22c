/** Opens references for whoever can read what a deployment keeps, on whatever platform: the parts of each are in `functions/<platform>/resolving.ts`. */
import type { Awaitable } from '../core/awaitable.ts'
import type { Cipher, Hash } from '../core/ports.ts'
import type { ItemStore } from '../core/secrets.ts'
import { itemSealer, secretsOf } from '../crypto/seal-item.ts'
import type { ReferenceService, ReferencesOptions } from './references.ts'
import { References } from './references.ts'
import type { UsingConfig } from './settings.ts'
import type { OpenItems } from './stored-values.ts'
import { StoredValues } from './stored-values.ts'

export interface StoredReferencesOptions extends ReferencesOptions {
  /** Where values are, in place of the platform's. */
  readonly store?: Pick<ItemStore, 'get'>
}

interface StoredReferencesParts {
  readonly config: Pick<UsingConfig, 'wrappingKeys'>
  readonly cipher: Cipher
  readonly hash: Hash
  readonly items: OpenItems
  /** Is asked for the rest. `null` = there is none. */
  readonly service: ReferenceService | null
  readonly close?: () => Awaitable<void>
}

export function storedReferences({ config, cipher, hash, service, ...parts }: StoredReferencesParts): References {
  const sealer = (vault: string) => itemSealer(cipher, hash, config.wrappingKeys, secretsOf(vault))
  const kept = new StoredValues({ ...parts, sealer, clock: Date })
  return new References({ service, kept, clock: Date })
}
