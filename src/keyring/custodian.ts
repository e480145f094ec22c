/** One keyring at the authority, with a method for each operation. */
import type { Awaitable } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import { withDeadline } from '../core/deadline.ts'
import type { ApiToken } from '../core/api-token.ts'
import { settle, unwrap } from '../core/errors.ts'
import type { KeyringError } from '../core/errors.ts'
import type { Finding, Refuses } from '../core/findings.ts'
import { LEASED_WORK_MS, underLease } from '../core/lease.ts'
import { SYNC_DEADLINE_MS } from '../core/limits.ts'
import type { DueSync, Message, PushAnswer, RotationReport, SyncReport } from '../core/operations.ts'
import type {
  Audit,
  Clock,
  Insistence,
  KeySink,
  LoginItems,
  OpenKeySource,
  RotationRules,
  SharedStore,
  SourceId,
} from '../core/ports.ts'
import { ageOf } from '../core/time.ts'
import type { SealerSet } from '../crypto/seal.ts'
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
import type { RotateParts, noteEnded, rotateKeyring } from './rotate.ts'
import type { RotationAsk } from './rotation.ts'
import { StatusLog, isLookDue, isRotationDue } from './status-log.ts'
import type { StoredStatus } from './status.ts'
import { nextTry } from './status.ts'
import type { noteFound, tellEnds } from './ends.ts'
import { refusesBy } from './sync.ts'
import { PLAIN, Syncs } from './syncs.ts'
import { Upkeep } from './upkeep.ts'
import type { WriterParts } from './writer.ts'
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

/** Ids in a flood are random: so often, in milliseconds, one of them may cost requests to Vault. */
const SEEK_PAUSE_MS = 60_000
/** A caller waits for its value, in milliseconds. */
const SEEK_MS = 10_000
/** For a look at what ends, in milliseconds. */
const LOOK_MS = 10_000

interface Own {
  readonly keyring: string
  readonly reader: Reader
  readonly log: StatusLog
  readonly ledger: WrittenLedger
  readonly writer: Writer
  readonly sealers: SealerSet
  readonly clock: Clock
}

export class Custodian implements Handlers {
  readonly #parts: CustodianParts
  readonly #source: Omit<Source, 'pushed'>
  readonly #pushed: SourceId | null
  /** What all that works on this keyring shares. */
  readonly #own: Own
  readonly #upkeep: Upkeep
  readonly #syncs: Syncs
  readonly #diagnoses: Diagnoses

