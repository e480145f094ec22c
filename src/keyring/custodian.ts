/** One keyring at the authority, with a method for each operation. */
import type { Awaitable } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import { withDeadline } from '../core/deadline.ts'
import type { ApiToken } from '../core/api-token.ts'
import { refusal, settle, unwrap } from '../core/errors.ts'
import type { KeyringError, Result } from '../core/errors.ts'
import type { Finding, Refuses } from '../core/findings.ts'
import { LEASED_WORK_MS, underLease } from '../core/lease.ts'
import { MOST_TIME, SYNC_DEADLINE_MS } from '../core/limits.ts'
import type {
  Audit,
  DueSync,
  Insistence,
  KeySink,
  LoginItems,
  Message,
  OpenKeySource,
  PushAnswer,
  RotationReport,
  RotationRules,
  SharedStore,
  SourceId,
  SyncOptions,
  SyncReport,
} from '../core/ports.ts'
import { ageOf } from '../core/time.ts'
import type { SealerSet } from '../crypto/seal.ts'
import type { ReadOutcome } from './apply.ts'
import type { Examine } from './diagnoses.ts'
import { Diagnoses } from './diagnoses.ts'
import type { importRecord } from './import.ts'
import type { Handlers } from './messages.ts'
import { isPlain } from './messages.ts'
import type { pushing } from './push.ts'
import type { ReaderParts } from './reader.ts'
import { Reader } from './reader.ts'
import type { Stamps } from './stamp.ts'
import type { changeKey, resealAll } from './rewrite.ts'
import type { RotateParts, RotationAsk, noteEnded, rotateKeyring } from './rotate.ts'
import type { Seen } from './status-log.ts'
import { StatusLog, isLookDue, isRotationDue } from './status-log.ts'
import { nextTry } from './status.ts'
import type { noteFound, tellEnds } from './ends.ts'
import type { SyncDone, SyncParts } from './sync.ts'
import { refusesBy, syncKeyring } from './sync.ts'
import { Upkeep } from './upkeep.ts'
import type { WriterParts } from './writer.ts'
import { Turns } from './turns.ts'
import { Writer } from './writer.ts'
import { WrittenLedger } from './written-ledger.ts'

/** Where a keyring comes from, and how the way there is looked at. */
export interface Source {
  readonly open: OpenKeySource
  /** With the login of rotations. `null` = the source cannot be written. */
  readonly openSink: ((how: { readonly insist: Insistence }) => Awaitable<KeySink>) | null
  readonly examine: (...args: [...Parameters<Examine>, Refuses]) => ReturnType<Examine>
  /** A look at what ends by itself on the way there. It throws nothing but a defect. */
  readonly ends: (signal: AbortSignal) => Promise<readonly Finding[]>
  /** What others hand over is of this source, which is not asked from here. Absent = it is asked. */
  readonly pushed?: SourceId
}

export interface CustodianParts extends ReaderParts, WriterParts {
  readonly store: SharedStore
  /** `null` = nothing is stored of a login. */
  readonly loginItems: LoginItems | null
  /** New versions that one sync reads at most. */
  readonly syncBatch: number
  readonly rotation: RotationRules
  /** What is asked for rarely, at once or when it is needed. */
  readonly loadRare: () => Awaitable<{
    readonly change: typeof changeKey
    readonly import: typeof importRecord
    readonly reseal: typeof resealAll
    readonly rotate: typeof rotateKeyring
    readonly noteEnded: typeof noteEnded
    readonly noteFound: typeof noteFound
    readonly pushing: typeof pushing
    readonly tellEnds: typeof tellEnds
  }>
  /** Hears of keys that are written. */
  readonly audit: Audit
  readonly stamps: Stamps
  /** They may end, and concern all keyrings. */
  readonly apiTokens: readonly ApiToken[]
  /** Takes a line for the log. */
  readonly log: (line: string) => void
  /** How long a sync that begins now may take, in milliseconds; at most 60 s are used. */
  readonly leftMs: () => number
}

