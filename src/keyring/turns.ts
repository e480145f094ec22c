/**
 * Syncs of one keyring, one at a time. Who asks for nothing special joins a sync that has not looked at the source yet: one that
 * has would leave out what was written before it was asked for. So while one is under way all others wait, and the plain ones
 * among them are one sync, after it.
 */
import { withDeadline } from '../core/deadline.ts'
import { KeyringError } from '../core/errors.ts'

type Work<T> = (signal: AbortSignal) => Promise<T>

export class Turns<T> {
  readonly #keyring: string
  #last: Promise<unknown> = Promise.resolve()
  /** It has not begun. */
  #joint: Promise<T> | null = null

  constructor(keyring: string) {
    this.#keyring = keyring
  }

  /** Whether one waits that everybody can join. */
  get isJoinable(): boolean {
    return this.#joint !== null
  }

  /** One for everybody who asks until it begins. @param mostMs counts from the first who asks, the waiting included. */
  together(mostMs: number, work: Work<T>): Promise<T> {
    this.#joint ??= this.#take(mostMs, work, () => (this.#joint = null))
    return this.#joint
  }

  /** One for who asks alone. @throws `ERR_SYNC_CONTENDED` when its time was over before its turn came, and what `work` throws. */
  alone<U>(mostMs: number, work: Work<U>): Promise<U> {
    return this.#take(mostMs, work, () => {})
  }

  #take<U>(mostMs: number, work: Work<U>, begin: () => void): Promise<U> {
    const before = this.#last
    const turn = withDeadline(mostMs, async (signal) => {
      await before
      begin()
      if (signal.aborted) throw this.#contended()
      return work(signal)
    })
    this.#last = turn.catch(() => {})
    return turn
  }

  #contended(): KeyringError {
    const facts = { keyring: this.#keyring }
    return new KeyringError('ERR_SYNC_CONTENDED', `Other syncs of keyring "${this.#keyring}" took all the time.`, {
      facts,
    })
  }
}