  constructor(parts: CustodianParts, name: string, { pushed, ...source }: Source, set: SealerSet) {
    this.#parts = parts
    this.#source = source
    this.#pushed = pushed ?? null
    const ledger = new WrittenLedger(parts.store, set, parts.clock, name)
    const reader = new Reader(parts, set, name, ledger)
    const log = new StatusLog(parts, set, name)
    const writer = new Writer(parts, name, { ledger, log }, set)
    const own = { keyring: name, reader, log, ledger, writer, sealers: set, clock: parts.clock }
    this.#own = own
    this.#upkeep = new Upkeep({ ...parts, ...own })
    this.#syncs = new Syncs({
      ...parts,
      ...own,
      upkeep: this.#upkeep,
      source: source.open,
      isPushed: pushed !== undefined,
    })
    this.#diagnoses = new Diagnoses(async (signal, options) => {
      const findings = await source.examine(signal, options, await this.#refuses())
      await settle(async () => (await parts.loadRare()).noteFound(log, findings))
      return findings
    }, parts)
  }

  read({ known }: Message<'read'>) {
    return this.#own.reader.read(known)
  }

  /** A new version is used elsewhere before it is synced here. A sync that fails leaves what is held as the answer. */
  async seek({ id }: Message<'seek'>): Promise<Bytes | null> {
    const loaded = await this.#own.ledger.load()
    const { lastAttempt } = await this.#own.log.read()
    const isHeld = loaded?.record.keys.some((entry) => entry.id === id) ?? false
    const isAsked = this.#pushed === null
    const isRemoved = loaded?.record.tombstones.some((stone) => stone.id === id) ?? false
    if (isAsked && !isHeld && !isRemoved && ageOf(lastAttempt ?? 0, this.#parts.clock.now()) >= SEEK_PAUSE_MS)
      await settle(() => this.#syncs.plain('none', SEEK_MS))
    return (await this.#own.ledger.load())?.bytes ?? null
  }

  /** A plain sync joins one that has not begun; whoever asks for more gets a sync of one's own. */
  async sync({ options }: Message<'sync'>): Promise<SyncReport> {
    if (this.#pushed !== null) throw await this.#notAskedHere()
    if (isPlain(options)) return this.#syncs.plain('outage', SYNC_DEADLINE_MS)
    const insist = options.force ? 'refusal' : 'outage'
    return this.#syncs.alone(SYNC_DEADLINE_MS, async (signal) =>
      (await this.#syncs.asked(options, insist, signal)).report(),
    )
  }

  async offer({ push, mountKeeps }: Message<'offer'>): Promise<PushAnswer> {
    const { doubt, syncBatch: batch, rotation: rules } = this.#parts
    const [{ offer }, source] = await this.#pushing()
    return offer({ ...this.#own, doubt, batch, rules, source }, push, mountKeeps)
  }

  async deliver({ push, reads }: Message<'deliver'>): Promise<SyncReport> {
    const [{ delivered, inWords }, source] = await this.#pushing()
    const from = delivered({ ...this.#parts, ...this.#own }, source, push, reads)
    const { force, adopt } = push
    return this.#syncs.alone(SYNC_DEADLINE_MS, async (signal) => {
      const result = await settle(() => this.#syncs.of(() => from, { force, adopt, token: null }, signal))
      return { ...unwrap(inWords(result)).report(), requests: 0 }
    })
  }

  async #pushing(): Promise<[typeof pushing, SourceId]> {
    const { pushing } = await this.#parts.loadRare()
    if (this.#pushed === null) throw pushing.notPushedHere(this.#own.keyring)
    return [pushing, this.#pushed]
  }

  async #notAskedHere(): Promise<KeyringError> {
    return (await this.#parts.loadRare()).pushing.notAskedHere(this.#own.keyring)
  }

  diagnose({ login }: Message<'diagnose'>) {
    return this.#diagnoses.diagnose({ login })
  }

  /** By the record, as far as it can be read. */
  async #refuses(): Promise<Refuses> {
    const loaded = await settle(() => this.#own.ledger.load())
    return loaded.ok && loaded.value !== null ? refusesBy(loaded.value.record) : () => null
  }

  async status() {
    const { replicated, ...status } = await this.#own.reader.status(this.#pushed !== null)
    const loaded = this.#parts.replica && (await settle(() => this.#own.ledger.load()))
    return { ...status, replica: this.#own.writer.replicated(replicated, loaded?.ok ? loaded.value : null) }
  }

  /** What is due is looked at again under the lease, because whoever had it before may have done the work. */
  async syncIfDue({ refused = [] }: Message<'syncIfDue'>): Promise<DueSync> {
    const status = await this.#own.log.read()
    if (refused.join('\n') !== status.refused.join('\n')) await settle(() => this.#own.log.noteRefused(refused))
    if (!this.#isDue(status) && !(await this.#upkeep.isNeeded())) return 'not-due'
    return underLease(this.#parts, `sync/${this.#own.keyring}`, async () => {
      await this.#upkeep.run()
      if (this.#pushed !== null) await settle(() => this.#lookAhead())
      if (!this.#isDue(await this.#own.log.read())) return 'not-due'
      if (this.#parts.rotation.cadence === null) await this.#syncs.plain('none', LEASED_WORK_MS)
      else await this.#rotation({ by: 'schedule', dryRun: false }, 'none', LEASED_WORK_MS)
      await settle(() => this.#lookAhead())
      return 'synced'
    })
  }

  /** After a sync, when Vault is known to answer. */
  async #lookAhead(): Promise<void> {
    const { clock, apiTokens, syncPeriodMs, log: tell, loadRare } = this.#parts
    if (!isLookDue(await this.#own.log.read(), clock.now())) return
    const found = await withDeadline(Math.min(LOOK_MS, this.#parts.leftMs()), (signal) => this.#source.ends(signal))
    const { tellEnds } = await loadRare()
    await tellEnds({ ...this.#own, found, apiTokens, syncPeriodMs, tell })
  }

  /** The version that is current now, as far as is known here, is the one that the new key follows. */
  async rotate({ dryRun }: Message<'rotate'>): Promise<RotationReport> {
    if (this.#pushed !== null) throw await this.#notAskedHere()
    const known = (await this.#own.ledger.load())?.record.highest ?? 0
    return this.#rotation({ by: 'hand', known, dryRun }, 'outage', SYNC_DEADLINE_MS)
  }

  async change({ change }: Message<'change'>) {
    const { change: apply } = await this.#parts.loadRare()
    return apply({ ...this.#parts, ...this.#own }, change)
  }

  async reseal() {
    const { reseal } = await this.#parts.loadRare()
    return reseal({ ...this.#parts, ...this.#own, putStamp: () => this.#upkeep.putStamp() })
  }

  async import({ record, force }: Message<'import'>) {
    const { import: bring } = await this.#parts.loadRare()
    return bring({ ...this.#parts, ...this.#own }, record, force)
  }

  #isDue(status: StoredStatus): boolean {
    if (this.#pushed !== null) return false
    const now = this.#parts.clock.now()
    const due = nextTry(status, this.#parts.syncPeriodMs, now)
    return (due !== null && due <= now) || isRotationDue(status, this.#parts.syncPeriodMs, now)
  }

  async #rotation(ask: RotationAsk, insist: Insistence, mostMs: number): Promise<RotationReport> {
    let hasSynced = false
    const result = await this.#syncs.alone(mostMs, (signal) => {
      const sync: RotateParts['sync'] = async (written) => {
        const synced = await this.#syncs.asked(PLAIN, insist, signal, written)
        hasSynced = true
        return synced
      }
      return settle(async () => {
        const sink = (await this.#source.openSink?.({ insist })) ?? null
        const { rotate } = await this.#parts.loadRare()
        return rotate({ ...this.#parts, ...this.#own, rules: this.#parts.rotation, sink, sync, signal }, ask)
      })
    })
    const outcome = hasSynced && (result.ok || !ask.dryRun) ? result : null
    if (outcome || ask.by === 'schedule') await settle(() => this.#own.log.noteRotation(ask, outcome))
    return unwrap(result)
  }
}
