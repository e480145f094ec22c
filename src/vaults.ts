/** The vaults behind references: it introduces entities, what asks them, and what is kept of their answers to each other. Whoever has none need not load it. */
import type { AnsweringConfig } from './config/answering.ts'
import type { EntitySettings } from './config/entities.ts'
import type { BrokenEntity, KnownEntity } from './config/entity.ts'
import type { Awaitable } from './core/awaitable.ts'
import { settle } from './core/errors.ts'
import type { Finding, Probe } from './core/findings.ts'
import type { KeyringAuthority } from './core/operations.ts'
import type { Cipher, Clock, Fetch, Hash, RecordStore } from './core/ports.ts'
import type { ItemStore, SecretBackend, VaultAuthority } from './core/secrets.ts'
import { doubtsOnce } from './core/time.ts'
import { itemSealer, secretsOf } from './crypto/seal-item.ts'
import type { Vaults } from './http/call.ts'
import type { Examine } from './keyring/diagnoses.ts'
import { Diagnoses } from './keyring/diagnoses.ts'
import type { rare } from './rare.ts'
import { Keepers } from './secrets/keepers.ts'
import { Secrets } from './secrets/secrets.ts'
import { kvBackend } from './vault/kv/secret.ts'
import type { LoginParts } from './vault/login/method.ts'
import { openVault } from './vault/open.ts'

interface Primitives {
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

const sealerOf =
  ({ cipher, hash }: Primitives, { wrappingKeys }: Sealed) =>
  (prefix: string) =>
    itemSealer(cipher, hash, wrappingKeys, secretsOf(prefix))

/** What has no part set aside for callers answers none. */
export const forCallers = <E extends KnownEntity>(entities: readonly E[]): readonly E[] =>
  entities.filter(({ isOwn }) => !isOwn)

/** The authority's part. */
export function openKeepers(entities: readonly EntitySettings[], config: Sealed, ports: VaultsPorts): VaultAuthority {
  const doubt = doubtsOnce(ports.log)
  const open = (backend: Backend): Opened => {
    if (backend.type !== 'hcv') return openedOther(backend, ports)
    const { vault, kv, mount } = backend
    const own = openVault(vault, { ...ports, ...config, fetch: ports.fetchOf(vault), doubt })
    return {
      backend: kvBackend({ kv, mount, address: vault.address, reader: (insist) => own.reader(null, insist) }),
      look: async (signal, { login }) => {
        const { examineWay } = await ports.loadRare()
        const source = { id: { ...vault, kind: `kv${kv === 'v1' ? 1 : 2}`, mount } } as const
        const reader = own.reader(null, login ? 'refusal' : 'none')
        const probe = ports.probeOf(vault)
        const { address } = vault
        return examineWay({ ...own, transport: own.open, reader, source, probe, address, clock: ports.clock }, signal)
      },
    }
  }
  const opened = entities.map((entity) => ({ entity, ...open(entity.backend) }))
  const times = { clock: ports.clock, leftMs: () => Number.POSITIVE_INFINITY }
  const diagnoses = new Map(
    opened.map(({ entity, look }) => [
      entity.prefix,
      new Diagnoses(async (...how) => (await look(...how)).map(spelt(entity)), times),
    ]),
  )
  return new Keepers({
    ...ports,
    random: Math.random,
    sealer: sealerOf(ports, config),
    entities: new Map(opened.map(({ entity, backend }) => [entity.prefix, { ...entity, backend }])),
    examine: async (prefix, how) => diagnoses.get(prefix)?.diagnose(how) ?? { time: ports.clock.now(), findings: [] },
  })
}

interface Opened {
  readonly backend: SecretBackend | null
  readonly look: Examine
}

const FROM_INSIDE: Finding = {
  check: 'server',
  outcome: 'skipped',
  detail: 'Not asked from here: what it says is pushed from inside.',
}

function openedOther(settings: Exclude<Backend, { readonly type: 'hcv' }>, ports: VaultsPorts): Opened {
  if (settings.type === 'pushed') return { backend: null, look: async () => [FROM_INSIDE] }
  const backend = ports.openOther(settings)
  return { backend, look: async (signal) => [await lookInside(settings.type, backend, signal)] }
}

/** That there is no secret of a name that nobody gives one is an answer too. Of files it is the folder itself, which is no secret. */
const NOBODYS = { aws: 'edge-keyring-doctor', env: '.', fs: '.' } as const
const ANSWERS = {
  aws: 'Secrets Manager answers.',
  env: 'Variables of this environment, which nobody has to be asked for.',
  fs: 'The folder is there.',
} as const

async function lookInside(type: keyof typeof NOBODYS, backend: SecretBackend, signal: AbortSignal): Promise<Finding> {
  const name = { resource: NOBODYS[type], version: null }
  const answer = await settle(() => backend.read(name, { insist: 'none', signal }))
  if (!answer.ok) return { ...answer.error, check: 'secret', outcome: 'failed', detail: answer.error.message }
  if (type === 'fs' && answer.value.kind === 'absent')
    return { check: 'secret', outcome: 'failed', code: 'ERR_SECRET_NOT_FOUND', ...NO_FOLDER }
  return { check: 'secret', outcome: 'ok', detail: ANSWERS[type] }
}

const NO_FOLDER = { detail: 'The folder is not there.', remedy: 'Make it, or correct its path.' } as const

/** What an entity has of its own is spelt as its fields are; the rest it shares with the keyring's Vault. */
const SHARED = 'ALLOW_HTTP|CACERT|CLIENT|HEADERS|MTLS|PATH|TIMEOUT_MS|TLS|VPC'
const SPELT = new RegExp(`\\bKEYRING_VAULT_(?!${SHARED})([A-Z\\d_]+)`, 'g')

const spelt =
  ({ name }: EntitySettings) =>
  (finding: Finding): Finding =>
    finding.remedy === undefined
      ? finding
      : {
          ...finding,
          remedy: finding.remedy.replace(SPELT, (_, field: string) =>
            name.endsWith('*') ? name.slice(0, -1) + field : `${name}.config.${field.toLowerCase()}`,
          ),
        }

const sentencesOf = (broken: readonly BrokenEntity[]): readonly string[] =>
  broken.flatMap(({ problems }) => problems.map(({ name, message }) => `${name}: ${message}`))

/** What answers callers. @param freshMs how long an instance goes by what it has resolved. */
export function openVaults(
  entities: readonly KnownEntity[],
  config: Sealed,
  ports: Primitives & {
    readonly authority: KeyringAuthority
    readonly freshMs: number
    /** What is wrong with the settings of others, and of references. */
    readonly broken: readonly BrokenEntity[]
  },
): Vaults {
  const byPrefix = new Map(entities.map((entity) => [entity.prefix, entity]))
  const secrets = new Secrets({ ...ports, sealer: sealerOf(ports, config), entities: byPrefix })
  const { broken } = ports
  return {
    secrets: entities.length === 0 ? null : secrets,
    views: entities.map(({ view }) => view),
    broken: sentencesOf(broken),
  }
}
