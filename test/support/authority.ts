/** A whole keyring in memory: a fake source, a memory store, a clock that stands still until told. */
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import type { KeyringAuthority } from '../../src/core/operations.ts'
import type {
  Audit,
  Cipher,
  Clock,
  KeySink,
  RotationRules,
  Insistence,
  KeySource,
  PairSource,
  LoginItems,
  SharedStore,
  SourceId,
  Replica,
} from '../../src/core/ports.ts'
import type { VaultAuthority } from '../../src/core/secrets.ts'
import type { Doubted } from '../../src/core/time.ts'
import type { ApiToken } from '../../src/core/api-token.ts'
import type { End } from '../../src/core/ends.ts'
import type { Finding } from '../../src/core/findings.ts'
import { Secret } from '../../src/core/secret.ts'
import { materialOf } from '../../src/crypto/material.ts'
import type { WrappingKey } from '../../src/crypto/seal.ts'
import { Authority } from '../../src/keyring/authority.ts'
import type { Source } from '../../src/keyring/custodian.ts'
import { Keyring } from '../../src/keyring/keyring.ts'
import type { KeyringParts } from '../../src/keyring/keyring.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import { rare } from '../../src/rare.ts'
import type { Versions } from './observed.ts'
import { NOW, SOURCE, observed, readOf } from './observed.ts'
import { verbsOf } from './verbs.ts'

export const wrappingKey = (id: string, fill: number, keyring: string | null = null): WrappingKey => ({
  id,
  purpose: keyring && `keyring/${keyring}`,
  key: new Secret(Buffer.alloc(32, fill).toString('base64')),
})

export interface World {
  readonly store: SharedStore
  readonly clock: Clock & { time: number }
  /** What the source holds; an error = it cannot be asked. */
  versions: Versions | Error
  incarnation: string
  /** How long each of its answers takes, in milliseconds. */
  answerMs: number
  /** Comes before a version is answered: it may throw. */
  beforeRead: (version: number, signal: AbortSignal) => Promise<void>
  /** How long a sync may take, in milliseconds. */
  leftMs: number
  /** Requests to the source, as `observe` or a version. */
  readonly asked: (string | number)[]
  /** How each sync, and each doctor, insisted on a login. */
  readonly insisted: (Insistence | boolean)[]
  /** Times that could not be true. */
  readonly doubted: Doubted[]
  /** When the current version was written. */
  written: number
  /** What the source's clock has beside ours. */
  aheadMs: number
  /** Versions that the mount keeps. */
  keeps: number
  /** What the source says of the right to write; absent = it may be written. */
  denied?: Error | undefined
  /** Comes before a key is written: it may throw. */
  beforeWrite: (id: string, signal: AbortSignal) => Promise<void>
  rotation: RotationRules
  /** The source cannot be written. */
  kv1: boolean
  /** It is not asked. */
  pushed?: SourceId
  /** What stands between the authority and the source: faults, and bugs that were planted. */
  between?: { readonly source: (source: KeySource) => KeySource; readonly sink: (sink: KeySink) => KeySink }
  audit?: Audit
  cipher?: Cipher
  syncPeriodMs?: number
  /** Of the authority. */
  replica?: Replica
  /** Of the authority. */
  loginItems?: LoginItems
  /** Vaults behind references. */
  vaults?: VaultAuthority
  /** On the way to the source. */
  ends: readonly End[]
  /** What the doctor and the schedule find there beside that. */
  found: readonly Finding[]
  /** When somebody looked what ends. */
  readonly looked: number[]
  apiTokens: readonly ApiToken[]
  readonly log: string[]
}

export const MAX_RECORD_AGE_MS = 7 * 24 * 60 * 60 * 1000

export function world(versions: World['versions'], store = memoryStore()): World {
  const clock = { time: NOW, now: () => clock.time, sleep: async () => {} }
  return {
    store,
    clock,
    versions,
    incarnation: 'first',
    answerMs: 0,
    beforeRead: async () => {},
    written: NOW,
    aheadMs: 0,
    keeps: 0,
    beforeWrite: async () => {},
    rotation: { cadence: null, delayMs: 0, prunesHeld: false },
    kv1: false,
    leftMs: Number.POSITIVE_INFINITY,
    asked: [],
    insisted: [],
    doubted: [],
    ends: [],
    found: [],
    looked: [],
    apiTokens: [],
    log: [],
  }
}

/** Another deployment on the same secret. */
export function beside(on: World, more: Partial<World> = {}): World {
  const other: World = { ...on, store: memoryStore(), ...more }
  for (const field of ['versions', 'written', 'incarnation'] as const)
    Object.defineProperty(other, field, {
      enumerable: true,
      get: () => on[field],
      set(value: never) {
        on[field] = value
      },
    })
  return other
}

