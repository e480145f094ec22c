/** References to secrets in the process of whoever uses them. The deployment resolves them, and what it gave serves on while it cannot be asked. */
import type { Awaitable } from '../core/awaitable.ts'
import { parseJson } from '../core/body.ts'
import { systemClock } from '../core/clock.ts'
import type { ErrorData, KeyringErrorCode, Result } from '../core/errors.ts'
import { KeyringError, refusal, unwrap } from '../core/errors.ts'
import { writtenAddress } from '../core/loopback.ts'
import { REFERENCE } from '../core/reference.ts'
import type { Clock } from '../core/ports.ts'

/** What is asked of the deployment, as `KeyringService` has it by RPC. Its answers are in the order of the references. */
export interface ReferenceService {
  resolve(asked: {
    readonly references: readonly string[]
    readonly refresh: boolean
  }): Promise<Result<readonly Result<{ readonly value: string }>[]>>
}

export interface ReferencesOptions {
  /** A service binding to `KeyringService`, in place of EDGE_KEYRING_URL and EDGE_KEYRING_TOKEN. */
  readonly service?: ReferenceService
}

interface ReferencesParts {
  readonly service: ReferenceService
  readonly clock: Pick<Clock, 'now'>
}

export interface TryOptions {
  /** Whether an error of the function says that the values were refused. Absent = each does. */
  readonly refused?: (error: unknown) => boolean
}

/** The same object with values in the place of references. */
type Named = Readonly<Record<string, string>>
export type ReferredValues<N extends Named> = { readonly [Name in keyof N]: string }

interface Held {
  readonly value: string
  readonly at: number
}

interface Watch {
  readonly references: readonly string[]
  readonly told: (reference: string, value: string) => void
}

/** So long a value is used as it is, in milliseconds: then a refresh elsewhere reaches it. */
const FRESH_MS = 60_000
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

export class References {
  readonly #parts: ReferencesParts
  readonly #held = new Map<string, Held>()
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

  async #values(references: readonly string[], refresh: boolean): Promise<readonly string[]> {
    const now = this.#parts.clock.now()
    const isFresh = ({ at }: Held) => !refresh && now >= at && now - at < FRESH_MS
    const asked = references.filter((reference) => {
      const held = this.#held.get(reference)
      return held === undefined || !isFresh(held)
    })
    const failures = new Map<string, ErrorData>()
    for (let at = 0; at < asked.length; at += MOST_AT_ONCE)
      await this.#ask(asked.slice(at, at + MOST_AT_ONCE), refresh, failures)
    return references.map((reference) => this.#value(reference, failures.get(reference), refresh))
  }

  #value(reference: string, failure: ErrorData | undefined, refresh: boolean): string {
    const held = this.#held.get(reference)
    const serves = failure === undefined || (!refresh && !ANSWERS.has(failure.code))
    if (held !== undefined && serves) return held.value
    return unwrap<string>({ ok: false, error: failure ?? NO_ANSWER })
  }

  async #ask(references: readonly string[], refresh: boolean, failures: Map<string, ErrorData>): Promise<void> {
    const answer = await this.#parts.service.resolve({ references, refresh })
    references.forEach((reference, at) => {
      const result = answer.ok ? answer.value[at] : answer
      if (result?.ok) this.#hold(reference, result.value.value)
      else failures.set(reference, result?.error ?? NO_ANSWER)
    })
  }

  #hold(reference: string, value: string): void {
    const before = this.#held.get(reference)
    this.#held.set(reference, { value, at: this.#parts.clock.now() })
    if (before === undefined || before.value === value) return
    for (const { references, told } of this.#watches) if (references.includes(reference)) told(reference, value)
  }
}

const NO_ANSWER: ErrorData = {
  code: 'ERR_AUTHORITY_UNAVAILABLE',
  message: 'The deployment has not answered.',
  remedy: 'Try again; if it lasts, check EDGE_KEYRING_URL and the state of the deployment.',
  facts: {},
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

/** By HTTP, with an API token that has the grants. @throws `ERR_CONFIG_INVALID`. */
function httpService(env: Readonly<Record<string, unknown>>): ReferenceService {
  const { EDGE_KEYRING_URL: url, EDGE_KEYRING_TOKEN: token } = env
  if (typeof url !== 'string' || writtenAddress(url) === null)
    throw new KeyringError(
      'ERR_CONFIG_INVALID',
      'EDGE_KEYRING_URL must be the https address of the deployment, without user, query or fragment.',
    )
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    throw new KeyringError('ERR_CONFIG_INVALID', 'EDGE_KEYRING_TOKEN must be an API token.')
  return {
    async resolve(asked) {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const body = JSON.stringify(asked)
      const init = {
        method: 'POST',
        headers,
        body,
        redirect: 'error',
        signal: AbortSignal.timeout(DEADLINE_MS),
      } as const
      // What fetch throws may quote what it was given.
      const response = await fetch(`${url.replace(/\/+$/, '')}/secrets/resolve`, init).catch(() => null)
      const answer = response && (parseJson(await response.text().catch(() => '')) as Answer | null | undefined)
      if (!response?.ok || !Array.isArray(answer?.secrets))
        return { ok: false, error: { ...NO_ANSWER, ...told(answer) } }
      return { ok: true, value: answer.secrets.map(resultOf) }
    },
  }
}

const DEADLINE_MS = 10_000

interface Answer extends Partial<ErrorData> {
  readonly secrets?: readonly { readonly value?: unknown; readonly error?: Partial<ErrorData> }[]
}

const resultOf = ({ value, error }: NonNullable<Answer['secrets']>[number]): Result<{ readonly value: string }> =>
  typeof value === 'string' ? { ok: true, value: { value } } : { ok: false, error: { ...NO_ANSWER, ...told(error) } }

/** Of a document of ours its own words. */
const told = (document: Partial<ErrorData> | null | undefined): Partial<ErrorData> => {
  const { code, message, remedy } = document ?? {}
  return typeof code === 'string' && code.startsWith('ERR_') && typeof message === 'string'
    ? { code, message, ...(typeof remedy === 'string' && { remedy }) }
    : {}
}

/** @param env EDGE_KEYRING_URL and EDGE_KEYRING_TOKEN. @throws `ERR_CONFIG_INVALID`. */
export const openReferences = (
  env: Readonly<Record<string, unknown>>,
  { service }: ReferencesOptions = {},
): References => new References({ service: service ?? httpService(env), clock: systemClock })

/** Values by reference, for tests: they may be changed at any time. */
export const fixedReferences = (values: ReadonlyMap<string, string>): References =>
  new References({
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
