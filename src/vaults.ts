/** The vaults behind references: it introduces entities, what asks them, and what is kept of their answers to each other. Whoever has none need not load it. */
import type { AnsweringConfig } from './config/answering.ts'
import type { EntitySettings } from './config/entities.ts'
import type { BrokenEntity, KnownEntity } from './config/entity.ts'
import type { Awaitable } from './core/awaitable.ts'
import type { Probe } from './core/findings.ts'
import type { KeyringAuthority } from './core/operations.ts'
import type { Cipher, Clock, Fetch, Hash, Insistence, RecordStore } from './core/ports.ts'
import type { ItemStore, SecretBackend, VaultAuthority } from './core/secrets.ts'
import { doubtsOnce } from './core/time.ts'
import { itemSealer, secretsOf } from './crypto/seal-item.ts'
import type { Vaults } from './http/call.ts'
import { overviewOf } from './http/vaults-status.ts'
import { Diagnoses } from './keyring/diagnoses.ts'
import type { rare } from './rare.ts'
import { Keepers } from './secrets/keepers.ts'
import { SecretReader } from './secrets/reader.ts'
import { Secrets } from './secrets/secrets.ts'
import { kvBackend } from './vault/kv/secret.ts'
import type { LoginParts } from './vault/login/method.ts'
import { openVault } from './vault/open.ts'
import type { EntityWay } from './vaults-doctor.ts'
import { speltFor } from './vaults-words.ts'

export interface Primitives {
  readonly cipher: Cipher
  readonly hash: Hash
  readonly clock: Clock
}

type Backend = EntitySettings['backend']
type Settings<T extends Backend['type']> = Extract<Backend, { readonly type: T }>

export interface VaultsPorts extends Primitives, Pick<LoginParts, 'readFile'> {
  /** Tokens of logins are kept in it. */
  readonly store: RecordStore
  readonly items: ItemStore
  /** The way to one Vault. */
  readonly fetchOf: (vault: Settings<'hcv'>['vault']) => Fetch
  /** What the platform itself asks. */
  readonly openOther: (settings: Settings<'aws' | 'env' | 'fs'>) => SecretBackend
  /** The way to a Vault's port. `null` = the platform does not show it. */
  readonly probeOf: (vault: Settings<'hcv'>['vault']) => Probe | null
  /** `rare.ts`, at once or when it is needed. */
  readonly loadRare: () => Awaitable<typeof rare>
  /** Takes a line for the log. */
  readonly log: (line: string) => void
}

type Sealed = Pick<AnsweringConfig, 'wrappingKeys'>

export const sealerOf =
  ({ cipher, hash }: Primitives, { wrappingKeys }: Sealed) =>
  (prefix: string) =>
    itemSealer(cipher, hash, wrappingKeys, secretsOf(prefix))

/** The authority's part. */
export function openKeepers(
  entities: readonly EntitySettings[],
  config: Sealed & { readonly brokenVaults?: readonly BrokenEntity[] },
  ports: VaultsPorts,
): VaultAuthority {
  const { clock } = ports
  const doubt = doubtsOnce(ports.log)
  const open = (entity: EntitySettings): EntityWay => {
    const { backend } = entity
    const way = { entity, clock, spelt: speltFor(entity.name), vault: null, probe: null }
    if (backend.type === 'pushed') return { ...way, backend: null }
    if (backend.type !== 'hcv') return { ...way, backend: ports.openOther(backend) }
    const { vault: settings, kv, mount } = backend
    const vault = openVault(settings, { ...ports, ...config, fetch: ports.fetchOf(settings), doubt })
    const reader = (insist: Insistence) => vault.reader(null, insist)
    return {
      ...way,
      backend: kvBackend({ spelt: way.spelt, clock, kv, mount, address: settings.address, reader }),
      vault,
      probe: ports.probeOf(settings),
    }
  }
  const opened = entities.map(open)
  const times = { clock, leftMs: () => Number.POSITIVE_INFINITY }
  const look = (way: EntityWay) =>
    new Diagnoses(async (...how) => (await ports.loadRare()).examineEntity(way, ...how), times)
  const diagnoses = new Map(opened.map((way) => [way.entity.prefix, look(way)]))
  return new Keepers({
    ...ports,
    random: Math.random,
    leftOut: prefixesOf(config.brokenVaults ?? []),
    sealer: sealerOf(ports, config),
    entities: new Map(opened.map(({ entity, backend }) => [entity.prefix, { ...entity, backend }])),
    examine: async (prefix, how) => diagnoses.get(prefix)?.diagnose(how) ?? { time: clock.now(), findings: [] },
  })
}

const byPrefixOf = <E extends KnownEntity>(entities: readonly E[]): ReadonlyMap<string, E> =>
  new Map(entities.map((entity) => [entity.prefix, entity]))

/** The authority of an instance that reads the store itself. */
export const readingVaults = (
  entities: readonly KnownEntity[],
  config: Sealed,
  ports: Primitives & { readonly items: Pick<ItemStore, 'get'>; readonly beyond: KeyringAuthority },
): KeyringAuthority => new SecretReader({ ...ports, sealer: sealerOf(ports, config), entities: byPrefixOf(entities) })

const prefixesOf = (broken: readonly BrokenEntity[]): ReadonlySet<string> => new Set(broken.map(({ prefix }) => prefix))

const sentencesOf = (broken: readonly BrokenEntity[]): readonly string[] =>
  broken.flatMap(({ problems }) => problems.map(({ name, message }) => `${name}: ${message}`))

/** What answers callers. @param freshMs how long an instance goes by what it has resolved. */
export function openVaults(
  entities: readonly KnownEntity[],
  config: Sealed,
  ports: Primitives & {
    readonly authority: VaultAuthority
    readonly freshMs: number
    /** What is wrong with the settings of others, and of references. */
    readonly broken: readonly BrokenEntity[]
  },
): Vaults {
  const { broken } = ports
  const own = { sealer: sealerOf(ports, config), entities: byPrefixOf(entities), leftOut: prefixesOf(broken) }
  const secrets = new Secrets({ ...ports, ...own })
  const held = entities.length + broken.length === 0 ? null : secrets
  return {
    secrets: held,
    views: entities.map(({ view }) => view),
    overview: overviewOf(held, sentencesOf(broken)),
  }
}
