/** The secrets that `KEYRING_REFERENCES` lists: each look of the schedule sees to it that they are there, and says once what is wrong with one. */
import type { Bytes } from '../core/bytes.ts'
import { settle, unwrap } from '../core/errors.ts'
import type { ErrorData, Result } from '../core/errors.ts'
import { LEASED_WORK_MS } from '../core/lease.ts'
import { settingLine } from '../core/lines.ts'
import type { SecretName } from '../core/vault-operations.ts'
import type { Clock } from '../core/ports.ts'
import type { ListedSecret } from '../core/secrets.ts'
import { STEP_MS, ageOf } from '../core/time.ts'
import type { SecretState } from './life.ts'
import { standing } from './life.ts'
import type { KeeperEntity, Shelf } from './shelf.ts'
import { inTurns } from './in-turns.ts'
import { valueOf, whyNot } from './value.ts'

/** So many are looked at, and asked for, at once. */
const AT_ONCE = 10
/** One that has a value is looked at no sooner again, in milliseconds. */
const LOOK_MS = 600_000

/** Makes sure that there is an answer; what is there and holds is not asked for. */
type Ask = (item: string, name: SecretName) => Promise<Bytes>

interface Parts {
  readonly clock: Clock
  readonly log: (line: string) => void
}

export class ListedSecrets {
  readonly #parts: Parts
  readonly #shelf: Shelf
  readonly #ask: Ask
  /** When one was last well, by its entry. */
  readonly #well = new Map<number, number>()
  /** What was said of one, by its entry. */
  readonly #said = new Map<number, string>()

  constructor(parts: Parts, shelf: Shelf, ask: Ask) {
    this.#parts = parts
    this.#shelf = shelf
    this.#ask = ask
  }

  /** Of each, whether the vault was asked for it. What there is no time for is left for the next look. */
  async look(): Promise<readonly Result<boolean>[]> {
    const { clock } = this.#parts
    const began = clock.now()
    const isOld = (entry: number) =>
      ageOf(this.#well.get(entry) ?? Number.NEGATIVE_INFINITY, clock.now(), STEP_MS) >= LOOK_MS
    const old = this.#shelf.entity.listed.filter(({ entry }) => isOld(entry))
    const secrets = [...Map.groupBy(old, ({ resource, version }) => JSON.stringify([resource, version])).values()]
    return inTurns(secrets, AT_ONCE, (alike) =>
      settle(() => ageOf(began, clock.now(), STEP_MS) < LEASED_WORK_MS && this.#hold(alike)),
    )
  }

  async #hold(alike: readonly ListedSecret[]): Promise<boolean> {
    const [name] = alike
    if (name === undefined) return false
    const { clock } = this.#parts
    const item = await this.#shelf.nameOf(name)
    const loaded = await this.#shelf.load(item, name)
    const isThere = loaded.bytes !== null && standing(loaded.state, this.#shelf.entity.rules, clock.now()) !== 'over'
    if (isThere) await this.#shelf.note(item, loaded)
    const answer = await settle(async () => this.#shelf.open(item, await this.#ask(item, name)))
    for (const one of alike)
      this.#note(one, answer.ok ? await troubleOf(answer.value, one, this.#shelf.entity, clock.now()) : answer.error)
    unwrap(answer)
    return !isThere
  }

  #note({ entry }: ListedSecret, trouble: ErrorData | null): void {
    if (trouble === null) {
      this.#well.set(entry, this.#parts.clock.now())
      this.#said.delete(entry)
    } else if (this.#said.get(entry) !== trouble.code) {
      this.#said.set(entry, trouble.code)
      this.#parts.log(settingLine('KEYRING_REFERENCES', `entry ${entry}: ${trouble.code}: ${trouble.message}`))
    }
  }
}

/** Why whoever resolves the reference gets no value, or one that is not renewed. `null` = all is well. */
export async function troubleOf(
  state: SecretState,
  { key }: Pick<ListedSecret, 'key'>,
  { rules, isBase64 }: Pick<KeeperEntity, 'rules' | 'isBase64'>,
  now: number,
): Promise<ErrorData | null> {
  if (state.failing !== null) return state.failing.error
  const value = await settle(() => {
    if (state.found?.kind !== 'secret' || standing(state, rules, now) === 'over') throw whyNot(state)
    return valueOf(state.found.text, key, isBase64)
  })
  return value.ok ? null : value.error
}
