/** The secrets of one vault entity at the authority: who may ask the vault, when, and what is kept of its answer. */
import type { Bytes } from '../core/bytes.ts'
import { withDeadline } from '../core/deadline.ts'
import { KeyringError, remedyFor, settle } from '../core/errors.ts'
import type { ErrorData } from '../core/errors.ts'
import { LEASED_WORK_MS, LEASE_MS } from '../core/lease.ts'
import type { Clock, Insistence, SecretName } from '../core/ports.ts'
import type { ItemStore, StoredItem, SecretAnswer, SecretBackend, SecretRules } from '../core/secrets.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import type { SecretState } from './life.ts'
import { NOTED_MS, afterAnswer, afterFailure, expiryOf, isLeased, isPaused, nothingKnown, standing } from './life.ts'
import { itemName, openState, sealState } from './state.ts'

/** A vault entity, as far as its secrets go. */
export interface KeeperEntity {
  readonly prefix: string
  /** All that says where secrets are read from: another text, and nothing that is stored counts. */
  readonly identity: string
  readonly rules: SecretRules
  readonly backend: SecretBackend
}

export interface KeeperParts {
  readonly items: ItemStore
  readonly clock: Clock
  readonly random: () => number
}

/** Between two looks at what somebody else is asking for, in milliseconds. */
const LOOK_MS = 100
/** So many requests to one vault are under way at once. */
const AT_ONCE = 10
/** So many secrets one look of the schedule renews. */
const MOST_DUE = 1000
/** What falls due before the next look of the schedule is renewed by this one, in milliseconds. */
const AHEAD_MS = 60_000

interface Loaded {
  readonly state: SecretState
  /** 0 = nothing is stored. */
  readonly version: number
  readonly bytes: Bytes | null
}

export class Keeper {
  readonly #parts: KeeperParts
  readonly #entity: KeeperEntity
  readonly #sealer: ItemSealer
  /** Of this process; others are told by the lease. */
  readonly #asking = new Map<string, Promise<Bytes>>()

  constructor(parts: KeeperParts, entity: KeeperEntity, sealer: ItemSealer) {
    this.#parts = parts
    this.#entity = entity
    this.#sealer = sealer
  }

