/**
 * What one instance holds of a keyring, and when it looks again: at the replica, or at the authority.
 *
 * Sealed: a record travels as the bytes that its writer has sealed, from the authority, from a replica, and as the answer of a
 * sync or a change. Who brings them does not matter.
 *
 * Believed: nothing is read of them before their MAC holds (`verifyRecord`). What the authority says is taken over when it is
 * newer. When it is older than what was held as it was asked, the record was rolled back, and that is refused; others may have
 * gone on meanwhile, so that only what was held then counts. A replica is a stranger with a copy: its record is taken when it is
 * newer, and spares the question to the authority only with a stamp beside it that is younger than two sync periods and of no
 * later revision. "Unknown", "removed" and "never synced" are the authority's to say.
 *
 * Confirmed: what came from a replica is unconfirmed until the authority has said that this is the record, or a newer one. If
 * the authority has an older one, the fault is the replica's alone, and its word is taken.
 *
 * A failure leaves what is held in service, with a warning, for decryption: who encrypts must know that the key is still active,
 * by a stamp or the authority's word, both of them young. Nothing is stored here: a new instance begins with the replica.
 */
import type { Awaitable } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import { KeyringError, settle, unwrap } from '../core/errors.ts'
import type { KeyringErrorCode } from '../core/errors.ts'
import type { UsedAuthority } from '../core/operations.ts'
import type { Audit, AuditEvent, Background, Clock, Replica } from '../core/ports.ts'
import { STEP_MS, Steps, ageOf } from '../core/time.ts'
import type { SealerSet } from '../crypto/seal.ts'
import type { Ages, Freshness } from './freshness.ts'
import { useOf } from './freshness.ts'
import type { VerifiedRecord } from './record.ts'
import { recordName, verifyRecord } from './record.ts'
import type { Stamp } from './stamp.ts'
import { stampIn, stampName } from './stamp.ts'
import { View } from './view.ts'

export interface SnapshotParts {
  readonly authority: UsedAuthority
  /** `null` = there is none: the authority alone is asked. */
  readonly replica: Replica | null
  /** `null` = nothing goes on after an answer. */
  readonly background: Background | null
  /** Hears of a replica that cannot be believed, of a record that nobody looks after, and of a clock that went back. */
  readonly audit: Pick<Audit, 'note'>
  readonly clock: Clock
  readonly freshness: Freshness
  readonly ages: Ages
  /** The keyrings of the deployment, this one included. */
  readonly siblings: number
  /** Whether the store has these very bytes still, which is the authority's word for whoever cannot wait. Absent = that cannot be said at once. */
  readonly stands?: ((bytes: Bytes) => boolean) | undefined
}

/** Between two refreshes that callers who cannot wait cause, where the authority is in this process, in milliseconds. */
const SOON_MS = 1000

/** No promise is kept: on Workers one request must not wait for another's. */
export class Snapshot {
  readonly #parts: SnapshotParts
  readonly #sealers: SealerSet
  readonly #keyring: string
  #view: View | null = null
  /** What is held is the authority's word, not a replica's alone. */
  #isConfirmed = true
  #checkedAt = Number.NEGATIVE_INFINITY
  #startedAt = Number.NEGATIVE_INFINITY
  #askedAt = Number.NEGATIVE_INFINITY
  #failure: KeyringErrorCode | null = null
  readonly #steps = new Steps()
  #isStepSaid = false
  /** The revision that was noted as too old. */
  #outdated = 0
  /** What the authority has answered last. `null` = what is held is not of that. */
  #answered: Bytes | null = null

  constructor(parts: SnapshotParts, sealers: SealerSet, keyring: string) {
    this.#parts = parts
    this.#sealers = sealers
    this.#keyring = keyring
  }