/** The source for whoever pushes what it holds. */
export function fakePairs(on: World): PairSource {
  const held = (): Versions => {
    if (on.versions instanceof Error) throw on.versions
    return on.versions
  }
  return {
    async observe() {
      on.asked.push('observe')
      on.clock.time += on.answerMs
      return { ...observed(held(), on.incarnation, on.written), sourceMs: on.clock.time + on.aheadMs }
    },
    async read(version, signal) {
      on.asked.push(version)
      await on.beforeRead(version, signal)
      on.clock.time += on.answerMs
      const outcome = readOf(held(), version)
      if (outcome.kind !== 'key') return outcome
      const { id, commit } = outcome
      const text = commit.startsWith('=')
        ? commit.slice(1)
        : `key string number ${commit} of no importance: 0123456789abcdef`
      const createdMs = version === held().length ? on.written : NOW
      return { version, kind: 'key', id, createdMs, key: new Secret(text) }
    },
  }
}

function fakeSource(on: World): KeySource {
  const pairs = fakePairs(on)
  return {
    id: SOURCE,
    observe: (signal) => pairs.observe(signal),
    read: async (version, signal) => materialOf(nodeCipher, nodeHash, await pairs.read(version, signal)),
  }
}

const SILENT: Audit = { note: () => {}, commit: async () => {} }

/** As Vault does where nobody says. */
const DEFAULT_KEPT = 10

/** What it writes is read back as it is, and the oldest goes without a word. */
export function fakeSink(on: World): KeySink {
  return {
    async keeps() {
      on.asked.push('keeps')
      return on.keeps
    },
    async mayWrite() {
      on.asked.push('mayWrite')
      if (on.denied) throw on.denied
    },
    async write({ id, key }, expected, signal) {
      on.asked.push('write')
      await on.beforeWrite(id, signal)
      if (on.versions instanceof Error) throw on.versions
      if (on.versions.length !== expected) return 'conflict'
      const kept = [...on.versions, `${id}:=${key.reveal()}`]
      on.versions = kept.map((content, at) => (at < kept.length - (on.keeps || DEFAULT_KEPT) ? null : content))
      on.written = on.clock.time
      return { createdMs: on.written }
    },
  }
}

const spiedSource = (on: World): Source => ({
  ...(on.pushed && { pushed: on.pushed }),
  openSink: on.kv1 ? null : () => on.between?.sink(fakeSink(on)) ?? fakeSink(on),
  open: (_token, { insist }) => (on.insisted.push(insist), on.between?.source(fakeSource(on)) ?? fakeSource(on)),
  examine: async (_signal, { login }) => (on.insisted.push(login), on.found),
  ends: async () => (
    on.looked.push(on.clock.time),
    [{ check: 'token', outcome: 'ok', detail: '', ends: on.ends }, ...on.found]
  ),
})

export const authorityOn = (
  on: World,
  wrappingKeys: readonly WrappingKey[] = [wrappingKey('w1', 1)],
  names: readonly string[] = ['default'],
) =>
  verbsOf(
    new Authority({
      vaults: on.vaults ?? null,
      ...on,
      cipher: on.cipher ?? nodeCipher,
      hash: nodeHash,
      wrappingKeys,
      sources: new Map(names.map((name) => [name, spiedSource(on)])),
      replica: on.replica ?? null,
      loginItems: on.loginItems ?? null,
      loadRare: () => rare,
      syncBatch: 900,
      leftMs: () => on.leftMs,
      syncPeriodMs: on.syncPeriodMs ?? 600_000,
      audit: on.audit ?? SILENT,
      apiTokens: on.apiTokens,
      log: (line) => on.log.push(line),
      rotation: on.rotation,
      doubt: (what) => on.doubted.push(what),
      maxRecordAgeMs: MAX_RECORD_AGE_MS,
    }),
  )

export function keyringOn(
  on: World,
  wrappingKeys: readonly WrappingKey[] = [wrappingKey('w1', 1)],
  authority: KeyringAuthority = authorityOn(on, wrappingKeys),
  more: Partial<KeyringParts> = {},
): Promise<Keyring> {
  return Keyring.open('default', {
    authority,
    cipher: nodeCipher,
    hash: nodeHash,
    clock: on.clock,
    wrappingKeys,
    apiTokens: on.apiTokens,
    replica: null,
    background: null,
    audit: { note: () => {} },
    freshness: { freshMs: 1000, backgroundMs: 1000, pauseMs: 0 },
    ages: { stampMs: 1_200_000, recordMs: MAX_RECORD_AGE_MS },
    siblings: 1,
    ...more,
  })
}

export const PLAIN_SYNC = { force: false, adopt: false, token: null }
