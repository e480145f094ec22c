/** The application behind the record store: the one implementation of `KeyringAuthority`. */
import { KeyringError, settle, unwrap } from '../core/errors.ts'
import type { Result } from '../core/errors.ts'
import { LEASED_WORK_MS, underLease } from '../core/lease.ts'
import { SYNC_ATTEMPTS } from '../core/limits.ts'
import type { DueSync, KeyringAuthority, KeyringChange, OpenKeySource, SyncOptions, SyncReport } from '../core/ports.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { sealers } from '../crypto/seal.ts'
import { applyChange } from './change.ts'
import type { ReaderParts } from './reader.ts'
import { Reader } from './reader.ts'
import { syncKeyring } from './sync.ts'

export interface AuthorityParts extends ReaderParts {
  /** By keyring name. */
  readonly sources: ReadonlyMap<string, OpenKeySource>
  /** New versions that one sync reads at most. */
  readonly syncBatch: number
  /** How long after it stopped being active some instance may still encrypt with a key, in milliseconds. */
  readonly encryptBoundMs: number
  /** How long a sync that begins now may take, in milliseconds; at most 60 s are used. */
  readonly leftMs: () => number
}

/** The longest a sync may take, in milliseconds. */
const SYNC_DEADLINE_MS = 60_000
const PLAIN: SyncOptions = { force: false, adopt: false, token: null }

export function createAuthority(parts: AuthorityParts): KeyringAuthority {
  const opened = new Map<string, Promise<Keyring>>()
  const keyring = (name: string): Promise<Keyring> => {
    const found = opened.get(name) ?? Keyring.open(parts, name)
    if (parts.sources.has(name)) opened.set(name, found)
    return found
  }
  return {
    read: (name, known) => settle(async () => (await keyring(name)).read(known)),
    status: (name) => settle(async () => (await keyring(name)).status()),
    sync: (name, options) => settle(async () => (await keyring(name)).sync(options)),
    syncIfDue: (name) => settle(async () => (await keyring(name)).syncIfDue()),
    change: (name, change) => settle(async () => (await keyring(name)).change(change)),
  }
}

class Keyring {
  readonly #parts: AuthorityParts
  readonly #name: string
  readonly #reader: Reader
  readonly #sealers: SealerSet
  readonly #source: OpenKeySource
  #running: Promise<SyncReport> | null = null

  private constructor(parts: AuthorityParts, name: string, source: OpenKeySource, set: SealerSet) {
    this.#parts = parts
    this.#name = name
    this.#source = source
    this.#sealers = set
    this.#reader = new Reader(parts, set, name)
  }

  static async open(parts: AuthorityParts, name: string): Promise<Keyring> {
    const source = parts.sources.get(name)
    if (source === undefined) throw new KeyringError('ERR_KEYRING_NOT_FOUND', 'There is no keyring of that name.')
    return new Keyring(parts, name, source, await sealers(parts.cipher, parts.hash, parts.wrappingKeys, name))
  }

  read(known: number) {
    return this.#reader.read(known)
  }

  /** Joins a sync under way, unless something is asked for that it might not do. */
  sync(options: SyncOptions): Promise<SyncReport> {
    const isPlain = !options.force && !options.adopt && options.token === null
    if (!isPlain) return this.#sync(options)
    this.#running ??= this.#sync(options).finally(() => (this.#running = null))
    return this.#running
  }

  status() {
    return this.#reader.status()
  }

  /** Looked at again under the lease: whoever had it before may have done the work. */
  async syncIfDue(): Promise<DueSync> {
    const { store, clock } = this.#parts
    if (!(await this.#isDue())) return 'not-due'
    return underLease(store, clock, `sync/${this.#name}`, async () => {
      if (!(await this.#isDue())) return 'not-due'
      await this.#sync(PLAIN, LEASED_WORK_MS)
      return 'synced'
    })
  }

  async change(change: KeyringChange) {
    const { ledger } = this.#reader
    for (let attempt = 0; attempt < SYNC_ATTEMPTS; attempt += 1) {
      const loaded = await ledger.load()
      const record = await ledger.draft(loaded)
      if (record === null) throw new KeyringError('ERR_KEY_NOT_FOUND', `Keyring "${this.#name}" has never been synced.`)
      const next = applyChange(record, change, this.#parts.clock.now(), this.#parts.encryptBoundMs)
      const saved = await ledger.save(loaded, next)
      if (saved !== 'conflict') return saved
    }
    throw new KeyringError('ERR_SYNC_CONTENDED', `Others kept writing keyring "${this.#name}".`)
  }

  async #isDue(): Promise<boolean> {
    const { nextTry: due } = await this.status()
    return due !== null && due <= this.#parts.clock.now()
  }

  async #sync(options: SyncOptions, deadlineMs = SYNC_DEADLINE_MS): Promise<SyncReport> {
    const result = await settle(() => this.#attempt(options, deadlineMs))
    if (options.token === null || result.ok) await this.#note(result)
    return unwrap(result)
  }

  /** A status that cannot be written must not hide how the sync itself went. */
  async #note(result: Result<SyncReport>): Promise<void> {
    await settle(() => this.#reader.log.note(result))
  }

  async #attempt(options: SyncOptions, deadlineMs: number): Promise<SyncReport> {
    const abort = new AbortController()
    const timer = setTimeout(() => abort.abort(), Math.min(deadlineMs, this.#parts.leftMs()))
    try {
      const { clock, syncBatch: batch } = this.#parts
      const source = this.#source(options.token)
      return await syncKeyring(
        {
          keyring: this.#name,
          ledger: this.#reader.ledger,
          sealers: this.#sealers,
          clock,
          source,
          batch,
          signal: abort.signal,
        },
        options,
      )
    } finally {
      clearTimeout(timer)
    }
  }
}
