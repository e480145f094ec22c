/** `edge-keyring/testing`: a keyring in memory, with keys of its own, for tests of whoever uses one. */
import { systemClock } from '../../src/core/clock.ts'
import { toBase64 } from '../../src/core/bytes.ts'
import { KeyringError } from '../../src/core/errors.ts'
import { KEY_ID, KEYRING_NAME } from '../../src/core/limits.ts'
import { Secret } from '../../src/core/secret.ts'
import { commitmentOf, materialFromBytes } from '../../src/crypto/material.ts'
import type { SealerSet } from '../../src/crypto/seal.ts'
import { sealMaterial, sealers } from '../../src/crypto/seal.ts'
import { memoryStore } from '../../src/keyring/memory-store.ts'
import type { KeyEntry, KeyringRecord } from '../../src/keyring/record.ts'
import { recordName, signRecord, withChecks } from '../../src/keyring/record.ts'
import { LibraryKeyring } from '../../src/library/library.ts'
import type { OpenOptions } from '../../src/library/open.ts'
import { openParts } from '../../src/library/open.ts'
import { storeAuthority } from '../../src/library/reading.ts'
import type { References } from '../../src/library/references.ts'
import { fixedReferences } from '../../src/library/fixed-references.ts'
import { nodeCipher, nodeHash } from './cipher.ts'
import { nodeNonces } from './nonces.ts'

export * from '../../src/library/exports.ts'

/** What may happen to a keyring while somebody uses it. */
export interface TestKeyring extends LibraryKeyring {
  /** A new key becomes active; values of earlier ones can still be read. @returns its id. Rejects with `ERR_REQUEST_INVALID` for an id that no deployment takes. */
  rotate(id?: string): Promise<string>
  /** Values of the key can no longer be read. Rejects with `ERR_KEY_NOT_FOUND`, `ERR_KEY_ACTIVE`. */
  remove(id: string): Promise<void>
  /** To what `options.secrets` has. */
  readonly references: References
}

export interface TestOptions extends OpenOptions {
  /** Values by reference; they may change later. */
  readonly secrets?: Map<string, string>
}

const SOURCE = { kind: 'kv2', address: 'https://vault.test', namespace: '', mount: 'secret', path: 'keyring' } as const
/** What is there is used for good, and looked at when it has changed; an id that is not there is asked for each time. */
const FRESHNESS = { freshMs: Number.MAX_SAFE_INTEGER, backgroundMs: Number.MAX_SAFE_INTEGER, pauseMs: -1 }
const primitives = { cipher: nodeCipher, hash: nodeHash, clock: systemClock }

/** Its first key has the id `test-1`. Nothing of it outlives the process, and nobody is asked for anything. */
export async function testKeyring(options: TestOptions = {}): Promise<TestKeyring> {
  const { keyring: name = 'default' } = options
  if (typeof name !== 'string' || !KEYRING_NAME.test(name))
    throw new KeyringError('ERR_REQUEST_INVALID', 'No keyring has such a name.')
  const keys = [{ id: 'test', purpose: null, key: new Secret(toBase64(random())) }]
  const held = new TestRecord(name, await sealers(nodeCipher, nodeHash, keys, name))
  await held.add()
  const config = {
    wrappingKeys: keys,
    keyrings: [...new Set(['default', name])],
    syncPeriodMs: null,
    maxRecordAgeMs: Number.MAX_SAFE_INTEGER,
    maxStalenessMs: null,
  }
  const shared = { ...primitives, replica: null, background: null, nonces: nodeNonces, freshness: FRESHNESS }
  const authority = storeAuthority({ ...primitives, store: held.store }, config)
  const parts = await openParts({ ...shared, config, authority, synchronous: nodeCipher }, options)
  return Object.assign(new LibraryKeyring(parts), {
    references: fixedReferences(options.secrets ?? new Map()),
    async rotate(id?: string) {
      const added = await held.add(id)
      await parts.keyring.record()
      return added
    },
    async remove(id: string) {
      await held.remove(id)
      await parts.keyring.record()
    },
  })
}

const random = () => crypto.getRandomValues(new Uint8Array(32))

/** A record, as a sync would write it. */
class TestRecord {
  readonly store = memoryStore()
  readonly #sealers: SealerSet
  #record: KeyringRecord
  #version = 0

  constructor(keyring: string, set: SealerSet) {
    this.#sealers = set
    this.#record = emptyRecord(keyring)
  }

  async add(id = this.#nextId()): Promise<string> {
    if (typeof id !== 'string' || !KEY_ID.test(id))
      throw new KeyringError('ERR_REQUEST_INVALID', 'An id has 1 to 64 of A-Z a-z 0-9 . _ ~ -.')
    if (this.#has(id)) throw new KeyringError('ERR_REQUEST_INVALID', 'There is a key of that id already.')
    const bytes = random()
    const material = materialFromBytes(bytes, await commitmentOf(nodeCipher, bytes), false)
    const [now, highest] = [Date.now(), this.#record.highest + 1]
    const key = await sealMaterial(this.#sealers.first, id, material)
    const entry: KeyEntry = { id, v: [highest], created: now, synced: now, commit: material.commitment, key }
    await this.#put({ active: id, highest, keys: [...this.#record.keys, entry] })
    return id
  }

  async remove(id: string): Promise<void> {
    if (!this.#has(id)) throw new KeyringError('ERR_KEY_NOT_FOUND', 'The test keyring has no such key.')
    if (id === this.#record.active)
      throw new KeyringError('ERR_KEY_ACTIVE', 'The key is active.', { remedy: 'Rotate first.' })
    await this.#put({ keys: this.#record.keys.filter((key) => key.id !== id) })
  }

  #nextId(at = this.#record.highest + 1): string {
    return this.#has(`test-${at}`) ? this.#nextId(at + 1) : `test-${at}`
  }

  #has(id: string): boolean {
    return this.#record.keys.some((key) => key.id === id)
  }

  async #put(change: Partial<KeyringRecord>): Promise<void> {
    const next = { ...this.#record, ...change, revision: this.#record.revision + 1 }
    this.#record = withChecks(this.#sealers, null, next)
    await this.store.put(recordName(next.keyring), await signRecord(this.#sealers, this.#record), this.#version)
    this.#version += 1
  }
}

const emptyRecord = (keyring: string): KeyringRecord => ({
  keyring,
  revision: Date.now(),
  sealed: Date.now(),
  source: SOURCE,
  incarnation: 'test',
  highest: 0,
  active: null,
  keys: [],
  skipped: [],
  tombstones: [],
  lost: 0,
})
