/** The one file that knows every layer: it introduces them to each other. */
import { authenticator } from './auth/tokens.ts'
import type { AnsweringConfig } from './config/answering.ts'
import type { Config } from './config/config.ts'
import type { ApiToken } from './core/api-token.ts'
import type { Awaitable } from './core/awaitable.ts'
import { KeyringError } from './core/errors.ts'
import type { KeyringAuthority, Push } from './core/operations.ts'
import type {
  Audit,
  Background,
  Cipher,
  Clock,
  Fetch,
  Hash,
  Insistence,
  KeySink,
  LoginItems,
  NonceRules,
  OpenKeySource,
  PairSource,
  SharedStore,
  SourceId,
  Replica,
} from './core/ports.ts'
import type { VaultAuthority } from './core/secrets.ts'
import type { Finding, Probe, Refuses } from './core/findings.ts'
import type { Doubt } from './core/time.ts'
import { doubtsOnce } from './core/time.ts'
import { createHttp } from './http/app.ts'
import type { RareHandlers, Vaults } from './http/call.ts'
import type { Http } from './http/dispatch.ts'
import { Authority } from './keyring/authority.ts'
import type { Source } from './keyring/custodian.ts'
import { Keyring } from './keyring/keyring.ts'
import type { Freshness } from './keyring/freshness.ts'
import { replicaAgeMs } from './keyring/freshness.ts'
import { kv1Pairs, kv1Source } from './vault/kv/kv1.ts'
import { kv2Pairs, kv2Source } from './vault/kv/kv2.ts'
import type { LoginParts } from './vault/login/method.ts'
import type { rare } from './rare.ts'
import type { DoctorLogin } from './vault/doctor/parts.ts'
import type { Vault } from './vault/open.ts'
import { openVault } from './vault/open.ts'
import type { VaultReader } from './vault/reader.ts'

interface Primitives {
  readonly cipher: Cipher
  readonly hash: Hash
  readonly clock: Clock
}

export interface AuthorityPorts extends Primitives, Pick<LoginParts, 'readFile'> {
  readonly store: SharedStore
  /** It is written after each put of the record. `null` = there is none. */
  readonly replica: Replica | null
  readonly fetch: Fetch
  /** The way to Vault's port. `null` = the platform does not show it. */
  readonly probe: Probe | null
  /** `rare.ts`, at once or when it is needed. */
  readonly loadRare: () => Awaitable<typeof rare>
  /** New versions that one sync reads at most. */
  readonly syncBatch: number
  /** How long a sync that begins now may take, in milliseconds; Infinity where the platform does not end it. */
  readonly leftMs: () => number
  /** What answers for the vaults behind references; `null` = there are none. */
  readonly vaults: VaultAuthority | null
  /** Hears of keys that are written to Vault. */
  readonly audit: Audit
  /** Takes a line for the log. */
  readonly log: (line: string) => void
}

export interface AppPorts extends Primitives {
  readonly authority: KeyringAuthority
  /** It is read before the authority is asked. `null` = there is none. */
  readonly replica: Replica | null
  /** `null` = nothing goes on after an answer: then `freshness.backgroundMs` is `freshness.freshMs`. */
  readonly background: Background | null
  readonly audit: Audit
  /** Absent = none is drawn ahead. */
  readonly nonces?: NonceRules
  readonly freshness: Freshness
  readonly vaults: Vaults
  /** Tokens beside those of the settings, such as a local admin's. */
  readonly extraTokens: readonly ApiToken[]
  /** `http/rare-routes.ts`, at once or when it is needed. */
  readonly loadRoutes: () => Awaitable<RareHandlers>
  readonly onDefect: (error: unknown, request: string) => void
}

/** Makes the authority, where the settings of Vault are read. */
export function createAuthority(config: Config, ports: AuthorityPorts): KeyringAuthority {
  const doubt = doubtsOnce(ports.log)
  const { wrappingKeys, syncPeriodMs, maxRecordAgeMs, rotation, apiTokens } = config
  const { sources, loginItems } =
    config.pushed === null ? askedSources(config, ports, doubt) : pushedSources(config.pushed)
  const own = { wrappingKeys, syncPeriodMs, maxRecordAgeMs, sources, loginItems, rotation, apiTokens, doubt }
  return new Authority({ ...ports, ...own })
}

interface Sources {
  readonly sources: ReadonlyMap<string, Source>
  /** What is stored of the login to them. */
  readonly loginItems: LoginItems | null
}