  /** Why the last refresh failed while an older snapshot serves, or that the record itself is too old. */
  get warning(): KeyringErrorCode | null {
    if (this.#failure !== null || this.#view === null) return this.#failure
    return this.#isOutdated(this.#view) ? 'ERR_RECORD_OUTDATED' : null
  }

  /** For what may be known after the pause. */
  get again(): { keyring: string; retryAfterSeconds: number } {
    return { keyring: this.#keyring, retryAfterSeconds: Math.ceil(this.#parts.freshness.pauseMs / 1000) || 1 }
  }

  /** 0 = nothing is held. */
  get revision(): number {
    return this.#view?.record.revision ?? 0
  }

  /** What there is, at once while it is fresh. It is refreshed first when it is too old; if that fails, what is there serves. `null` = never synced. */
  view(): Awaitable<View | null> {
    const now = this.#now()
    const [age, started] = [ageOf(this.#checkedAt, now, STEP_MS), ageOf(this.#startedAt, now, STEP_MS)]
    const use = useOf(this.#parts.freshness, this.#view !== null, age, started)
    if (use === 'and-refresh') this.#parts.background?.(this.#refreshBehind())
    return use === 'after-refresh' ? this.#refresh(started >= this.#parts.freshness.pauseMs) : this.#view
  }

  /**
   * The same, for whoever encrypts: a removal waits only so long for those who have not heard of it.
   * @throws `ERR_SNAPSHOT_STALE` when what is there is older, and neither replica nor authority can say that it still holds.
   */
  toEncrypt(): Awaitable<View | null> {
    const view = this.view()
    return view instanceof Promise ? view.then((view) => this.#inBounds(view)) : this.#inBounds(view)
  }

  #inBounds(view: View | null): Awaitable<View | null> {
    return view === null || this.#isBounded() ? view : this.#bounded()
  }

  /**
   * What there is, for whoever cannot wait. A refresh begins well before the bound, so that steady use does not meet it.
   * @param toDecrypt what is older serves when the last refresh has failed. @throws `ERR_SNAPSHOT_STALE`; the next call may find it fresh.
   */
  held(toDecrypt: boolean): View | null {
    this.freshen()
    if (this.#isBounded() || (toDecrypt && this.#view !== null && this.#failure !== null)) return this.#view
    throw this.#stale()
  }

  /** Looks whether what is held stands, where that can be said at once; else a refresh begins where one is due. */
  freshen(): void {
    const { freshness, stands } = this.#parts
    const { freshMs, backgroundMs, pauseMs } = freshness
    const now = this.#now()
    const early = Math.min(freshMs, backgroundMs / 2)
    const [age, started] = [ageOf(this.#checkedAt, now, STEP_MS), ageOf(this.#startedAt, now, STEP_MS)]
    if (age < early) return
    if (this.#answered !== null && stands?.(this.#answered) === true) this.#checked()
    else if (started >= Math.max(pauseMs, Math.min(early, SOON_MS))) this.behind(() => this.#refreshBehind())
  }

  /** Begins work for whoever cannot wait. A defect in it is met by the next call that can. */
  behind(work: () => Promise<unknown>): void {
    const done = work().then(
      () => undefined,
      () => undefined,
    )
    this.#parts.background?.(done)
  }

  /** Somebody else's refresh is under way, or the last one has failed. */
  async #bounded(): Promise<View | null> {
    if (this.#failure === null) await this.#refresh()
    if (this.#isBounded()) return this.#view
    throw this.#stale()
  }

  #stale(): KeyringError {
    const message = `Whether keyring "${this.#keyring}" still has its active key cannot be said now (${this.#failure ?? 'somebody else asks'}).`
    return new KeyringError('ERR_SNAPSHOT_STALE', message, { facts: this.again })
  }

  /** For so long what is there may still be encrypted with, in milliseconds. */
  get boundedMs(): number {
    return this.#parts.freshness.backgroundMs - ageOf(this.#checkedAt, this.#now(), STEP_MS)
  }

  #isBounded(): boolean {
    return this.boundedMs >= 0
  }

  /** What the authority has now; what is here if it cannot say. */
  current(): Awaitable<View | null> {
    if (this.#parts.freshness.pauseMs === 0) return this.view()
    return this.#ask().catch(async (error: unknown) => {
      if (this.#view === null) this.#hold(await this.#copy())
      return this.#keep(error)
    })
  }

  /**
   * Asks the authority now, whatever is held. 'paused' = that was done just now: ids in a flood are random, so that
   * nothing but a pause holds one off. @throws what the authority answers.
   */
  async ask(): Promise<View | null | 'paused'> {
    const now = this.#now()
    if (ageOf(this.#askedAt, now, STEP_MS) < this.#parts.freshness.pauseMs) return 'paused'
    this.#askedAt = now
    return this.#ask()
  }

  /** Looks at the authority: what failed there may have changed something. */
  async look(): Promise<void> {
    const looked = await settle(() => this.#ask())
    if (!looked.ok) this.#failure = looked.error.code
  }

  /** Takes over what a sync or a change has answered; `known` is the revision held when it was asked for. */
  async adopt(bytes: Bytes, known: number): Promise<void> {
    this.#believe(await verifyRecord(this.#sealers, this.#keyring, bytes), known)
    this.#checked()
  }

  /** @param asks `false` = somebody asks already, and what the replica has serves meanwhile. */
  async #refresh(asks = true): Promise<View | null> {
    this.#startedAt = this.#now()
    const [copy, stamp] = await Promise.all([this.#copy(), this.#stamp()])
    this.#hold(copy)
    if (copy !== null && this.#counts(copy, stamp)) this.#checked()
    else if (asks || this.#view === null) return this.#ask().catch((error: unknown) => this.#keep(error))
    return this.#view
  }

  async #refreshBehind(): Promise<void> {
    await this.#refresh()
  }

  async #ask(): Promise<View | null> {
    this.#startedAt = this.#now()
    const known = this.revision
    const answer = unwrap(await this.#parts.authority.call({ call: 'read', keyring: this.#keyring, known }))
    if (answer === 'unchanged') this.#isConfirmed ||= this.revision === known
    else {
      const word = answer && (await verifyRecord(this.#sealers, this.#keyring, answer))
      this.#believe(word, known)
      this.#answered = word?.record.revision === this.revision ? answer : null
    }
    this.#checked()
    return this.#view
  }

  /** The authority's word on what was held as `known`; others may have gone on meanwhile. */
  #believe(word: VerifiedRecord | null, known: number): void {
    const [revision, held] = [word?.record.revision ?? 0, this.revision]
    const isBehind = revision < known && held === known
    if (isBehind && this.#isConfirmed)
      throw new KeyringError(
        'ERR_RECORD_ROLLED_BACK',
        `The record of keyring "${this.#keyring}" is older than what this instance has seen.`,
      )
    if (isBehind) this.#note('replica', 'refused', 'ERR_REPLICA_INVALID')
    if (revision > held || isBehind) [this.#view, this.#answered] = [word && new View(word).inherit(this.#view), null]
    this.#isConfirmed ||= revision >= held || isBehind
  }

  /** What the replica has, as far as it can be believed; `null` = ask the authority. */
  async #copy(): Promise<VerifiedRecord | null> {
    const bytes = (await this.#parts.replica?.get(recordName(this.#keyring))) ?? null
    const copy = bytes && (await settle(() => verifyRecord(this.#sealers, this.#keyring, bytes)))
    if (copy?.ok === false) this.#note('replica', 'refused', blamed(copy.error.code))
    return copy?.ok && !this.#isOutdated(copy.value) ? copy.value : null
  }

  async #stamp(): Promise<Stamp | null> {
    const { replica, siblings } = this.#parts
    return replica && stampIn(await replica.get(stampName(this.#keyring, siblings)), this.#sealers, siblings)
  }

  /** A copy counts that is not behind what is held, and whose stamp is young and of no later record. */
  #counts({ record: { revision } }: VerifiedRecord, stamp: Stamp | null): boolean {
    const { ages, clock } = this.#parts
    if (stamp === null || revision < this.revision || revision < stamp.revision) return false
    return ageOf(stamp.time, clock.now()) <= ages.stampMs
  }

  #hold(copy: VerifiedRecord | null): void {
    if (copy === null || copy.record.revision <= this.revision) return
    this.#view = new View(copy).inherit(this.#view)
    this.#answered = null
    this.#isConfirmed = false
  }

  /** A defect goes on as it is, and so does a failure when there is nothing to go by. */
  #keep(error: unknown): View {
    if (this.#view === null || !(error instanceof KeyringError)) throw error
    this.#failure = error.code
    return this.#view
  }

  #checked(): void {
    this.#checkedAt = this.#now()
    this.#failure = null
    if (this.#view === null || !this.#isOutdated(this.#view) || this.#outdated === this.revision) return
    this.#outdated = this.revision
    this.#note('record', 'ok', 'ERR_RECORD_OUTDATED')
  }

  #isOutdated({ record }: { readonly record: VerifiedRecord['record'] }): boolean {
    return ageOf(record.sealed, this.#parts.clock.now()) > this.#parts.ages.recordMs
  }

  /** After a step back nobody knows how old anything is that was remembered. */
  #now(): number {
    const now = this.#parts.clock.now()
    if (!this.#steps.hasStepped(now)) return now
    this.#checkedAt = this.#startedAt = this.#askedAt = Number.NEGATIVE_INFINITY
    if (!this.#isStepSaid) this.#note('clock', 'ok', null)
    this.#isStepSaid = true
    return now
  }

  #note(action: string, outcome: AuditEvent['outcome'], code: AuditEvent['code']): void {
    const [time, request] = [this.#parts.clock.now(), crypto.randomUUID()]
    this.#parts.audit.note({
      time,
      request,
      caller: null,
      action,
      keyring: this.#keyring,
      keyId: null,
      count: 1,
      outcome,
      code,
    })
  }
}

/** That a key is wrong is a fault of our settings. */
const blamed = (code: KeyringErrorCode): KeyringErrorCode =>
  code === 'ERR_WRAPPING_KEY_WRONG' ? code : 'ERR_REPLICA_INVALID'
