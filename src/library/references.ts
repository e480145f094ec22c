/**
 * References to secrets in the process of whoever uses them. The deployment resolves them, and what it gave serves on while it cannot be
 * asked. Where what it keeps can be read, that comes first: the deployment is asked for the rest.
 */
import type { Awaitable } from '../core/awaitable.ts'
import type { ErrorData, KeyringErrorCode, Result } from '../core/errors.ts'
import { errorData, errorFrom, unwrap } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import { HeldValues } from './held-values.ts'
import { replaced } from './replacing.ts'

/** What is asked of the deployment, as `KeyringService` has it by RPC. Its answers are in the order of the references. */
export interface ReferenceService {
  resolve(asked: {
    readonly references: readonly string[]
    readonly refresh: boolean
  }): Promise<Result<readonly Result<ServiceValue>[]>>
}

interface ServiceValue {
  readonly value: string
  /** When the vault was asked for it, in milliseconds since 1970; absent = the service does not say. */
  readonly at?: number
}

/** What is known of a reference. Times in milliseconds since 1970. */
export interface KnownValue {
  /** The value, or the vault's word that there is none. */
  readonly result: Result<string>
  /** When the vault was asked for it; 0 = nobody has said. */
  readonly at: number
  /** Until then nobody is asked. */
  readonly until: number
  /** Until then it serves while nobody can be asked. */
  readonly serves: number
}

/** What was read of a reference. */
export interface KeptValue {
  /** `null` = nothing is kept that could serve. */
  readonly known: KnownValue | null
  /** Of when that is, in milliseconds since 1970; Infinity = of now. */
  readonly time: number
}

/** What a deployment keeps, as far as it can be read here. */
export interface KeptValues {
  /** In the order of the references. `null` = there is nothing that could be read; a failure is why it cannot. */
  look(references: readonly string[]): Promise<readonly Result<KeptValue | null>[]>
  /** Until when a value for which the vault was asked at `at` serves, by the rules of its vault; Infinity = they set no end, or are not known. */
  endOf(reference: string, at: number): number
  close?(): Awaitable<void>
}

export interface ReferencesOptions {
  /** A service binding to `KeyringService`, in place of EDGE_KEYRING_URL and EDGE_KEYRING_TOKEN. */
  readonly service?: ReferenceService
}

interface ReferencesParts {
  /** `null` = there is none to ask. */
  readonly service: ReferenceService | null
  /** `null` = there is nothing to read. */
  readonly kept: KeptValues | null
  readonly clock: Pick<Clock, 'now'>
}

export interface TryOptions {
  /** Whether an error of the function says that the values were refused. Absent = each does. */
  readonly refused?: (error: unknown) => boolean
}

/** The same object with values in the place of references. */
type Named = Readonly<Record<string, string>>
export type ReferredValues<N extends Named> = { readonly [Name in keyof N]: string }

interface Watch {
  readonly references: readonly string[]
  readonly told: (reference: string, value: string) => void
}

/** What is known, and how it came. */
interface HeldValue extends KnownValue {
  /** Of the question that it answers. */
  readonly turn: number
  /** When it was heard, in milliseconds since 1970. */
  readonly heard: number
}

/** One search, by reference: what it has is its own, for what is held may be dropped meanwhile. */
interface Search {
  readonly refresh: boolean
  readonly failures: Map<string, ErrorData>
  readonly had: Map<string, HeldValue | undefined>
}

/** So long a value is used as it is, in milliseconds: then a refresh elsewhere reaches it. */
export const FRESH_MS = 60_000
/** References of one request. */
const MOST_AT_ONCE = 1000
/** They are the vault's word; any other failure is an outage, in which what is held serves. */
const ANSWERS: ReadonlySet<KeyringErrorCode> = new Set([
  'ERR_SECRET_NOT_FOUND',
  'ERR_SECRET_FORBIDDEN',
  'ERR_SECRET_UNUSABLE',
  'ERR_FORBIDDEN',
  'ERR_REFERENCE_INVALID',
  'ERR_REFERENCE_VAULT_UNKNOWN',
])

/** On Workers one request cannot wait for what another one began. */
const SHARES_QUESTIONS =
  (globalThis as { readonly navigator?: { readonly userAgent?: string } }).navigator?.userAgent !== 'Cloudflare-Workers'

export class References implements AsyncDisposable {
  readonly #parts: ReferencesParts
  readonly #held = new HeldValues<HeldValue>()
  readonly #watches = new Set<Watch>()
  /** The same question is asked once at a time. */
  readonly #flights = new Map<string, Promise<readonly string[]>>()
  /** Questions are counted, so that a late answer is known as such. */
  #turn = 0
  #isClosed = false

  constructor(parts: ReferencesParts) {
    this.#parts = parts
  }

  /** Rejects with what the deployment says of the reference, or with its outage when nothing is held. */
  async resolve(reference: string): Promise<string> {
    const [value = ''] = await this.#values([reference], false)
    return value
  }

