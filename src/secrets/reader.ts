/** The authority of a function that reads the store of secrets itself: while what is kept serves, nobody else is asked. */
import type { Bytes } from '../core/bytes.ts'
import { settle } from '../core/errors.ts'
import type { ErrorData, Result } from '../core/errors.ts'
import { LEASE_MS } from '../core/lease.ts'
import type { AnswerTo, KeyringAuthority, Message, Operation } from '../core/operations.ts'
import type { SecretName } from '../core/vault-operations.ts'
import type { Clock } from '../core/ports.ts'
import type { ItemStore, SecretRules } from '../core/secrets.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import { inTurns } from './in-turns.ts'
import type { SecretState } from './life.ts'
import { NOTED_MS, isBeingAsked, isPaused, nothingKnown, standing, withFailure } from './life.ts'
import type { Entity } from './secrets.ts'
import { itemName, sealState, stateIn } from './state.ts'

interface SecretReaderParts {
  readonly items: Pick<ItemStore, 'get'>
  readonly clock: Clock
  readonly sealer: (prefix: string) => Promise<ItemSealer>
  /** By their prefix. */
  readonly entities: ReadonlyMap<string, Pick<Entity, 'identity' | 'rules'>>
  /** Is asked for everything else. */
  readonly beyond: KeyringAuthority
}

interface Kept {
  readonly name: SecretName
  readonly item: string
  readonly state: SecretState
  /** What answers by itself; `null` = it is asked for. */
  readonly answer: Bytes | null
}

/** So many items are read at once. */
const AT_ONCE = 10

export class SecretReader implements KeyringAuthority {
  readonly #parts: SecretReaderParts

  constructor(parts: SecretReaderParts) {
    this.#parts = parts
  }

  call<O extends Operation>(message: Message<O>): Promise<Result<AnswerTo<O>>> {
    return this.#answer(message as Message)
  }

  #answer(message: Message) {
    const entity = 'vault' in message ? this.#parts.entities.get(message.vault) : undefined
    if (entity === undefined || message.call !== 'resolve') return this.#parts.beyond.call(message)
    return this.#resolve(message, entity)
  }

  async #resolve(message: Message<'resolve'>, { identity, rules }: Pick<Entity, 'identity' | 'rules'>) {
    const opened = await settle(() => this.#parts.sealer(message.vault))
    if (!opened.ok) return opened
    const sealer = opened.value
    const all = await inTurns(message.secrets, AT_ONCE, async (name) =>
      this.#kept(sealer, message.vault, name, await itemName(sealer, identity, name), rules),
    )
    const asked = all.filter(({ answer }) => message.refresh || answer === null)
    const answered = await this.#ask(message, asked, sealer)
    if (!answered.ok) return answered
    const byItem = new Map(asked.map(({ item }, at) => [item, answered.value[at]]))
    return { ok: true as const, value: all.map(({ item, answer }) => byItem.get(item) ?? answer ?? NONE) }
  }

  async #kept(sealer: ItemSealer, vault: string, name: SecretName, item: string, rules: SecretRules): Promise<Kept> {
    const { items, clock } = this.#parts
    const stored = await settle(() => items.get(vault, item))
    const [now, bytes] = [clock.now(), stored.ok ? stored.value?.bytes : undefined]
    const unknown = nothingKnown(name, now)
    if (!stored.ok)
      return { name, item, state: unknown, answer: await failed(sealer, item, unknown, stored.error, now) }
    const state = await stateIn(sealer, item, bytes ?? null)
    return { name, item, state: state ?? unknown, answer: bytes && state && serves(state, rules, now) ? bytes : null }
  }

  /** An authority that cannot be asked is the failure of each of them: what is kept of it goes on as in any outage. */
  async #ask(
    message: Message<'resolve'>,
    asked: readonly Kept[],
    sealer: ItemSealer,
  ): Promise<Result<readonly Bytes[]>> {
    if (asked.length === 0) return { ok: true, value: [] }
    const { beyond, clock } = this.#parts
    const answer = await beyond.call({ ...message, secrets: asked.map(({ name }) => name) })
    if (answer.ok || answer.error.code === 'ERR_RATE_LIMITED') return answer
    const all = asked.map(({ item, state }) => failed(sealer, item, state, answer.error, clock.now()))
    return { ok: true, value: await Promise.all(all) }
  }
}

const NONE: Bytes = new Uint8Array()

/** As it goes to whoever asked. None of it is stored. */
const failed = (sealer: ItemSealer, item: string, state: SecretState, error: ErrorData, now: number): Promise<Bytes> =>
  sealState(sealer, item, withFailure(state, error, now))

/** Whether whoever asks vaults would leave it at that. Once a day it hears of what is wanted, or it would forget it. */
function serves(state: SecretState, rules: SecretRules, now: number): boolean {
  const stands = standing(state, rules, now)
  if (stands === 'fresh') return now - state.asked < NOTED_MS
  return isPaused(state, now) || (stands === 'stale' && isBeingAsked(state, now, LEASE_MS))
}
