/** The vaults behind references: it introduces entities, what asks them, and what is kept of their answers to each other. Whoever has none need not load it. */
import type { AnsweringConfig } from './config/answering.ts'
import type { EntitySettings } from './config/entities.ts'
import type { KnownEntity } from './config/entity.ts'
import type { KeyringAuthority } from './core/operations.ts'
import type { Cipher, Clock, Fetch, Hash, RecordStore } from './core/ports.ts'
import type { ItemStore, SecretBackend, VaultAuthority } from './core/secrets.ts'
import { doubtsOnce } from './core/time.ts'
import { itemSealer, secretsOf } from './crypto/seal-item.ts'
import type { Vaults } from './http/call.ts'
import { Keepers } from './secrets/keepers.ts'
import { SecretReader } from './secrets/reader.ts'
import { Secrets } from './secrets/secrets.ts'
import { kvBackend } from './vault/kv/secret.ts'
import type { LoginParts } from './vault/login/method.ts'
import { openVault } from './vault/open.ts'

export interface Primitives {
  readonly cipher: Cipher
  readonly hash: Hash
  readonly clock: Clock
}

type Settings<T extends EntitySettings['backend']['type']> = Extract<EntitySettings['backend'], { readonly type: T }>

export interface VaultsPorts extends Primitives, Pick<LoginParts, 'readFile'> {
  /** Tokens of logins are kept in it. */
  readonly store: RecordStore
  readonly items: ItemStore
  /** The way to one Vault. */
  readonly fetchOf: (vault: Settings<'hcv'>['vault']) => Fetch
  /** What the platform itself asks. */
  readonly openOther: (settings: Settings<'aws' | 'env' | 'fs'>) => SecretBackend
  /** Takes a line for the log. */
  readonly log: (line: string) => void
}

type Sealed = Pick<AnsweringConfig, 'wrappingKeys'>

export const sealerOf =
  ({ cipher, hash }: Primitives, { wrappingKeys }: Sealed) =>
  (prefix: string) =>
    itemSealer(cipher, hash, wrappingKeys, secretsOf(prefix))

/** What has no part set aside for callers answers none. */
export const forCallers = <E extends KnownEntity>(entities: readonly E[]): readonly E[] =>
  entities.filter(({ isOwn }) => !isOwn)

/** The authority's part. */
export function openKeepers(entities: readonly EntitySettings[], config: Sealed, ports: VaultsPorts): VaultAuthority {
  const doubt = doubtsOnce(ports.log)
  const open = (backend: EntitySettings['backend']): SecretBackend => {
    if (backend.type !== 'hcv') return ports.openOther(backend)
    const { vault, kv, mount } = backend
    const { reader } = openVault(vault, { ...ports, ...config, fetch: ports.fetchOf(vault), doubt })
    return kvBackend({ kv, mount, address: vault.address, reader: (insist) => reader(null, insist) })
  }
  const opened = entities.map((entity) => [entity.prefix, { ...entity, backend: open(entity.backend) }] as const)
  return new Keepers({ ...ports, random: Math.random, sealer: sealerOf(ports, config), entities: new Map(opened) })
}

const byPrefixOf = <E extends KnownEntity>(entities: readonly E[]): ReadonlyMap<string, E> =>
  new Map(entities.map((entity) => [entity.prefix, entity]))

/** The authority of an instance that reads the store itself. */
export const readingVaults = (
  entities: readonly KnownEntity[],
  config: Sealed,
  ports: Primitives & { readonly items: Pick<ItemStore, 'get'>; readonly beyond: KeyringAuthority },
): KeyringAuthority => new SecretReader({ ...ports, sealer: sealerOf(ports, config), entities: byPrefixOf(entities) })

/** What answers callers. @param freshMs how long an instance goes by what it has resolved. */
export function openVaults(
  entities: readonly KnownEntity[],
  config: Sealed,
  ports: Primitives & { readonly authority: VaultAuthority; readonly freshMs: number },
): Vaults {
  const secrets = new Secrets({ ...ports, sealer: sealerOf(ports, config), entities: byPrefixOf(entities) })
  return { secrets: entities.length === 0 ? null : secrets, views: entities.map(({ view }) => view) }
}