  /** A copy of the object with a value in the place of each text that is a reference, however deep. One that has none fails all. */
  async resolveAll<T>(object: T): Promise<T> {
    const found = new Set<string>()
    replaced(object, (reference) => found.add(reference))
    const references = [...found]
    const values = await this.#values(references, false)
    const byReference = new Map(references.map((reference, at) => [reference, values[at]]))
    return replaced(object, (reference) => byReference.get(reference)) as T
  }

  /** Runs `work` with the values, and once more with fresh ones when they were refused and have changed. */
  async withSecret<N extends Named, T>(
    references: N,
    work: (values: ReferredValues<N>) => Awaitable<T>,
    { refused = () => true }: TryOptions = {},
  ): Promise<T> {
    const values = await this.named(references)
    try {
      return await work(values)
    } catch (error) {
      if (!refused(error)) throw error
      const fresh = await this.refresh(references).catch(() => values)
      if (Object.keys(references).every((name) => fresh[name] === values[name])) throw error
      return work(fresh)
    }
  }

  /** Tells of each new value, when this instance hears of it: with any call, and with `look`. What `told` throws is dropped. @returns what ends it. */
  onUpdate(references: readonly string[], told: (reference: string, value: string) => void): () => void {
    const watch = { references, told }
    this.#watches.add(watch)
    return () => void this.#watches.delete(watch)
  }

  /** Asks for what is watched and no longer fresh, for a schedule. An outage is met by those who resolve. */
  async look(): Promise<void> {
    const watched = [...new Set([...this.#watches].flatMap(({ references }) => references))]
    await this.#values(watched, false).catch(() => {})
  }

  named<N extends Named>(references: N): Promise<ReferredValues<N>> {
    return this.#named(references, false)
  }

  /** The vaults are asked, for which the caller needs the grant `refresh`. */
  refresh<N extends Named>(references: N): Promise<ReferredValues<N>> {
    return this.#named(references, true)
  }

  async #named<N extends Named>(references: N, refresh: boolean): Promise<ReferredValues<N>> {
    const values = await this.#values(Object.values(references), refresh)
    return Object.fromEntries(Object.keys(references).map((name, at) => [name, values[at]])) as ReferredValues<N>
  }

  /** Gives back what was opened for it. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#parts.kept?.close?.()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #values(references: readonly string[], refresh: boolean): Promise<readonly string[]> {
    if (this.#isClosed) return Promise.reject(errorFrom(CLOSED))
    const name = JSON.stringify([refresh, references.map(String)])
    const flight = this.#flights.get(name) ?? this.#find(references, refresh).finally(() => this.#flights.delete(name))
    if (SHARES_QUESTIONS) this.#flights.set(name, flight)
    return flight
  }

  async #find(references: readonly string[], refresh: boolean): Promise<readonly string[]> {
    const had = new Map(references.map((reference) => [reference, this.#held.get(reference)]))
    const search: Search = { refresh, failures: new Map(), had }
    const isWanted = (reference: string) => refresh || !this.#isFresh(this.#latest(reference, search))
    // Of a program in JavaScript: the deployment would refuse the whole request for it.
    for (const reference of had.keys()) if (typeof reference !== 'string') search.failures.set(reference, NO_TEXT)
    const wanted = [...had.keys()].filter((reference) => typeof reference === 'string' && isWanted(reference))
    if (!refresh) await this.#look(wanted, search)
    const asked = wanted.filter(
      (reference) => isWanted(reference) && (refresh || !isAnswer(search.failures.get(reference))),
    )
    for (let at = 0; at < asked.length; at += MOST_AT_ONCE) await this.#ask(asked.slice(at, at + MOST_AT_ONCE), search)
    return references.map((reference) => this.#value(reference, search))
  }

  #latest(reference: string, { had }: Search): HeldValue | undefined {
    return this.#held.get(reference) ?? had.get(reference)
  }

  #isFresh({ until }: Pick<KnownValue, 'until'> = { until: 0 }): boolean {
    const now = this.#parts.clock.now()
    // A clock that went back makes nothing hold for longer.
    return now < until && until - now <= FRESH_MS
  }

  #value(reference: string, search: Search): string {
    const held = this.#latest(reference, search)
    const error = search.failures.get(reference)
    if (held !== undefined && (error === undefined || this.#serves(reference, held, error, search)))
      return unwrap(held.result)
    return unwrap({ ok: false, error: error ?? NO_ANSWER })
  }

  #serves(reference: string, held: HeldValue, error: ErrorData, { refresh }: Search): boolean {
    return !refresh && !isAnswer(error) && this.#parts.clock.now() < this.#endOf(reference, held)
  }

  /** What the deployment has said serves no longer than it would there. */
  #endOf(reference: string, { result, at, heard, serves }: HeldValue): number {
    const { kept } = this.#parts
    return result.ok && kept !== null ? Math.min(serves, kept.endOf(reference, at === 0 ? heard : at)) : serves
  }

  async #look(references: readonly string[], search: Search): Promise<void> {
    const { kept } = this.#parts
    if (kept === null || references.length === 0) return
    const turn = (this.#turn += 1)
    const looked = await kept.look(references)
    for (const [at, reference] of references.entries()) {
      const one = looked[at]
      if (one?.ok === false) search.failures.set(reference, one.error)
      else if (one?.value) this.#read(reference, one.value, turn, search)
    }
  }

  /** What is kept counts, unless the deployment has said what is later. */
  #read(reference: string, { known, time }: KeptValue, turn: number, search: Search): void {
    const held = this.#held.get(reference)
    if (held === undefined) {
      if (known !== null) this.#hold(reference, known, turn, search)
      return
    }
    const isLate = turn < held.turn
    if (known !== null) {
      if (held.at === 0 ? !isLate : known.at >= held.at) this.#hold(reference, known, turn, search)
    } else if (held.result.ok && time >= held.at && !isLate && this.#isOver(reference, held))
      this.#held.set(reference, { ...held, until: 0, serves: 0 })
  }

  /** What is kept no longer is no outage: where a deployment can be asked, it has the last word; and what had no end ends. */
  #isOver(reference: string, held: HeldValue): boolean {
    return this.#parts.service === null || this.#endOf(reference, held) === Number.POSITIVE_INFINITY
  }

