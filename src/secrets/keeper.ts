/** The secrets of one vault entity at the authority: who may ask the vault, when, and what is kept of its answer. */
import type { Bytes } from '../core/bytes.ts'
import { withDeadline } from '../core/deadline.ts'
import { KeyringError, settle, unwrap } from '../core/errors.ts'
import type { ErrorData } from '../core/errors.ts'
import { LEASED_WORK_MS, LEASE_MS } from '../core/lease.ts'
import type { CachedPage, CachedSecret, SecretName } from '../core/vault-operations.ts'
import type { Clock, Insistence } from '../core/ports.ts'
import type { ItemStore, SecretAnswer } from '../core/secrets.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import { describing } from './description.ts'
import { inTurns } from './in-turns.ts'
import type { Failing, SecretState } from './life.ts'
import { withAnswer, withFailure, isBeingAsked, isPaused, nothingKnown, standing } from './life.ts'
import { ListedSecrets } from './listed.ts'
import type { KeeperEntity, LoadedSecret } from './shelf.ts'
import { ABSENT, Shelf } from './shelf.ts'

export interface KeeperParts {
  readonly items: ItemStore
  readonly clock: Clock
  readonly random: () => number
  /** Takes a line for the log. */
  readonly log: (line: string) => void
}

/** Between two looks at what somebody else is asking for, in milliseconds. */
const LOOK_MS = 100
/** So many requests to one vault are under way at once. */
const AT_ONCE = 10
/** And so many for all who ask; others wait. */
const MOST_AT_ONCE = 100
/** So many secrets that are not known yet are asked for in a minute: whoever invents names gets no further, and no caller takes all. */
const MOST_LEARNT = 2000
const MINUTE_MS = 60_000
/** What is fresh is asked for by force no sooner again, in milliseconds; and while the vault has answered nothing. */
const [REFRESH_PAUSE_MS, FAILED_PAUSE_MS] = [10_000, 1000]
/** So many secrets one look of the schedule renews. */
const MOST_DUE = 1000
/** What falls due before the next look of the schedule is renewed by this one, in milliseconds. */
const AHEAD_MS = 60_000

export class Keeper {
  readonly #parts: KeeperParts
  readonly #entity: KeeperEntity
  readonly #shelf: Shelf
  readonly #listed: ListedSecrets
  readonly #describe: () => Promise<void>
  /** Of this process; others are told by the lease. */
  readonly #asking = new Map<string, Promise<Bytes>>()
  #underWay = 0
  /** How many secrets were learnt in a minute, for whom. */
  #learnt = { minute: 0, count: 0, by: new Map<string, number>() }
  #refreshed = Number.NEGATIVE_INFINITY
  #unrenewed: readonly Failing[] = []

  constructor(parts: KeeperParts, entity: KeeperEntity, sealer: ItemSealer) {
    this.#parts = parts
    this.#entity = entity
    this.#shelf = new Shelf(parts, entity, sealer)
    this.#describe = describing(parts, entity, sealer)
    this.#listed = new ListedSecrets(parts, this.#shelf, (item, name) => this.#one(item, name, BY_ITSELF))
  }

  /** What could not be done since the schedule's last look, or by it, where nothing that is stored says so. */
  get unrenewed(): readonly Failing[] {
    return this.#unrenewed
  }

  get shelf(): Shelf {
    return this.#shelf
  }