function askedSources({ vault, wrappingKeys }: Config, ports: AuthorityPorts, doubt: Doubt): Sources {
  if (vault === null) throw new TypeError('An authority needs the settings of Vault.')
  const own = openVault(vault, { ...ports, wrappingKeys, doubt })
  const { reader, open, items: loginItems } = own
  const { clock, probe } = ports
  const writer =
    vault.rotationLogin && openVault({ ...vault, ...vault.rotationLogin }, { ...ports, wrappingKeys, doubt })
  const sources = new Map(
    vault.secrets.map(({ keyring, kv, ...secret }): [string, Source] => {
      const source = kv === 'v1' ? kv1Source : kv2Source
      const openSource: OpenKeySource = (token, { insist }) =>
        source({ ...ports, ...vault, ...secret, reader: reader(token, insist) })
      const way = (insist: Insistence, refuses: Refuses) => ({
        ...loginOf(own, insist),
        rotation: writer && loginOf(writer, insist),
        transport: open,
        source: openSource(null, { insist }),
        probe,
        clock,
        address: vault.address,
        refuses,
      })
      const look: Source['examine'] = async (signal, how, refuses) =>
        (await ports.loadRare()).examine(way(how.login ? 'refusal' : 'none', refuses), signal)
      const ends: Source['ends'] = async (signal) => {
        const { lookAhead } = await ports.loadRare()
        return lookAhead(
          way('none', () => null),
          signal,
        )
      }
      const openSink: Source['openSink'] = async ({ insist }) => {
        const { sink } = await ports.loadRare()
        return sink({ ...ports, ...vault, ...secret, reader: (writer?.reader ?? reader)(null, insist) })
      }
      return [keyring, { open: openSource, openSink: kv === 'v1' ? null : openSink, examine: look, ends }]
    }),
  )
  return { sources, loginItems }
}

const NOT_LOOKED_AT: Finding = {
  check: 'server',
  outcome: 'skipped',
  detail: 'Not asked from here: the keyring is pushed from inside.',
}

function pushedSources(pushed: NonNullable<Config['pushed']>): Sources {
  const source = (id: SourceId): Source => ({
    pushed: id,
    open: () => {
      throw new TypeError('A source that is pushed is not opened.')
    },
    openSink: null,
    examine: async () => [NOT_LOOKED_AT],
    ends: async () => [],
  })
  return { sources: new Map(pushed.map(({ keyring, ...id }) => [keyring, source(id)])), loginItems: null }
}

/** Where a keyring comes from, for whoever pushes it. */
export interface Pushing {
  readonly source: Push['source']
  readonly pairs: PairSource
  /** `null` = it cannot be written. */
  readonly sink: KeySink | null
}

/** Opens the sources of keyrings where Vault is reached. Tokens of logins are kept in `store`, under the wrapping keys. */
export function openPushing(
  { vault, wrappingKeys }: Pick<Config, 'vault' | 'wrappingKeys'>,
  ports: Primitives & Pick<AuthorityPorts, 'store' | 'fetch' | 'readFile' | 'log'> & { readonly rare: typeof rare },
): ReadonlyMap<string, Pushing> {
  if (vault === null) throw new TypeError('Whoever pushes needs the settings of Vault.')
  const vaultPorts = { ...ports, wrappingKeys, loadRare: () => ports.rare, doubt: doubtsOnce(ports.log) }
  const { namespace } = vault
  const reads = openVault(vault, vaultPorts)
  const writes = vault.rotationLogin === null ? reads : openVault({ ...vault, ...vault.rotationLogin }, vaultPorts)
  return new Map(
    vault.secrets.map(({ keyring, kv, mount, path }) => {
      const parts = (reader: VaultReader) => ({ ...ports, ...vault, mount, path, reader })
      const [toRead, toWrite] = [parts(reads.reader(null, 'outage')), parts(writes.reader(null, 'outage'))]
      const pairs = kv === 'v1' ? kv1Pairs(toRead) : kv2Pairs(toRead)
      const sink = kv === 'v1' ? null : ports.rare.sink(toWrite)
      return [keyring, { source: { kind: kv === 'v1' ? 'kv1' : 'kv2', namespace, mount, path }, pairs, sink }]
    }),
  )
}

/** For the doctor. */
const loginOf = (vault: Vault, insist: Insistence): DoctorLogin => ({
  ...vault,
  reader: vault.reader(null, insist),
  isForced: insist === 'refusal',
})

/** @param keyring those that other surfaces have as well. */
export function createApp(config: AnsweringConfig, ports: AppPorts, keyring = openKeyrings(config, ports)): Http {
  const { hash, clock, audit, onDefect, loadRoutes, vaults } = ports
  const tokens = [...config.apiTokens, ...ports.extraTokens]
  return createHttp({
    authenticate: authenticator(hash, clock, tokens),
    keyring,
    vaults,
    audit,
    clock,
    loadRoutes,
    onDefect,
  })
}

/** A keyring is opened at its first use and kept as data, never as a promise, so that requests do not wait for each other's I/O. */
export function openKeyrings(
  config: AnsweringConfig,
  ports: Primitives & Pick<AppPorts, 'authority' | 'replica' | 'background' | 'audit' | 'freshness' | 'nonces'>,
): (name: string) => Awaitable<Keyring> {
  const opened = new Map<string, Keyring>()
  const ages = { stampMs: replicaAgeMs(config.syncPeriodMs), recordMs: config.maxRecordAgeMs }
  const names = new Set(config.keyrings)
  const open = async (name: string): Promise<Keyring> => {
    const { maxStalenessMs, apiTokens } = config
    const own = { ages, apiTokens, maxStalenessMs, siblings: names.size, wrappingKeys: config.wrappingKeys }
    const made = await Keyring.open(name, { ...ports, ...own })
    return opened.get(name) ?? (opened.set(name, made), made)
  }
  return (name) => {
    if (!names.has(name)) throw new KeyringError('ERR_KEYRING_NOT_FOUND', 'There is no keyring of that name.')
    return opened.get(name) ?? open(name)
  }
}