  async #ask(references: readonly string[], search: Search): Promise<void> {
    const { service, clock } = this.#parts
    if (service === null) return this.#askNobody(references, search)
    const turn = (this.#turn += 1)
    const asked = clock.now()
    // By RPC an outage is thrown, in words of the platform's.
    const answer = await service
      .resolve({ references, refresh: search.refresh })
      .catch((): Result<never> => ({ ok: false, error: NO_ANSWER }))
    for (const [at, reference] of references.entries()) {
      const result = (answer.ok ? answer.value[at] : answer) ?? { ok: false, error: NO_ANSWER }
      if (result.ok) this.#hear(reference, result.value, turn, search)
      else this.#refuse(reference, result, { turn, asked }, search)
    }
  }

  /** Why nothing could be read says more, and so does what the vault has said. */
  #askNobody(references: readonly string[], search: Search): void {
    for (const reference of references) {
      const { result = null } = this.#latest(reference, search) ?? {}
      if (!search.failures.has(reference))
        search.failures.set(reference, result?.ok === false ? result.error : NOBODY_TO_ASK)
    }
  }

  /** Of two answers the later one counts: of the vault, or where that is not known, to the later question. */
  #hear(reference: string, { value, at = 0 }: ServiceValue, turn: number, search: Search): void {
    const held = this.#held.get(reference)
    search.failures.delete(reference)
    if (held !== undefined && (held.result.ok && at * held.at !== 0 ? at < held.at : turn < held.turn)) return
    const until = this.#parts.clock.now() + FRESH_MS
    const serves = Number.POSITIVE_INFINITY
    this.#hold(reference, { result: { ok: true, value }, at, until, serves }, turn, search)
  }

  /** An answer that there is none ends what was said before. That one may not ask anew says nothing of it. */
  #refuse(
    reference: string,
    result: Extract<Result<never>, { ok: false }>,
    { turn, asked }: { readonly turn: number; readonly asked: number },
    search: Search,
  ): void {
    const { error } = result
    const isWord = isAnswer(error) && !(search.refresh && error.code === 'ERR_FORBIDDEN')
    const isLate = isWord && turn < (this.#held.get(reference)?.turn ?? 0)
    if (isLate) search.failures.delete(reference)
    else search.failures.set(reference, error)
    if (isWord && !isLate) this.#hold(reference, { result, at: asked, until: 0, serves: 0 }, turn, search)
  }

  #hold(reference: string, known: KnownValue, turn: number, { had }: Search): void {
    const before = this.#held.get(reference)
    const next = { ...known, turn, heard: this.#parts.clock.now() }
    this.#held.set(reference, next)
    had.set(reference, next)
    if (before === undefined || !next.result.ok) return
    const { value } = next.result
    if (before.result.ok && before.result.value === value) return
    for (const { references, told } of this.#watches) if (references.includes(reference)) tell(told, reference, value)
  }
}

/** Those who resolve have nothing to do with what a listener throws, which might quote the value. */
function tell(told: Watch['told'], reference: string, value: string): void {
  try {
    told(reference, value)
  } catch {
    // It was told.
  }
}

const isAnswer = (error: ErrorData | undefined): boolean => error !== undefined && ANSWERS.has(error.code)

export const NO_ANSWER: ErrorData = {
  code: 'ERR_AUTHORITY_UNAVAILABLE',
  message: 'The deployment has not answered.',
  remedy: 'Try again; if it lasts, check EDGE_KEYRING_URL and the state of the deployment.',
  facts: {},
}

const CLOSED: ErrorData = errorData('ERR_STORE_UNAVAILABLE', 'The references were closed.', {
  remedy: 'Open them anew, or close them later.',
})

const NO_TEXT: ErrorData = errorData('ERR_REFERENCE_INVALID', 'A reference is no text.')

const NOBODY_TO_ASK: ErrorData = {
  ...NO_ANSWER,
  message: 'No value of this reference is kept that may serve, and no deployment is named to ask.',
  remedy:
    'Set EDGE_KEYRING_URL and EDGE_KEYRING_TOKEN, in a Worker a service binding; or name it in KEYRING_REFERENCES there, and compare KEYRING_WRAPPING_KEYS.',
}
