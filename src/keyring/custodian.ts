/** One keyring at the authority, with a method for each operation. */
import { KeyringError, settle, unwrap } from '../core/errors.ts'
import type { Result } from '../core/errors.ts'
import { LEASED_WORK_MS, underLease } from '../core/lease.ts'
import { SYNC_ATTEMPTS, SYNC_DEADLINE_MS } from '../core/limits.ts'
import type { DueSync, Message, OpenKeySource, SyncOptions, SyncReport } from '../core/ports.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { applyChange } from './change.ts'
import type { Examine } from './diagnoses.ts'
import { Diagnoses } from './diagnoses.ts'
import type { Handlers } from './messages.ts'
import type { ReaderParts } from './reader.ts'
import { Reader } from './reader.ts'
import { nextTry } from './status.ts'
import { believedStops } from './stopped.ts'
import { syncKeyring } from './sync.ts'
import type { WriterParts } from './writer.ts'
import { Turns } from './turns.ts'
import { Writer } from './writer.ts'

/** Where a keyring comes from, and how the way there is looked at. */
export interface Source {
  readonly open: OpenKeySource
  readonly examine: Examine
}

export interface CustodianParts extends ReaderParts, WriterParts {
  /** New versions that one sync reads at most. */
  readonly syncBatch: number
  /** How long after it stopped being active some instance may still encrypt with a key, in milliseconds. */
  readonly encryptBoundMs: number
  /** How long a sync that begins now may take, in milliseconds; at most 60 s are used. */
  readonly leftMs: () => number
}

const PLAIN: SyncOptions = { force: false, adopt: false, token: null }

export class Custodian implements Handlers {
  readonly #parts: CustodianParts
  readonly #name: string
  readonly #reader: Reader
  readonly #writer: Writer
  readonly #sealers: SealerSet
  readonly #source: OpenKeySource
  readonly #diagnoses: Diagnoses
  readonly #turns: Turns<SyncReport>

  constructor(parts: CustodianParts, name: string, { open, examine }: Source, set: SealerSet) {
    this.#parts = parts
    this.#name = name
    this.#source = open
    this.#diagnoses = new Diagnoses(examine, parts)
    this.#sealers = set
    this.#reader = new Reader(parts, set, name)
    this.#writer = new Writer(parts, name, this.#reader, set)
    this.#turns = new Turns(name)
  }

  read({ known }: Message<'read'>) {
    return this.#reader.read(known)
  }

  /** Joins one that has not begun, unless something is asked for that it might not do. */
  sync({ options }: Message<'sync'>): Promise<SyncReport> {
    const isPlain = !options.force && !options.adopt && options.token === null
    if (isPlain) return this.#plainSync(SYNC_DEADLINE_MS)
    return this.#turns.alone(this.#leftMs(SYNC_DEADLINE_MS), (signal) => this.#sync(options, signal))
  }

  diagnose() {
    return this.#diagnoses.diagnose()
  }

  async status() {
    const { replicated, ...status } = await this.#reader.status()
    const loaded = this.#parts.replica && (await settle(() => this.#reader.ledger.load()))
    return { ...status, replica: this.#writer.replicated(replicated, loaded?.ok ? loaded.value : null) }
  }

  /** Looked at again under the lease: whoever had it before may have done the work. */
  async syncIfDue(): Promise<DueSync> {
    if (!(await this.#isDue()) && !(await this.#needsUpkeep())) return 'not-due'
    return underLease(this.#parts, `sync/${this.#name}`, async () => {
      await settle(() => this.#writer.upkeep())
      if (!(await this.#isDue())) return 'not-due'
      await this.#plainSync(LEASED_WORK_MS)
      return 'synced'
    })
  }

  async change({ change }: Message<'change'>) {
    const { clock, doubt } = this.#parts
    for (let attempt = 0; attempt < SYNC_ATTEMPTS; attempt += 1) {
      const loaded = await this.#reader.ledger.load()
      const record = await this.#reader.ledger.draft(loaded)
      if (record === null) throw new KeyringError('ERR_KEY_NOT_FOUND', `Keyring "${this.#name}" has never been synced.`)
      const bound = await this.#encryptBound()
      const now = clock.now()
      const next = applyChange(believedStops(record, now, doubt), change, now, bound)
      const saved = await this.#writer.save(loaded, next)
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
    const needed = await settle(() => this.#writer.isUpkeepNeeded())
    return needed.ok && needed.value
  }

  async #encryptBound() {
    const { replica, encryptBoundMs: ms } = this.#parts
    return { ms, replicated: replica && (await this.#reader.log.read()).replicated }
  }

  #plainSync(mostMs: number): Promise<SyncReport> {
    return this.#turns.together(this.#leftMs(mostMs), (signal) => this.#sync(PLAIN, signal))
  }

  #leftMs(mostMs: number): number {
    return Math.min(mostMs, this.#parts.leftMs())
  }

  async #sync(options: SyncOptions, signal: AbortSignal): Promise<SyncReport> {
    const result = await settle(() => this.#attempt(options, signal))
    if (options.token === null || result.ok) await this.#note(result)
    return unwrap(result)
  }

  /** A status that cannot be written must not hide how the sync itself went. */
  async #note(result: Result<SyncReport>): Promise<void> {
    await settle(() => this.#reader.log.note(result))
  }

  #attempt(options: SyncOptions, signal: AbortSignal): Promise<SyncReport> {
    const { clock, doubt, syncBatch: batch } = this.#parts
    const on = {
      keyring: this.#name,
      ledger: this.#reader.ledger,
      writer: this.#writer,
      sealers: this.#sealers,
      clock,
      doubt,
    }
    return syncKeyring({ ...on, source: this.#source(options.token), batch, signal }, options)
  }
}
