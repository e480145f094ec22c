/** A whole keyring in memory: a fake source, a memory store, a clock that stands still until told. */
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import type {
  Clock,
  Insistence,
  KeyringAuthority,
  KeySource,
  LoginItems,
  SharedStore,
  Replica,
  VersionRead,
} from '../../src/core/ports.ts'
import type { Doubted } from '../../src/core/time.ts'
import { Secret } from '../../src/core/secret.ts'
import { materialFromString } from '../../src/crypto/material.ts'
import type { WrappingKey } from '../../src/crypto/seal.ts'
import { Authority } from '../../src/keyring/authority.ts'
import type { Source } from '../../src/keyring/custodian.ts'
import { Keyring } from '../../src/keyring/keyring.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import type { Versions } from './observed.ts'
import { NOW, SOURCE, observed, readOf } from './observed.ts'
import { verbsOf } from './verbs.ts'

export const wrappingKey = (id: string, fill: number, keyring: string | null = null): WrappingKey => ({
  id,
  keyring,
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
  /** Of the authority. */
  replica?: Replica
  /** Of the authority. */
  loginItems?: LoginItems
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
    leftMs: Number.POSITIVE_INFINITY,
    asked: [],
    insisted: [],
    doubted: [],
  }
}

function fakeSource(on: World): KeySource {
  const held = (): Versions => {
    if (on.versions instanceof Error) throw on.versions
    return on.versions
  }
  return {
    id: SOURCE,
    async observe() {
      on.asked.push('observe')
      on.clock.time += on.answerMs
      return observed(held(), on.incarnation)
    },
    async read(version, signal): Promise<VersionRead> {
      on.asked.push(version)
      await on.beforeRead(version, signal)
      on.clock.time += on.answerMs
      const outcome = readOf(held(), version)
      if (outcome.kind !== 'key') return outcome
      return {
        version,
        kind: 'key',
        id: outcome.id,
        createdMs: NOW,
        material: await materialFromString(
          nodeCipher,
          nodeHash,
          `key string number ${outcome.commit} of no importance: 0123456789abcdef`,
        ),
      }
    },
  }
}

const spiedSource = (on: World): Source => ({
  open: (_token, { insist }) => (on.insisted.push(insist), fakeSource(on)),
  examine: async (_signal, { login }) => (on.insisted.push(login), []),
})

export const authorityOn = (
  on: World,
  wrappingKeys: readonly WrappingKey[] = [wrappingKey('w1', 1)],
  names: readonly string[] = ['default'],
) =>
  verbsOf(
    new Authority({
      ...on,
      cipher: nodeCipher,
      hash: nodeHash,
      wrappingKeys,
      sources: new Map(names.map((name) => [name, spiedSource(on)])),
      replica: on.replica ?? null,
      loginItems: on.loginItems ?? null,
      syncBatch: 900,
      leftMs: () => on.leftMs,
      syncPeriodMs: 600_000,
      doubt: (what) => on.doubted.push(what),
      maxRecordAgeMs: MAX_RECORD_AGE_MS,
    }),
  )

export function keyringOn(
  on: World,
  wrappingKeys: readonly WrappingKey[] = [wrappingKey('w1', 1)],
  authority: KeyringAuthority = authorityOn(on, wrappingKeys),
): Promise<Keyring> {
  return Keyring.open('default', {
    authority,
    cipher: nodeCipher,
    hash: nodeHash,
    clock: on.clock,
    wrappingKeys,
    replica: null,
    background: null,
    audit: { note: () => {} },
    freshness: { freshMs: 1000, backgroundMs: 1000, pauseMs: 0 },
    ages: { stampMs: 1_200_000, recordMs: MAX_RECORD_AGE_MS },
    siblings: 1,
  })
}

export const PLAIN_SYNC = { force: false, adopt: false, token: null }