/** What the status says of a defect: neither that all is well nor that Vault is down. */
const DEFECT = refusal('ERR_INTERNAL', 'Something went wrong in the sync itself.')
/** Ids in a flood are random: so often, in milliseconds, one of them may cost requests to Vault. */
const SEEK_PAUSE_MS = 60_000
/** A caller waits for its value, in milliseconds. */
const SEEK_MS = 10_000
/** For a look at what ends, in milliseconds. */
const LOOK_MS = 10_000
const PLAIN: SyncOptions = { force: false, adopt: false, token: null }

/** What a sync reads. */
type From = Pick<SyncParts, 'source' | 'batch' | 'refuse'>

export class Custodian implements Handlers {
  readonly #parts: CustodianParts
  readonly #name: string
  readonly #ledger: WrittenLedger
  readonly #reader: Reader
  readonly #log: StatusLog
  readonly #writer: Writer
  readonly #sealers: SealerSet
  readonly #source: OpenKeySource
  readonly #openSink: Source['openSink']
  readonly #pushed: SourceId | null
  readonly #ends: Source['ends']
  readonly #upkeep: Upkeep
  readonly #diagnoses: Diagnoses
  readonly #turns: Turns<SyncReport>
  /** The plain sync that has not begun insists as much as the one who insists most of those who asked for it. */
  #insists: Insistence = 'none'

