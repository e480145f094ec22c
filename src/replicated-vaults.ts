/** The vaults behind references where there is a replica: what copies their secrets to it, and what answers by that. Other platforms do not load it. */
import type { AnsweringConfig } from './config/answering.ts'
import type { KnownEntity } from './config/entity.ts'
import type { KeyringAuthority } from './core/operations.ts'
import type { Audit, Replica } from './core/ports.ts'
import type { ItemStore, VaultAuthority } from './core/secrets.ts'
import type { Freshness } from './keyring/freshness.ts'
import { countedPeriodMs, replicaAgeMs } from './keyring/freshness.ts'
import { CopiedAuthority } from './secrets/copies.ts'
import { CopyingVaults } from './secrets/copying.ts'
import type { Primitives } from './vaults.ts'
import { sealerOf } from './vaults.ts'

/** The authority's part. */
export const copying = (
  vaults: VaultAuthority,
  config: AnsweringConfig,
  ports: Primitives & { readonly items: ItemStore; readonly replica: Replica },
): VaultAuthority =>
  new CopyingVaults({
    ...ports,
    vaults,
    sealer: sealerOf(ports, config),
    periodMs: countedPeriodMs(config.syncPeriodMs),
  })

/** An instance's part. */
export const copied = (
  entities: readonly KnownEntity[],
  config: AnsweringConfig,
  ports: Primitives & {
    readonly authority: KeyringAuthority
    readonly replica: Replica
    readonly audit: Pick<Audit, 'note'>
    readonly freshness: Freshness
  },
): KeyringAuthority =>
  new CopiedAuthority({
    ...ports,
    ...ports.freshness,
    entities,
    sealer: sealerOf(ports, config),
    ages: { stampMs: replicaAgeMs(config.syncPeriodMs), recordMs: config.maxRecordAgeMs },
  })
