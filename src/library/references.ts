/**
 * References to secrets in the process of whoever uses them. The deployment resolves them, and what it gave serves on while it cannot be
 * asked. Where what it keeps can be read, that comes first: the deployment is asked for the rest.
 */
import type { Awaitable } from '../core/awaitable.ts'
import type { ErrorData, KeyringErrorCode, Result } from '../core/errors.ts'
import { refusal, unwrap } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import { HeldValues } from './held-values.ts'
import { referencesIn, replaced } from './replacing.ts'

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

/** What one look and one question have given, by reference. */
interface Finding {
  readonly failures: Map<string, ErrorData>
  readonly had: Map<string, HeldValue>
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
  /** What is being looked for. */
  readonly #flights = new Map<string, Promise<Finding>>()
  /** Questions are counted, so that a late answer is known as such. */
  #turn = 0

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
    const references = referencesIn(object)
    const values = await this.#values(references, false)
    const byReference = new Map(references.map((reference, at) => [reference, values[at] ?? '']))
    return replaced(object, byReference) as T
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
    await this.#parts.kept?.close?.()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #values(references: readonly string[], refresh: boolean): Promise<readonly string[]> {
    const before = new Map(references.map((reference) => [reference, this.#held.get(reference)]))
    const wanted = [...before].flatMap(([reference, held]) => (refresh || !this.#isFresh(held) ? [reference] : []))
    const found = await this.#find(wanted, refresh)
    return references.map((reference) => {
      const finding = found.get(reference)
      const held = this.#latest(reference, finding) ?? before.get(reference)
      return this.#value(reference, held, finding?.failures.get(reference), refresh)
    })
  }

  /** Nobody looks for what is already looked for. @param wanted each once. */
  async #find(wanted: readonly string[], refresh: boolean): Promise<ReadonlyMap<string, Finding>> {
    const flights = SHARES_QUESTIONS ? this.#flights : new Map<string, Promise<Finding>>()
    const nameOf = (reference: string) => `${refresh} ${reference}`
    const rest = wanted.filter((reference) => !flights.has(nameOf(reference)))
    const flight = this.#seek(rest, refresh).finally(() => {
      for (const reference of rest) flights.delete(nameOf(reference))
    })
    for (const reference of rest) flights.set(nameOf(reference), flight)
    const found = await Promise.all(wanted.map((reference) => flights.get(nameOf(reference)) ?? flight))
    return new Map(wanted.flatMap((reference, at) => (found[at] ? [[reference, found[at]] as const] : [])))
  }

  async #seek(references: readonly string[], refresh: boolean): Promise<Finding> {
    const finding: Finding = { failures: new Map(), had: new Map() }
    if (!refresh) await this.#look(references, finding)
    const asked = references.filter(
      (reference) =>
        refresh || !(this.#isFresh(this.#latest(reference, finding)) || isAnswer(finding.failures.get(reference))),
    )
    for (let at = 0; at < asked.length; at += MOST_AT_ONCE)
      await this.#ask(asked.slice(at, at + MOST_AT_ONCE), refresh, finding)
    return finding
  }

  /** What was found may be more than is held. */
  #latest(reference: string, finding: Finding | undefined): HeldValue | undefined {
    return this.#held.get(reference) ?? finding?.had.get(reference)
  }

