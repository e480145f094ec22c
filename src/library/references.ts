/**
 * References to secrets in the process of whoever uses them. The deployment resolves them, and what it gave serves on while it cannot be
 * asked. Where what it keeps can be read, that comes first: the deployment is asked for the rest.
 */
import type { Awaitable } from '../core/awaitable.ts'
import type { ErrorData, KeyringErrorCode, Result } from '../core/errors.ts'
import { refusal, unwrap } from '../core/errors.ts'
import { REFERENCE } from '../core/reference.ts'
import type { Clock } from '../core/ports.ts'

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

/** What a deployment keeps, as far as it can be read here. */
export interface KeptValues {
  /** In the order of the references. `null` = nothing is kept that could serve; a failure is why that cannot be said. */
  look(references: readonly string[]): Promise<readonly Result<KnownValue | null>[]>
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

export class References implements AsyncDisposable {
  readonly #parts: ReferencesParts
  readonly #held = new Map<string, KnownValue>()
  readonly #watches = new Set<Watch>()

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
    const references = [...new Set(referencesIn(object))]
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

  /** Tells of each new value, when this instance hears of it: with any call, and with `look`. @returns what ends it. */
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
    const wanted = references.filter((reference) => refresh || !this.#isFresh(reference))
    const failures = new Map<string, ErrorData>()
    if (!refresh) await this.#look(wanted, failures)
    const asked = wanted.filter(
      (reference) => refresh || !(this.#isFresh(reference) || isAnswer(failures.get(reference))),
    )
    for (let at = 0; at < asked.length; at += MOST_AT_ONCE)
      await this.#ask(asked.slice(at, at + MOST_AT_ONCE), refresh, failures)
    return references.map((reference) => this.#value(reference, failures.get(reference), refresh))
  }

  #isFresh(reference: string): boolean {
    const { until = 0 } = this.#held.get(reference) ?? {}
    const now = this.#parts.clock.now()
    // A clock that went back makes nothing hold for longer.
    return now < until && until - now <= FRESH_MS
  }

  #value(reference: string, failure: ErrorData | undefined, refresh: boolean): string {
    const held = this.#held.get(reference)
    if (failure === undefined) return unwrap(held?.result ?? { ok: false, error: NO_ANSWER })
    const serves = held !== undefined && this.#parts.clock.now() < held.serves
    return unwrap(serves && !refresh && !isAnswer(failure) ? held.result : { ok: false, error: failure })
  }

  /** What is kept counts, unless the deployment has said what is later. */
  async #look(references: readonly string[], failures: Map<string, ErrorData>): Promise<void> {
    if (this.#parts.kept === null || references.length === 0) return
    const looked = await this.#parts.kept.look(references)
    for (const [at, reference] of references.entries()) {
      const one = looked[at]
      if (one?.ok === false) failures.set(reference, one.error)
      else if (one?.value && one.value.at >= (this.#held.get(reference)?.at ?? 0)) this.#hold(reference, one.value)
    }
  }

  async #ask(references: readonly string[], refresh: boolean, failures: Map<string, ErrorData>): Promise<void> {
    const { service } = this.#parts
    if (service === null) {
      // Why nothing could be read says more.
      for (const reference of references) if (!failures.has(reference)) failures.set(reference, NOBODY_TO_ASK)
      return
    }
    // By RPC an outage is thrown, in words of the platform's.
    const answer = await service
      .resolve({ references, refresh })
      .catch((): Result<never> => ({ ok: false, error: NO_ANSWER }))
    for (const [at, reference] of references.entries()) {
      const result = (answer.ok ? answer.value[at] : answer) ?? { ok: false, error: NO_ANSWER }
      if (result.ok) failures.delete(reference)
      else failures.set(reference, result.error)
      this.#hear(reference, result, refresh)
    }
  }

  /** An answer that there is none ends what was said before. That one may not ask anew says nothing of it. */
  #hear(reference: string, result: Result<ServiceValue>, refresh: boolean): void {
    const now = this.#parts.clock.now()
    if (result.ok) {
      const { value, at = 0 } = result.value
      const serves = Number.POSITIVE_INFINITY
      this.#hold(reference, { result: { ok: true, value }, at, until: now + FRESH_MS, serves })
    } else if (isAnswer(result.error) && !(refresh && result.error.code === 'ERR_FORBIDDEN'))
      this.#hold(reference, { result, at: now, until: now, serves: now })
  }

  #hold(reference: string, next: KnownValue): void {
    const before = this.#held.get(reference)
    this.#held.set(reference, next)
    if (before === undefined || !next.result.ok) return
    const { value } = next.result
    if (before.result.ok && before.result.value === value) return
    for (const { references, told } of this.#watches) if (references.includes(reference)) told(reference, value)
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
    'What the deployment keeps has no value of this reference that may serve, and no deployment is named that can be asked.',
  remedy:
    'Set EDGE_KEYRING_URL and EDGE_KEYRING_TOKEN, in a Worker give a service binding; or name the reference in KEYRING_REFERENCES of the deployment.',
}

const isReference = (value: unknown): value is string =>
  typeof value === 'string' && value.startsWith(REFERENCE) && value.endsWith('}')

function referencesIn(value: unknown): readonly string[] {
  if (isReference(value)) return [value]
  return isPlain(value) ? Object.values(value).flatMap(referencesIn) : []
}

/** Lists and plain objects; what else there is, such as a date, stays as it is. */
const isPlain = (value: unknown): value is object =>
  Array.isArray(value) ||
  (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype)

function replaced(value: unknown, by: ReadonlyMap<string, string>): unknown {
  if (isReference(value)) return by.get(value)
  if (Array.isArray(value)) return value.map((each) => replaced(each, by))
  if (!isPlain(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, replaced(each, by)]))
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
