/** One instance's hold on the shared token: a steady request costs neither store nor Vault anything for it. */
import { unlessAborted } from '../../core/deadline.ts'
import type { End } from '../../core/ends.ts'
import { KeyringError, settle } from '../../core/errors.ts'
import type { Insistence } from '../../core/ports.ts'
import { Steps } from '../../core/time.ts'
import type { HeldToken, StepOutcome, TokenParts } from './shared.ts'
import { giveUp, stepOn } from './shared.ts'
import type { Refusal } from './state.ts'

export interface TokenInUse {
  readonly text: string
  readonly generation: number
}

/** The pause between two looks at the store while somebody else logs in, in milliseconds; it doubles each time. */
const LOOK_MS = { first: 50, most: 1000 }
/** A held token is used for so long before the next look when the store cannot be read, in milliseconds. */
const STORE_PAUSE_MS = 10_000

export class TokenLife {
  readonly #parts: TokenParts
  /** Looks under way, by the refused generation (0 = none) and insistence: whoever asks at the same time shares one look and one login. */
  readonly #looking = new Map<string, Promise<StepOutcome>>()
  readonly #steps = new Steps()
  #held: HeldToken | null = null
  /** Looks in a row at which somebody else was logging in. */
  #waits = 0

  constructor(parts: TokenParts) {
    this.#parts = parts
  }

  /** A token for one request. @throws `ERR_LEASE_HELD` at the signal, and what the last login or renewal threw until its next try. */
  async token(signal: AbortSignal, insist: Insistence = 'none'): Promise<TokenInUse> {
    const token = await this.#above(null, signal, insist)
    if (token === null) throw new TypeError('Nothing was refused.')
    return token
  }

  /** A token of a later generation than the refused one, after a login if need be. `null` = a new login did not help lately. */
  after(refusal: Refusal, signal: AbortSignal, insist: Insistence = 'none'): Promise<TokenInUse | null> {
    return this.#above(refusal, signal, insist)
  }

  /** What of the login's credential ends by itself; what Vault does not tell is not known. */
  async ends(signal: AbortSignal): Promise<readonly End[]> {
    const { method, vault } = this.#parts
    if (method.ends === undefined) return []
    const { text } = await this.token(signal)
    const told = await settle(async () => method.ends?.(vault, text, signal))
    return (told.ok && told.value) || []
  }

  /** Says that the later one was refused as well. */
  giveUp(refusal: Refusal): Promise<void> {
    return giveUp(this.#parts, refusal)
  }

  async #above(refusal: Refusal | null, signal: AbortSignal, insist: Insistence): Promise<TokenInUse | null> {
    for (let asked = insist; ;) {
      const token = this.#take(refusal)
      if (token !== null) return token
      const outcome = await unlessAborted(signal, late, this.#look(refusal, asked))
      if (outcome === 'denied') return null
      // Insisting is one try: ours, or that of whoever was faster.
      if (outcome === 'again') asked = 'none'
    }
  }

  #take(refusal: Refusal | null): TokenInUse | null {
    if (this.#steps.hasStepped(this.#parts.clock.now())) this.#held = null
    const held = this.#held
    if (held === null || !this.#isUsable(held) || held.generation <= (refusal?.generation ?? 0)) return null
    this.#held = { ...held, uses: held.uses - 1 }
    return { text: held.secret.reveal(), generation: held.generation }
  }

  #isUsable({ until, uses }: HeldToken): boolean {
    return until > this.#parts.clock.now() && uses > 0
  }

  #look(refusal: Refusal | null, insist: Insistence): Promise<StepOutcome> {
    const key = `${refusal?.generation ?? 0} ${insist}`
    const running = this.#looking.get(key)
    if (running !== undefined) return running
    const started = this.#lookOnce(refusal, insist).finally(() => this.#looking.delete(key))
    this.#looking.set(key, started)
    return started
  }

  async #lookOnce(refusal: Refusal | null, insist: Insistence): Promise<StepOutcome> {
    const looked = stepOn(this.#parts, refusal, insist)
    const outcome = await looked.catch((error: unknown) => this.#withoutStore(error, refusal))
    this.#waits = outcome === 'wait' ? this.#waits + 1 : 0
    if (outcome === 'wait') await this.#pause()
    if (typeof outcome === 'object' && !this.#hasLater(outcome)) this.#held = outcome
    return outcome
  }

  #pause(): Promise<void> {
    const { clock, random } = this.#parts
    const ms = Math.min(LOOK_MS.most, LOOK_MS.first * 2 ** this.#waits) * (1 + random())
    return clock.sleep(ms, new AbortController().signal)
  }

  /** Two looks at a time need not end in their order, so that the later generation stays. */
  #hasLater({ generation }: HeldToken): boolean {
    const held = this.#held
    return held !== null && held.generation > generation && this.#isUsable(held)
  }

  /** During an outage of the store a token is used until its own end. */
  #withoutStore(error: unknown, refusal: Refusal | null): StepOutcome {
    const now = this.#parts.clock.now()
    const held = this.#held
    const isOutage = error instanceof KeyringError && error.code === 'ERR_STORE_UNAVAILABLE'
    if (!isOutage || refusal !== null || held === null || held.expires <= now || held.uses < 1) throw error
    return { ...held, until: Math.min(held.expires, now + STORE_PAUSE_MS) }
  }
}

const late = (): KeyringError =>
  new KeyringError('ERR_LEASE_HELD', 'A login to Vault is still under way.', { facts: { retryAfterSeconds: 5 } })
