/** The syncs of one keyring, by whoever asks for them: one at a time, and each is in the status afterwards. */
import type { Awaitable } from '../core/awaitable.ts'
import { refusal, settle, unwrap } from '../core/errors.ts'
import type { Result } from '../core/errors.ts'
import type { SyncOptions, SyncReport } from '../core/operations.ts'
import type { Audit, Insistence, OpenKeySource, RotationRules } from '../core/ports.ts'
import type { ReadOutcome } from './apply.ts'
import { writtenMs } from './plan.ts'
import type { noteEnded } from './rotate.ts'
import type { Seen, StatusLog } from './status-log.ts'
import type { SyncDone, SyncParts } from './sync.ts'
import { syncKeyring } from './sync.ts'
import { Turns } from './turns.ts'
import type { Upkeep } from './upkeep.ts'

interface SyncsParts extends Pick<SyncParts, 'keyring' | 'ledger' | 'writer' | 'sealers' | 'clock' | 'doubt'> {
  readonly log: StatusLog
  readonly upkeep: Upkeep
  readonly source: OpenKeySource
  /** The source is not asked from here. */
  readonly isPushed: boolean
  /** New versions that one sync reads at most. */
  readonly syncBatch: number
  readonly rotation: RotationRules
  /** Hears of keys that are written. */
  readonly audit: Audit
  readonly loadRare: () => Awaitable<{ readonly noteEnded: typeof noteEnded }>
  /** How long a sync that begins now may take, in milliseconds. */
  readonly leftMs: () => number
}

/** What a sync reads. */
type From = Pick<SyncParts, 'source' | 'batch' | 'refuse'>

export const PLAIN: SyncOptions = { force: false, adopt: false, token: null }

/** What the status says of a defect: neither that all is well nor that Vault is down. */
const DEFECT = refusal('ERR_INTERNAL', 'Something went wrong in the sync itself.')

export class Syncs {
  readonly #parts: SyncsParts
  readonly #turns: Turns<SyncReport>
  /** The plain sync that has not begun insists as much as the one who insists most of those who asked for it. */
  #insists: Insistence = 'none'

  constructor(parts: SyncsParts) {
    this.#parts = parts
    this.#turns = new Turns(parts.keyring)
  }

  /** A plain one from the source, for everybody who asks until it begins. */
  plain(insist: Insistence, mostMs: number): Promise<SyncReport> {
    if (!this.#turns.isJoinable) this.#insists = 'none'
    if (insist !== 'none') this.#insists = insist
    return this.#turns.together(this.#leftMs(mostMs), async (signal) =>
      (await this.asked(PLAIN, this.#insists, signal)).report(),
    )
  }

  /** A turn, in which `work` syncs by what follows. */
  alone<T>(mostMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#turns.alone(this.#leftMs(mostMs), work)
  }

  /** @param insist is of whoever asks: a person, an operator, or the schedule. @param written a version that need not be read. */
  asked(
    options: SyncOptions,
    insist: Insistence,
    signal: AbortSignal,
    written: ReadOutcome | null = null,
  ): Promise<SyncDone> {
    const { source, syncBatch: batch } = this.#parts
    return this.of(() => ({ source: source(options.token, { insist }), batch }), options, signal, written)
  }

  async of(
    open: () => From,
    options: SyncOptions,
    signal: AbortSignal,
    written: ReadOutcome | null = null,
  ): Promise<SyncDone> {
    const { doubt, rotation, upkeep } = this.#parts
    const attempt = () =>
      syncKeyring({ ...this.#parts, doubt, delayMs: rotation.delayMs, ...open(), signal }, options, written)
    const result = await settle(attempt).catch(async (defect: unknown) => {
      if (options.token === null) await this.#note(DEFECT, null)
      throw defect
    })
    const reported = result.ok ? await settle(() => result.value.report()) : result
    if (result.ok && result.value.ended) (await this.#parts.loadRare()).noteEnded(this.#parts, result.value.ended)
    if (options.token === null || reported.ok) await this.#note(reported, result.ok ? this.#seen(result.value) : null)
    await settle(() => upkeep.sealItems())
    return unwrap(result)
  }

  #seen({ record: { keys }, observation, ended }: SyncDone): Seen {
    const { cadence } = this.#parts.rotation
    const since = writtenMs(observation)
    return { keys, rotated: ended?.id, nextRotation: since === null ? null : (cadence?.after(since) ?? null) }
  }

  /** A status that cannot be written must not hide how the sync itself went. */
  async #note(result: Result<SyncReport>, seen: Seen | null): Promise<void> {
    const { log, isPushed } = this.#parts
    await settle(() => log.note(result, seen, isPushed))
  }

  #leftMs(mostMs: number): number {
    return Math.min(mostMs, this.#parts.leftMs())
  }
}
