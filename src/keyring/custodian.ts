/** One keyring at the authority, with a method for each operation. */
import { KeyringError, refusal, settle, unwrap } from '../core/errors.ts'
import type { KeyringErrorCode, Result } from '../core/errors.ts'
import type { Refuses } from '../core/findings.ts'
import { LEASED_WORK_MS, underLease } from '../core/lease.ts'
import { SYNC_ATTEMPTS, SYNC_DEADLINE_MS } from '../core/limits.ts'
import type { DueSync, Insistence, LoginItems, Message, OpenKeySource, SyncOptions, SyncReport } from '../core/ports.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { applyChange } from './change.ts'
import type { Examine } from './diagnoses.ts'
import { Diagnoses } from './diagnoses.ts'
import type { Handlers } from './messages.ts'
import type { ReaderParts } from './reader.ts'
import { Reader } from './reader.ts'
import { isDueForReseal } from './freshness.ts'
import { nextTry } from './status.ts'
import { believedStops } from './stopped.ts'
import { refusesBy, syncKeyring } from './sync.ts'
import type { WriterParts } from './writer.ts'
import { Turns } from './turns.ts'
import { Writer } from './writer.ts'

/** Where a keyring comes from, and how the way there is looked at. */
export interface Source {
  readonly open: OpenKeySource
  readonly examine: (...args: [...Parameters<Examine>, Refuses]) => ReturnType<Examine>
}

export interface CustodianParts extends ReaderParts, WriterParts {
  /** `null` = nothing is stored of a login. */
  readonly loginItems: LoginItems | null
  /** New versions that one sync reads at most. */
  readonly syncBatch: number
  /** How long after it stopped being active some instance may still encrypt with a key, in milliseconds. */
  readonly encryptBoundMs: number
  /** How long a sync that begins now may take, in milliseconds; at most 60 s are used. */
  readonly leftMs: () => number
}

/** What the status says of a defect: neither that all is well nor that Vault is down. */
const DEFECT = refusal('ERR_INTERNAL', 'Something went wrong in the sync itself.')
/** Against these only other settings help, so that a look a day is enough. */
const NOT_BY_WAITING: ReadonlySet<KeyringErrorCode> = new Set(['ERR_WRAPPING_KEY_MISSING', 'ERR_WRAPPING_KEY_WRONG'])
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
  /** When this process has seen to what is stored of the login. */
  #itemsSealed = Number.NEGATIVE_INFINITY
  /** The plain sync that has not begun insists as much as the one who insists most of those who asked for it. */
  #insists: Insistence = 'none'

  constructor(parts: CustodianParts, name: string, { open, examine }: Source, set: SealerSet) {
    this.#parts = parts
    this.#name = name
    this.#source = open
    this.#diagnoses = new Diagnoses(async (signal, options) => examine(signal, options, await this.#refuses()), parts)
    this.#sealers = set
    this.#reader = new Reader(parts, set, name)
    this.#writer = new Writer(parts, name, this.#reader, set)
    this.#turns = new Turns(name)
  }

  read({ known }: Message<'read'>) {
    return this.#reader.read(known)
  }

  /** A plain sync joins one that has not begun; whoever asks for more gets a sync of one's own. */
  sync({ options }: Message<'sync'>): Promise<SyncReport> {
    const isPlain = !options.force && !options.adopt && options.token === null
    if (isPlain) return this.#plainSync('outage', SYNC_DEADLINE_MS)
    const insist = options.force ? 'refusal' : 'outage'
    return this.#turns.alone(this.#leftMs(SYNC_DEADLINE_MS), (signal) => this.#sync(options, insist, signal))
  }

  diagnose({ login }: Message<'diagnose'>) {
    return this.#diagnoses.diagnose({ login })
  }

  /** By the record, as far as it can be read. */
  async #refuses(): Promise<Refuses> {
    const loaded = await settle(() => this.#reader.ledger.load())
    return loaded.ok && loaded.value !== null ? refusesBy(loaded.value.record) : () => null
  }

  async status() {
    const { replicated, ...status } = await this.#reader.status()
    const loaded = this.#parts.replica && (await settle(() => this.#reader.ledger.load()))
    return { ...status, replica: this.#writer.replicated(replicated, loaded?.ok ? loaded.value : null) }
  }

  /** What is due is looked at again under the lease, because whoever had it before may have done the work. */
  async syncIfDue(): Promise<DueSync> {
    if (!(await this.#isDue()) && !(await this.#needsUpkeep())) return 'not-due'
    return underLease(this.#parts, `sync/${this.#name}`, async () => {
      await settle(() => this.#writer.upkeep())
      await settle(() => this.#sealItems())
      if (!(await this.#isDue())) return 'not-due'
      await this.#plainSync('none', LEASED_WORK_MS)
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

  /** Each process does this once a day and at its first look, since a new order of the wrapping keys comes with a new process. What was left goes on at the next look. */
  async #sealItems(): Promise<void> {
    const { loginItems, clock } = this.#parts
    if (loginItems === null || !this.#isItemsDue()) return
    const sealed = await settle(() => loginItems.sealAnew())
    if (sealed.ok) await this.#reader.log.noteItems(sealed.value)
    const isOver = sealed.ok ? sealed.value.isDone : NOT_BY_WAITING.has(sealed.error.code)
    if (isOver) this.#itemsSealed = clock.now()
  }

  #isItemsDue(): boolean {
    return this.#parts.loginItems !== null && isDueForReseal(this.#itemsSealed, this.#parts.clock.now())
  }

  /** A record that cannot be read is for the next sync to report. */
  async #needsUpkeep(): Promise<boolean> {
    if (this.#isItemsDue()) return true
    const needed = await settle(() => this.#writer.isUpkeepNeeded())
    return needed.ok && needed.value
  }

  async #encryptBound() {
    const { replica, encryptBoundMs: ms } = this.#parts
    return { ms, replicated: replica && (await this.#reader.log.read()).replicated }
  }

  #plainSync(insist: Insistence, mostMs: number): Promise<SyncReport> {
    if (!this.#turns.isJoinable) this.#insists = 'none'
    if (insist !== 'none') this.#insists = insist
    return this.#turns.together(this.#leftMs(mostMs), (signal) => this.#sync(PLAIN, this.#insists, signal))
  }

  #leftMs(mostMs: number): number {
    return Math.min(mostMs, this.#parts.leftMs())
  }

  /** @param insist is of whoever asks: a person, an operator, or the schedule. */
  async #sync(options: SyncOptions, insist: Insistence, signal: AbortSignal): Promise<SyncReport> {
    const result = await settle(() => this.#attempt(options, insist, signal)).catch(async (defect: unknown) => {
      if (options.token === null) await this.#note(DEFECT)
      throw defect
    })
    if (options.token === null || result.ok) await this.#note(result)
    await settle(() => this.#sealItems())
    return unwrap(result)
  }

  /** A status that cannot be written must not hide how the sync itself went. */
  async #note(result: Result<SyncReport>): Promise<void> {
    await settle(() => this.#reader.log.note(result))
  }

  #attempt(options: SyncOptions, insist: Insistence, signal: AbortSignal): Promise<SyncReport> {
    const { clock, doubt, syncBatch: batch } = this.#parts
    const on = {
      keyring: this.#name,
      ledger: this.#reader.ledger,
      writer: this.#writer,
      sealers: this.#sealers,
      clock,
      doubt,
    }
    return syncKeyring({ ...on, source: this.#source(options.token, { insist }), batch, signal }, options)
  }
}