  #isFresh({ until }: Pick<KnownValue, 'until'> = { until: 0 }): boolean {
    const now = this.#parts.clock.now()
    // A clock that went back makes nothing hold for longer.
    return now < until && until - now <= FRESH_MS
  }

  #value(reference: string, held: HeldValue | undefined, failure: ErrorData | undefined, refresh: boolean): string {
    if (failure === undefined) return unwrap(held?.result ?? { ok: false, error: NO_ANSWER })
    const serves = held !== undefined && this.#parts.clock.now() < this.#endOf(reference, held)
    return unwrap(serves && !refresh && !isAnswer(failure) ? held.result : { ok: false, error: failure })
  }

  /** What the deployment has said serves no longer than it would there. */
  #endOf(reference: string, { result, at, heard, serves }: HeldValue): number {
    const { kept } = this.#parts
    return result.ok && kept !== null ? Math.min(serves, kept.endOf(reference, at === 0 ? heard : at)) : serves
  }

  /** What is kept counts, unless the deployment has said what is later. */
  async #look(references: readonly string[], finding: Finding): Promise<void> {
    const { kept } = this.#parts
    if (kept === null || references.length === 0) return
    const turn = (this.#turn += 1)
    const looked = await kept.look(references)
    for (const [at, reference] of references.entries()) {
      const one = looked[at]
      const held = this.#held.get(reference)
      if (one?.ok === false) finding.failures.set(reference, one.error)
      else if (one?.value?.known) {
        const { known } = one.value
        if (held === undefined || (held.at === 0 ? turn > held.turn : known.at >= held.at))
          this.#hold(reference, known, turn, finding)
      } else if (one?.value && held !== undefined && one.value.time >= held.at && turn > held.turn)
        this.#miss(reference, held)
    }
  }

  /** What is kept no longer is no outage: where a deployment can be asked, it has the last word; and what had no end ends. */
  #miss(reference: string, held: HeldValue): void {
    const isOver = this.#parts.service === null || this.#endOf(reference, held) === Number.POSITIVE_INFINITY
    if (held.result.ok && isOver) this.#held.set(reference, { ...held, until: 0, serves: 0 })
  }

  async #ask(references: readonly string[], refresh: boolean, finding: Finding): Promise<void> {
    const { service, clock } = this.#parts
    const { failures } = finding
    if (service === null) {
      // Why nothing could be read says more, and so does what the vault has said.
      for (const reference of references) {
        const { result = null } = this.#latest(reference, finding) ?? {}
        if (!failures.has(reference)) failures.set(reference, result?.ok === false ? result.error : NOBODY_TO_ASK)
      }
      return
    }
    const turn = (this.#turn += 1)
    const asked = clock.now()
    // By RPC an outage is thrown, in words of the platform's.
    const answer = await service
      .resolve({ references, refresh })
      .catch((): Result<never> => ({ ok: false, error: NO_ANSWER }))
    for (const [at, reference] of references.entries()) {
      const result = (answer.ok ? answer.value[at] : answer) ?? { ok: false, error: NO_ANSWER }
      if (this.#hear(reference, result, { turn, asked, refresh }, finding)) failures.delete(reference)
      else if (!result.ok) failures.set(reference, result.error)
    }
  }

  /**
   * An answer that there is none ends what was said before. That one may not ask anew says nothing of it.
   * @returns whether what is held now counts, which may be the answer to a later question.
   */
  #hear(
    reference: string,
    result: Result<ServiceValue>,
    { turn, asked, refresh }: { readonly turn: number; readonly asked: number; readonly refresh: boolean },
    finding: Finding,
  ): boolean {
    const held = this.#held.get(reference)
    const isLate = held !== undefined && held.turn > turn
    if (result.ok) {
      const { value, at = 0 } = result.value
      const isOld = held?.result.ok === true && at !== 0 && held.at !== 0 ? at < held.at : isLate
      const times = { at, until: this.#parts.clock.now() + FRESH_MS, serves: Number.POSITIVE_INFINITY }
      if (!isOld) this.#hold(reference, { result: { ok: true, value }, ...times }, turn, finding)
      return true
    }
    if (!isAnswer(result.error) || (refresh && result.error.code === 'ERR_FORBIDDEN')) return false
    if (!isLate) this.#hold(reference, { result, at: asked, until: 0, serves: 0 }, turn, finding)
    return isLate
  }

  #hold(reference: string, known: KnownValue, turn: number, { had }: Finding): void {
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

const NOBODY_TO_ASK: ErrorData = {
  ...NO_ANSWER,
  message:
    'What is read here has no value of this reference that may serve and that the wrapping keys open, and no deployment is named that can be asked.',
  remedy:
    'Set EDGE_KEYRING_URL and EDGE_KEYRING_TOKEN, in a Worker give a service binding; or name the reference in KEYRING_REFERENCES of the deployment. If no reference of this vault has a value, compare KEYRING_WRAPPING_KEYS with those of the deployment.',
}

/** Values by reference, for tests: they may be changed at any time. */
export const fixedReferences = (values: ReadonlyMap<string, string>): References =>
  new References({
    kept: null,
    clock: { now: () => (ticks += FRESH_MS) },
    service: {
      resolve: async ({ references }) => ({
        ok: true,
        value: references.map((reference) => {
          const value = values.get(reference)
          return value === undefined
            ? refusal('ERR_SECRET_NOT_FOUND', 'The test keyring has no such secret.')
            : { ok: true, value: { value } }
        }),
      }),
    },
  })

/** To a test nothing is fresh. */
let ticks = 0
