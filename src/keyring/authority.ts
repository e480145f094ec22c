/** The application behind the record store: the one implementation of `KeyringAuthority`. */
import { withDeadline } from '../core/deadline.ts'
import { KeyringError, REMEDIES, settle, unwrap } from '../core/errors.ts'
import type { Result } from '../core/errors.ts'
import { LEASED_WORK_MS, underLease } from '../core/lease.ts'
import { SYNC_ATTEMPTS, SYNC_DEADLINE_MS } from '../core/limits.ts'
import type { DueSync, KeyringAuthority, KeyringChange, OpenKeySource, SyncOptions, SyncReport } from '../core/ports.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { sealers } from '../crypto/seal.ts'
import { applyChange } from './change.ts'
import type { Examine } from './diagnoses.ts'
import { Diagnoses } from './diagnoses.ts'
import type { ReaderParts } from './reader.ts'
import { Reader } from './reader.ts'
import { nextTry } from './status.ts'
import { syncKeyring } from './sync.ts'
import type { UpkeepParts } from './upkeep.ts'
import { Upkeep } from './upkeep.ts'

/** Where a keyring comes from, and how the way there is looked at. */
export interface Source {
  readonly open: OpenKeySource
  readonly examine: Examine
}

export interface AuthorityParts extends ReaderParts, UpkeepParts {
  /** By keyring name. */
  readonly sources: ReadonlyMap<string, Source>
  /** New versions that one sync reads at most. */
  readonly syncBatch: number
  /** How long after it stopped being active some instance may still encrypt with a key, in milliseconds. */
  readonly encryptBoundMs: number
  /** How long a sync that begins now may take, in milliseconds; at most 60 s are used. */
  readonly leftMs: () => number
}

const PLAIN: SyncOptions = { force: false, adopt: false, token: null }
/** What the status says of it: neither that all is well nor that Vault is down. */
const DEFECT: Result<never> = {
  ok: false,
  error: {
    code: 'ERR_INTERNAL',
    message: 'Something went wrong in the sync itself.',
    remedy: REMEDIES.ERR_INTERNAL,
    facts: {},
  },
}

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
    diagnose: (name) => settle(async () => (await keyring(name)).diagnose()),
  }
}

class Keyring {
  readonly #parts: AuthorityParts
  readonly #name: string
  readonly #reader: Reader
  readonly #upkeep: Upkeep
  readonly #sealers: SealerSet
  readonly #source: OpenKeySource
  readonly #diagnoses: Diagnoses
  #running: Promise<SyncReport> | null = null

  private constructor(parts: AuthorityParts, name: string, { open, examine }: Source, set: SealerSet) {
    this.#parts = parts
    this.#name = name
    this.#source = open
    this.#diagnoses = new Diagnoses(examine, parts)
    this.#sealers = set
    this.#reader = new Reader(parts, set, name, (...saved) => this.#upkeep.push(...saved))
    this.#upkeep = new Upkeep(parts, name, this.#reader.log)
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

  diagnose() {
    return this.#diagnoses.diagnose()
  }

  async status() {
    const { replicated, ...status } = await this.#reader.status()
    const loaded = this.#parts.replica && (await settle(() => this.#reader.ledger.load()))
    return { ...status, replica: this.#upkeep.replicated(replicated, loaded?.ok ? loaded.value : null) }
  }

  /** Looked at again under the lease: whoever had it before may have done the work. */
  async syncIfDue(): Promise<DueSync> {
    const { store, clock } = this.#parts
    if (!(await this.#isDue()) && !(await this.#needsUpkeep())) return 'not-due'
    return underLease(store, clock, `sync/${this.#name}`, async () => {
      await settle(() => this.#upkeep.run(this.#reader.ledger))
      if (!(await this.#isDue())) return 'not-due'
      await this.#sync(PLAIN, LEASED_WORK_MS)
      return 'synced'
    })
  }

  async change(change: KeyringChange) {
    for (let attempt = 0; attempt < SYNC_ATTEMPTS; attempt += 1) {
      const loaded = await this.#reader.ledger.load()
      const record = await this.#reader.ledger.draft(loaded)
      if (record === null) throw new KeyringError('ERR_KEY_NOT_FOUND', `Keyring "${this.#name}" has never been synced.`)
      const next = applyChange(record, change, this.#parts.clock.now(), await this.#encryptBound())
      const saved = await this.#reader.ledger.save(loaded, next)
      if (saved !== 'conflict') return saved
    }
    throw new KeyringError('ERR_SYNC_CONTENDED', `Others kept writing keyring "${this.#name}".`)
  }

  async #isDue(): Promise<boolean> {
    const now = this.#parts.clock.now()
    const due = nextTry(await this.#reader.log.read(), this.#parts.syncPeriodMs, now)
    return due !== null && due <= now
  }

  /** A record that cannot be read is for the next sync to report. */
  async #needsUpkeep(): Promise<boolean> {
    const needed = await settle(() => this.#upkeep.isNeeded(this.#reader.ledger))
    return needed.ok && needed.value
  }

  async #encryptBound() {
    const { replica, encryptBoundMs: ms } = this.#parts
    return { ms, replicated: replica && (await this.#reader.log.read()).replicated }
  }

  async #sync(options: SyncOptions, mostMs = SYNC_DEADLINE_MS): Promise<SyncReport> {
    const result = await settle(() => this.#attempt(options, mostMs)).catch(async (defect: unknown) => {
      if (options.token === null) await this.#note(DEFECT)
      throw defect
    })
    if (options.token === null || result.ok) await this.#note(result)
    return unwrap(result)
  }

  /** A status that cannot be written must not hide how the sync itself went. */
  async #note(result: Result<SyncReport>): Promise<void> {
    await settle(() => this.#reader.log.note(result))
  }

  async #attempt(options: SyncOptions, mostMs: number): Promise<SyncReport> {
    const { clock, syncBatch: batch, leftMs } = this.#parts
    const { ledger } = this.#reader
    return withDeadline(Math.min(mostMs, leftMs()), (signal) => {
      const source = this.#source(options.token)
      return syncKeyring({ keyring: this.#name, ledger, sealers: this.#sealers, clock, source, batch, signal }, options)
    })
  }
}
