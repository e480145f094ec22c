/** What a keyring needs though nothing has changed: its record sealed and in the replica, its stamp, and what is stored of the login. */
import { settle } from '../core/errors.ts'
import type { KeyringErrorCode } from '../core/errors.ts'
import type { Clock, LoginItems } from '../core/ports.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { isDueForReseal } from './freshness.ts'
import type { Stamps } from './stamp.ts'
import type { StatusLog } from './status-log.ts'
import type { Writer } from './writer.ts'
import type { WrittenLedger } from './written-ledger.ts'

interface UpkeepParts {
  readonly keyring: string
  readonly sealers: SealerSet
  readonly ledger: WrittenLedger
  readonly writer: Writer
  readonly log: StatusLog
  readonly clock: Clock
  readonly stamps: Stamps
  /** `null` = nothing is stored of a login. */
  readonly loginItems: LoginItems | null
}

/** Against these only other settings help, so that a look a day is enough. */
const NOT_BY_WAITING: ReadonlySet<KeyringErrorCode> = new Set(['ERR_WRAPPING_KEY_MISSING', 'ERR_WRAPPING_KEY_WRONG'])

export class Upkeep {
  readonly #parts: UpkeepParts
  /** When this process has seen to what is stored of the login. */
  #itemsSealed = Number.NEGATIVE_INFINITY

  constructor(parts: UpkeepParts) {
    this.#parts = parts
  }

  /** A record that cannot be read is for the next sync to report. */
  async isNeeded(): Promise<boolean> {
    if (this.#isItemsDue() || (await this.#isStampDue())) return true
    const needed = await settle(() => this.#parts.writer.isUpkeepNeeded())
    return needed.ok && needed.value
  }

  async run(): Promise<void> {
    await settle(() => this.#parts.writer.upkeep())
    if (await this.#isStampDue()) await this.putStamp()
    await settle(() => this.sealItems())
  }

  /** A record that cannot be read gets no stamp: nobody shall encrypt by a copy of it. */
  async putStamp(): Promise<void> {
    const { keyring, sealers, ledger, stamps, clock } = this.#parts
    const time = clock.now()
    const loaded = await settle(() => ledger.load())
    const revision = loaded.ok && loaded.value?.record.revision
    await stamps.note(keyring, sealers, revision ? { revision, time } : null)
  }

  /** Each process does this once a day and at its first look, since a new order of the wrapping keys comes with a new process. What was left goes on at the next look. */
  async sealItems(): Promise<void> {
    const { loginItems, log, clock } = this.#parts
    if (loginItems === null || !this.#isItemsDue()) return
    const sealed = await settle(() => loginItems.sealAnew())
    if (sealed.ok) await log.noteItems(sealed.value)
    const isOver = sealed.ok ? sealed.value.isDone : NOT_BY_WAITING.has(sealed.error.code)
    if (isOver) this.#itemsSealed = clock.now()
  }

  #isItemsDue(): boolean {
    return this.#parts.loginItems !== null && isDueForReseal(this.#itemsSealed, this.#parts.clock.now())
  }

  #isStampDue(): Promise<boolean> {
    const { keyring, sealers, stamps } = this.#parts
    return stamps.isDue(keyring, sealers)
  }
}