  /** The sealed states, in the order of the names; each is asked for once. @param refresh what is fresh is asked for too. */
  async resolve(names: readonly SecretName[], refresh: boolean): Promise<readonly Bytes[]> {
    const insist = refresh ? 'refusal' : 'outage'
    return inTurns(names, AT_ONCE, async (name) => {
      const item = await itemName(this.#sealer, this.#entity.identity, name)
      const turn = `${insist} ${item}`
      const asking = this.#asking.get(turn) ?? this.#one(item, name, { insist, isAsked: refresh })
      this.#asking.set(turn, asking)
      return asking.finally(() => this.#asking.delete(turn))
    })
  }

  /** For the schedule: 'not-due' = there is nothing to renew. */
  async refreshDue(): Promise<'refreshed' | 'not-due'> {
    const { items, clock } = this.#parts
    const due = await items.due(this.#entity.prefix, clock.now() + AHEAD_MS, MOST_DUE)
    await inTurns(due, AT_ONCE, (item) => this.#renew(item))
    return due.length > 0 ? 'refreshed' : 'not-due'
  }

  /** What was written for other settings of the entity is forgotten: its name says so. */
  async #renew(item: string): Promise<void> {
    const { items, clock } = this.#parts
    const stored = await items.get(this.#entity.prefix, item)
    if (stored === null) return
    const opened = await settle(() => openState(this.#sealer, item, stored.bytes))
    const name = opened.ok ? await itemName(this.#sealer, this.#entity.identity, opened.value) : null
    if (!opened.ok || name !== item) await items.delete(this.#entity.prefix, item, stored.version)
    else if (!isPaused(opened.value, clock.now()))
      await settle(() => this.#one(item, opened.value, { insist: 'none', isAsked: true }))
  }

  /** Looks until there is something to say: an answer that holds, one that serves meanwhile, or why there is none. */
  #one(item: string, name: SecretName, how: { insist: Insistence; isAsked: boolean }): Promise<Bytes> {
    return withDeadline(LEASED_WORK_MS, async (signal) => {
      for (;;) {
        const loaded = await this.#load(item, name)
        const now = this.#parts.clock.now()
        const stands = standing(loaded.state, this.#entity.rules, now)
        const isBusy = isLeased(loaded.state, now, LEASE_MS)
        const rests = stands === 'fresh' ? !how.isAsked : how.insist !== 'refusal' && isPaused(loaded.state, now)
        if (loaded.bytes !== null && (rests || (isBusy && stands !== 'over')))
          return how.insist === 'none' ? loaded.bytes : this.#noted(item, loaded, loaded.bytes)
        const answered = isBusy ? await this.#pause(signal) : await this.#ask(item, loaded, how.insist, signal)
        if (answered !== null) return answered
      }
    })
  }

  async #pause(signal: AbortSignal): Promise<null> {
    await this.#parts.clock.sleep(LOOK_MS, signal).catch(() => {
      throw new KeyringError('ERR_LEASE_HELD', `Another instance is asking the vault "${this.#entity.prefix}".`)
    })
    return null
  }

  async #load(item: string, name: SecretName): Promise<Loaded> {
    const { items, clock } = this.#parts
    const stored = await items.get(this.#entity.prefix, item)
    const opened = stored && (await settle(() => openState(this.#sealer, item, stored.bytes)))
    const version = stored?.version ?? 0
    // What does not open is had again from the vault.
    return opened?.ok && stored
      ? { state: opened.value, version, bytes: stored.bytes }
      : { state: nothingKnown(name, clock.now()), version, bytes: null }
  }

  /** What it is now, sealed, whether it still holds or not. `null` = somebody else was first. */
  async #ask(item: string, { state, version }: Loaded, insist: Insistence, signal: AbortSignal): Promise<Bytes | null> {
    const { clock, random } = this.#parts
    const { backend, rules } = this.#entity
    const asked = insist === 'none' ? state.asked : clock.now()
    const leased = await this.#put(item, { ...state, asked, lease: clock.now() + LEASE_MS }, version)
    if (leased === null) return null
    // What was true when it was asked for is true from then on, and no later.
    const at = clock.now()
    const answer = await settle(() => backend.read(state, { insist, signal }))
    const error = answer.ok ? this.#missed(state, answer.value) : answer.error
    const next =
      answer.ok && error === null
        ? afterAnswer({ ...state, asked }, plain(answer.value), rules, at, random())
        : afterFailure({ ...state, asked }, error ?? ABSENT, clock.now())
    return (await this.#put(item, next, leased.version))?.bytes ?? null
  }

  /** A secret that is gone serves on where the operator wants it: then its absence is a failure like others. */
  #missed({ found }: SecretState, { kind }: SecretAnswer): ErrorData | null {
    const serves = this.#entity.rules.resurrectDeleted && found?.kind === 'secret' && kind !== 'secret'
    return serves ? ABSENT : null
  }

  /** `null` = somebody else has written. */
  async #put(item: string, state: SecretState, expected: number): Promise<StoredItem | null> {
    const { items, clock } = this.#parts
    // The schedule renews what there is; what there is not is asked for by those who want it.
    const due = state.found?.kind === 'secret' ? state.due : Number.POSITIVE_INFINITY
    const times = { due, expires: expiryOf(state, this.#entity.rules, clock.now()) }
    const bytes = await sealState(this.#sealer, item, state)
    const version = await items.put(this.#entity.prefix, item, bytes, expected, times)
    return version === 'conflict' ? null : { bytes, version }
  }

  /** Once a day it is written down that somebody wants it, so that it is not forgotten. */
  async #noted(item: string, { state, version }: Loaded, bytes: Bytes): Promise<Bytes> {
    const now = this.#parts.clock.now()
    if (now - state.asked >= NOTED_MS) await settle(() => this.#put(item, { ...state, asked: now }, version))
    return bytes
  }
}

const ABSENT: ErrorData = {
  code: 'ERR_SECRET_NOT_FOUND',
  message: 'The vault has no such secret any more, or none for us.',
  remedy: remedyFor('ERR_SECRET_NOT_FOUND'),
  facts: {},
}

const plain = (answer: SecretAnswer) =>
  answer.kind === 'secret' ? { kind: answer.kind, text: answer.text.reveal() } : { kind: answer.kind }

/** In the order given, `most` at a time. @throws the first failure, when those under way have ended. */
async function inTurns<T, R>(all: readonly T[], most: number, work: (one: T) => Promise<R>): Promise<readonly R[]> {
  const done: R[] = []
  const rest = all.entries()
  const worker = async () => {
    for (const [index, one] of rest) done[index] = await work(one)
  }
  await Promise.all(Array.from({ length: Math.min(most, all.length) }, worker))
  return done
}