  /** The sealed states, in the order of the names; each is asked for once. @param refresh what is fresh is asked for too. */
  async resolve(names: readonly SecretName[], refresh: boolean, caller = ''): Promise<readonly Bytes[]> {
    if (refresh) this.#noteRefresh()
    const insist = refresh ? 'refusal' : 'outage'
    return inTurns(names, AT_ONCE, async (name) => {
      const item = await this.#shelf.nameOf(name)
      // What is refused to one caller may be answered to another.
      const turn = `${insist} ${caller} ${item}`
      const asking = this.#asking.get(turn) ?? this.#one(item, name, { insist, isAsked: refresh, caller })
      this.#asking.set(turn, asking)
      const answered = await settle(() => asking.finally(() => this.#asking.delete(turn)))
      return answered.ok ? answered.value : this.#unanswered(item, name, answered.error)
    })
  }

  /** What is kept, a page of it from behind the item `after` on, empty only as the last one. What was written for other settings of the entity does not count. */
  async cached(after: string): Promise<CachedPage> {
    for (let from = after; ;) {
      const { items, next } = await this.#shelf.page(from)
      const all = await inTurns(items, AT_ONCE, async (item) => shown((await this.#shelf.look(item))?.state ?? null))
      const secrets = all.filter((one) => one !== null)
      if (secrets.length > 0 || next === null) return { secrets, next }
      from = next
    }
  }

  /**
   * Why there is no answer is said of each secret: others of the same question have theirs. What is kept of it serves by the rules for
   * an outage, also where the store can be read and not written. Nothing of it is stored: the status has it from here.
   */
  async #unanswered(item: string, name: SecretName, error: ErrorData): Promise<Bytes> {
    const loaded = await settle(() => this.#shelf.load(item, name))
    const now = this.#parts.clock.now()
    const known = loaded.ok ? loaded.value.state : nothingKnown(name, now)
    if (error.code === 'ERR_STORE_UNAVAILABLE') this.#unrenewed = [{ since: now, error }]
    return this.#shelf.seal(item, withFailure(known, error, now))
  }

  /** @throws `ERR_RATE_LIMITED`. */
  #noteRefresh(): void {
    const now = this.#parts.clock.now()
    const left = this.#refreshed + REFRESH_PAUSE_MS - now
    // A clock that went back holds nobody up for longer.
    if (left > 0 && left <= REFRESH_PAUSE_MS)
      throw limited(`The vault "${this.#entity.prefix}" was asked for everything anew a moment ago.`, left)
    this.#refreshed = now + FAILED_PAUSE_MS - REFRESH_PAUSE_MS
  }

  /** A caller has as many as he leaves to the others. @throws `ERR_RATE_LIMITED`. */
  #noteLearnt(caller: string): void {
    const now = this.#parts.clock.now()
    const minute = Math.floor(now / MINUTE_MS)
    if (this.#learnt.minute !== minute) this.#learnt = { minute, count: 0, by: new Map() }
    const { count, by } = this.#learnt
    const own = by.get(caller) ?? 0
    if (own >= MOST_LEARNT - count)
      throw limited(
        `The vault "${this.#entity.prefix}" is asked for at most ${MOST_LEARNT} new secrets a minute, and each caller has a share of them.`,
        (minute + 1) * MINUTE_MS - now,
      )
    this.#learnt.count = count + 1
    by.set(caller, own + 1)
  }

  /** For the schedule: 'not-due' = there is nothing to renew. @throws the first failure that no state says, when all was looked at. */
  async refreshDue(): Promise<'refreshed' | 'not-due'> {
    const now = this.#parts.clock.now()
    const due = this.#entity.backend === null ? [] : await this.#shelf.due(now + AHEAD_MS, MOST_DUE)
    const renewed = await inTurns(due, AT_ONCE, (item) => settle(() => this.#renew(item)))
    const all = [...renewed, ...(await this.#listed.look())]
    // It is of no secret: a store that fails is told by those.
    await settle(this.#describe)
    const since = this.#unrenewed[0]?.since ?? now
    this.#unrenewed = all.flatMap((one) => (one.ok ? [] : [{ since, error: one.error }]))
    return all.map(unwrap).includes(true) ? 'refreshed' : 'not-due'
  }

  /** What was written for other settings of the entity is forgotten: its name says so. */
  async #renew(item: string): Promise<true> {
    const { state, version } = (await this.#shelf.look(item)) ?? {}
    if (state === null) await this.#shelf.forget(item, version ?? 0)
    else if (state !== undefined && !isPaused(state, this.#parts.clock.now()))
      await this.#one(item, state, { ...BY_ITSELF, isAsked: true })
    return true
  }

  /** Looks until there is something to say: an answer that holds, one that serves meanwhile, or why there is none. */
  #one(item: string, name: SecretName, how: How): Promise<Bytes> {
    if (this.#entity.backend === null) return this.#handed(item, name, how)
    return withDeadline(LEASED_WORK_MS, async (signal) => {
      for (;;) {
        const loaded = await this.#shelf.load(item, name)
        const now = this.#parts.clock.now()
        const isBusy = isBeingAsked(loaded.state, now, LEASE_MS)
        const mustWait = isBusy || this.#underWay >= MOST_AT_ONCE
        if (loaded.bytes !== null && this.#serves(loaded.state, how, mustWait, now))
          return this.#noted(item, loaded, loaded.bytes, how)
        const answered = mustWait ? await this.#pause(signal) : await this.#ask(item, loaded, how, signal)
        if (answered !== null) return answered
      }
    })
  }

  /** Whether nobody need be asked for now. Whoever asks by force waits for others. */
  #serves(state: SecretState, { insist, isAsked }: How, mustWait: boolean, now: number): boolean {
    const stands = standing(state, this.#entity.rules, now)
    if (stands === 'fresh' && !isAsked) return true
    if (insist === 'refusal') return false
    return (mustWait && stands !== 'over') || (stands !== 'fresh' && isPaused(state, now))
  }

  async #pause(signal: AbortSignal): Promise<null> {
    await this.#parts.clock.sleep(LOOK_MS, signal).catch(() => {
      throw new KeyringError('ERR_LEASE_HELD', `Others are asking the vault "${this.#entity.prefix}".`)
    })
    return null
  }

  /** Nobody is asked. What has served too long, or never came, is an outage; that there is none is an answer. @throws `ERR_SECRET_NOT_FOUND`. */
  async #handed(item: string, name: SecretName, how: How): Promise<Bytes> {
    const loaded = await this.#shelf.load(item, name)
    const { bytes, state } = loaded
    const isOver = standing(state, this.#entity.rules, this.#parts.clock.now()) === 'over'
    if (bytes === null || (isOver && state.found?.kind === 'secret')) throw notPushed(bytes === null)
    return this.#noted(item, loaded, bytes, how)
  }

  /** What it is now, sealed, whether it still holds or not. `null` = somebody else was first. */
  async #ask(item: string, loaded: LoadedSecret, { insist, caller }: How, signal: AbortSignal): Promise<Bytes | null> {
    if (loaded.state.found?.kind !== 'secret' && insist !== 'none') this.#noteLearnt(caller)
    this.#underWay += 1
    return this.#answer(item, loaded, insist, signal).finally(() => (this.#underWay -= 1))
  }

  async #answer(
    item: string,
    { state, version }: LoadedSecret,
    insist: Insistence,
    signal: AbortSignal,
  ): Promise<Bytes | null> {
    const { clock, random } = this.#parts
    const { backend, rules } = this.#entity
    if (backend === null) throw new TypeError('A vault that is pushed is not asked.')
    const asked = insist === 'none' ? state.asked : clock.now()
    const leased = await this.#shelf.put(item, { ...state, asked, lease: clock.now() + LEASE_MS }, version)
    if (leased === null) return null
    // What was true when it was asked for is true from then on, and no later.
    const at = clock.now()
    const answer = await settle(() => backend.read(state, { insist, signal }))
    if (answer.ok && insist === 'refusal') this.#refreshed = at
    const error = answer.ok ? this.#missed(state, answer.value) : answer.error
    const next =
      answer.ok && error === null
        ? withAnswer({ ...state, asked }, plain(answer.value), rules, at, random())
        : withFailure({ ...state, asked }, error ?? ABSENT, clock.now())
    return this.#shelf.keep(item, next, { ...state, asked }, leased.version)
  }

  /** A secret that is gone serves on where the operator wants it: then its absence is a failure like others. */
  #missed({ found }: SecretState, { kind }: SecretAnswer): ErrorData | null {
    const serves = this.#entity.rules.resurrectDeleted && found?.kind === 'secret' && kind !== 'secret'
    return serves ? ABSENT : null
  }

  /** The schedule's own looks are no wants of anybody. */
  async #noted(item: string, loaded: LoadedSecret, bytes: Bytes, { insist }: How): Promise<Bytes> {
    if (insist !== 'none') await this.#shelf.note(item, loaded)
    return bytes
  }
}

interface How {
  readonly insist: Insistence
  /** What is fresh is asked for too. */
  readonly isAsked: boolean
  readonly caller: string
}

const BY_ITSELF: How = { insist: 'none', isAsked: false, caller: '' }

const notPushed = (isNew: boolean): KeyringError =>
  new KeyringError(
    'ERR_SECRET_NOT_FOUND',
    isNew ? 'The secret was not pushed.' : 'The secret was pushed too long ago.',
    {
      remedy: 'Run "edge-keyring push" where the vault is reached, with the reference in KEYRING_REFERENCES.',
    },
  )

function shown(state: SecretState | null): CachedSecret | null {
  if (state === null) return null
  const { resource, version, found, at, failing, due } = state
  const isAsked = found?.kind === 'secret' && Number.isFinite(due)
  return { resource, version, found: found?.kind ?? null, at, failing, due: isAsked ? due : null }
}

function limited(message: string, leftMs: number): KeyringError {
  const retryAfterSeconds = Math.ceil(leftMs / 1000)
  const remedy = `Ask again in ${retryAfterSeconds} s.`
  return new KeyringError('ERR_RATE_LIMITED', message, { remedy, facts: { retryAfterSeconds } })
}

const plain = (answer: SecretAnswer) =>
  answer.kind === 'secret' ? { kind: answer.kind, text: answer.text.reveal() } : { kind: answer.kind }