  constructor(parts: CustodianParts, name: string, source: Source, set: SealerSet) {
    const { open, openSink, examine, ends, pushed } = source
    this.#parts = parts
    this.#name = name
    this.#source = open
    this.#openSink = openSink
    this.#pushed = pushed ?? null
    this.#ends = ends
    this.#diagnoses = new Diagnoses(async (signal, options) => {
      const findings = await examine(signal, options, await this.#refuses())
      await settle(async () => (await parts.loadRare()).noteFound(this.#log, findings))
      return findings
    }, parts)
    this.#sealers = set
    const ledger = new WrittenLedger(parts.store, set, parts.clock, name)
    this.#ledger = ledger
    this.#reader = new Reader(parts, set, name, ledger)
    this.#log = new StatusLog(parts, set, name)
    this.#writer = new Writer(parts, name, { ledger, log: this.#log }, set)
    this.#upkeep = new Upkeep({ ...parts, ...this.#on() })
    this.#turns = new Turns(name)
  }

  read({ known }: Message<'read'>) {
    return this.#reader.read(known)
  }

  /** A new version is used elsewhere before it is synced here. A sync that fails leaves what is held as the answer. */
  async seek({ id }: Message<'seek'>): Promise<Bytes | null> {
    const loaded = await this.#ledger.load()
    const { lastAttempt } = await this.#log.read()
    const isHeld = loaded?.record.keys.some((entry) => entry.id === id) ?? false
    const isAsked = this.#pushed === null
    const isRemoved = loaded?.record.tombstones.some((stone) => stone.id === id) ?? false
    if (isAsked && !isHeld && !isRemoved && ageOf(lastAttempt ?? 0, this.#parts.clock.now()) >= SEEK_PAUSE_MS)
      await settle(() => this.#plainSync('none', SEEK_MS))
    return (await this.#ledger.load())?.bytes ?? null
  }

  /** A plain sync joins one that has not begun; whoever asks for more gets a sync of one's own. */
  async sync({ options }: Message<'sync'>): Promise<SyncReport> {
    if (this.#pushed !== null) throw await this.#notAskedHere()
    if (isPlain(options)) return this.#plainSync('outage', SYNC_DEADLINE_MS)
    const insist = options.force ? 'refusal' : 'outage'
    return this.#turns.alone(this.#leftMs(SYNC_DEADLINE_MS), (signal) => this.#sync(options, insist, signal))
  }

  async offer({ push, mountKeeps }: Message<'offer'>): Promise<PushAnswer> {
    const { doubt, syncBatch: batch, rotation: rules } = this.#parts
    const [{ offer }, source] = await this.#pushing()
    return offer({ ...this.#on(), doubt, batch, rules, source, log: this.#log }, push, mountKeeps)
  }

  async deliver({ push, reads }: Message<'deliver'>): Promise<SyncReport> {
    const [{ delivered, inWords }, source] = await this.#pushing()
    const from = delivered({ ...this.#parts, keyring: this.#name }, source, push, reads)
    const { force, adopt } = push
    return this.#turns.alone(this.#leftMs(SYNC_DEADLINE_MS), async (signal) => {
      const result = await settle(() => this.#synced({ force, adopt, token: null }, () => from, signal, null))
      return { ...unwrap(inWords(result)).report(), requests: 0 }
    })
  }

  async #pushing(): Promise<[typeof pushing, SourceId]> {
    const { pushing } = await this.#parts.loadRare()
    if (this.#pushed === null) throw pushing.notPushedHere(this.#name)
    return [pushing, this.#pushed]
  }

  async #notAskedHere(): Promise<KeyringError> {
    return (await this.#parts.loadRare()).pushing.notAskedHere(this.#name)
  }

  diagnose({ login }: Message<'diagnose'>) {
    return this.#diagnoses.diagnose({ login })
  }

  /** By the record, as far as it can be read. */
  async #refuses(): Promise<Refuses> {
    const loaded = await settle(() => this.#ledger.load())
    return loaded.ok && loaded.value !== null ? refusesBy(loaded.value.record) : () => null
  }

  async status() {
    const { replicated, ...status } = await this.#reader.status(this.#pushed !== null)
    const loaded = this.#parts.replica && (await settle(() => this.#ledger.load()))
    return { ...status, replica: this.#writer.replicated(replicated, loaded?.ok ? loaded.value : null) }
  }

  /** What is due is looked at again under the lease, because whoever had it before may have done the work. */
  async syncIfDue(): Promise<DueSync> {
    if (!(await this.#isDue()) && !(await this.#upkeep.isNeeded())) return 'not-due'
    return underLease(this.#parts, `sync/${this.#name}`, async () => {
      await this.#upkeep.run()
      if (this.#pushed !== null) await settle(() => this.#lookAhead())
      if (!(await this.#isDue())) return 'not-due'
      if (this.#parts.rotation.cadence === null) await this.#plainSync('none', LEASED_WORK_MS)
      else await this.#rotation({ by: 'schedule' }, 'none', LEASED_WORK_MS)
      await settle(() => this.#lookAhead())
      return 'synced'
    })
  }

  /** After a sync, when Vault is known to answer. */
  async #lookAhead(): Promise<void> {
    const { clock, apiTokens, syncPeriodMs, log: tell, loadRare } = this.#parts
    if (!isLookDue(await this.#log.read(), clock.now())) return
    const found = await withDeadline(this.#leftMs(LOOK_MS), (signal) => this.#ends(signal))
    const { tellEnds } = await loadRare()
    await tellEnds({ ...this.#on(), found, apiTokens, syncPeriodMs, tell })
  }

  /** The version that is current now, as far as is known here, is the one that the new key follows. */
  async rotate({ dryRun }: Message<'rotate'>): Promise<RotationReport> {
    if (this.#pushed !== null) throw await this.#notAskedHere()
    const known = (await this.#ledger.load())?.record.highest ?? 0
    return this.#rotation({ by: 'hand', known, dryRun }, 'outage', SYNC_DEADLINE_MS)
  }

  async change({ change }: Message<'change'>) {
    const { change: apply } = await this.#parts.loadRare()
    return apply({ ...this.#parts, ...this.#on() }, change)
  }

  async reseal() {
    const { reseal } = await this.#parts.loadRare()
    return reseal({ ...this.#parts, ...this.#on(), putStamp: () => this.#upkeep.putStamp() })
  }

  async import({ record, force }: Message<'import'>) {
    const { import: bring } = await this.#parts.loadRare()
    return bring({ ...this.#parts, ...this.#on() }, record, force)
  }

  async #isDue(): Promise<boolean> {
    if (this.#pushed !== null) return false
    const now = this.#parts.clock.now()
    const status = await this.#log.read()
    const due = nextTry(status, this.#parts.syncPeriodMs, now)
    return (due !== null && due <= now) || isRotationDue(status, this.#parts.syncPeriodMs, now)
  }

  #plainSync(insist: Insistence, mostMs: number): Promise<SyncReport> {
    if (!this.#turns.isJoinable) this.#insists = 'none'
    if (insist !== 'none') this.#insists = insist
    return this.#turns.together(this.#leftMs(mostMs), (signal) => this.#sync(PLAIN, this.#insists, signal))
  }

  async #rotation(ask: RotationAsk, insist: Insistence, mostMs: number): Promise<RotationReport> {
    let hasSynced = false
    const result = await this.#turns.alone(this.#leftMs(mostMs), (signal) => {
      const sync: RotateParts['sync'] = async (written) => {
        const synced = await this.#synced(PLAIN, this.#asked(PLAIN, insist), signal, written)
        hasSynced = true
        return synced
      }
      return settle(async () => {
        const sink = (await this.#openSink?.({ insist })) ?? null
        const { rotate } = await this.#parts.loadRare()
        return rotate({ ...this.#parts, ...this.#on(), rules: this.#parts.rotation, sink, sync, signal }, ask)
      })
    })
    const isScheduled = ask.by === 'schedule'
    const isDryRun = ask.by === 'hand' && ask.dryRun
    const outcome = hasSynced && (result.ok || !isDryRun) ? result : null
    if (outcome || isScheduled) await settle(() => this.#log.noteRotation(outcome, isScheduled, isDryRun))
    return unwrap(result)
  }

  #leftMs(mostMs: number): number {
    return Math.min(mostMs, this.#parts.leftMs())
  }

  /** @param insist is of whoever asks: a person, an operator, or the schedule. */
  async #sync(options: SyncOptions, insist: Insistence, signal: AbortSignal): Promise<SyncReport> {
    return (await this.#synced(options, this.#asked(options, insist), signal, null)).report()
  }

  #asked({ token }: SyncOptions, insist: Insistence): () => From {
    return () => ({ source: this.#source(token, { insist }), batch: this.#parts.syncBatch })
  }

  /** @param written a version that need not be read. */
  async #synced(
    options: SyncOptions,
    open: () => From,
    signal: AbortSignal,
    written: ReadOutcome | null,
  ): Promise<SyncDone> {
    const result = await settle(() => this.#attempt(options, open, signal, written)).catch(async (defect: unknown) => {
      if (options.token === null) await this.#note(DEFECT, null)
      throw defect
    })
    const reported = result.ok ? await settle(() => result.value.report()) : result
    const ended = result.ok && result.value.ended
    if (ended) (await this.#parts.loadRare()).noteEnded({ ...this.#parts, ...this.#on() }, ended)
    if (options.token === null || reported.ok) await this.#note(reported, result.ok ? this.#seen(result.value) : null)
    await settle(() => this.#upkeep.sealItems())
    return unwrap(result)
  }

  #seen({ record: { keys }, observation: { currentCreatedMs }, ended }: SyncDone): Seen {
    const { cadence } = this.#parts.rotation
    const next = cadence !== null && currentCreatedMs !== null ? cadence.after(currentCreatedMs) : null
    return { keys, rotated: ended?.id, nextRotation: next !== null && next <= MOST_TIME ? next : null }
  }

  /** A status that cannot be written must not hide how the sync itself went. */
  async #note(result: Result<SyncReport>, seen: Seen | null): Promise<void> {
    await settle(() => this.#log.note(result, seen, this.#pushed !== null))
  }

  #attempt(
    options: SyncOptions,
    open: () => From,
    signal: AbortSignal,
    written: ReadOutcome | null,
  ): Promise<SyncDone> {
    const { doubt, rotation } = this.#parts
    return syncKeyring({ ...this.#on(), doubt, delayMs: rotation.delayMs, ...open(), signal }, options, written)
  }

  #on() {
    const { clock } = this.#parts
    const reader = this.#reader
    return {
      keyring: this.#name,
      reader,
      log: this.#log,
      ledger: this.#ledger,
      writer: this.#writer,
      sealers: this.#sealers,
      clock,
    }
  }
}
