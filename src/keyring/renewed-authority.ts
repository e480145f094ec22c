/**
 * An authority whose secrets are read again: once a minute with the schedule, for the doctor, and when something has failed that one of
 * them may be at fault for. What has changed makes a new authority on the same store; a call that is under way ends with the one it began with.
 */
import type { Result } from '../core/errors.ts'
import type { AnswerTo, KeyringAuthority, Message, Operation } from '../core/operations.ts'
import type { Clock } from '../core/ports.ts'
import { isLook, isPlain } from './messages.ts'

/** The wrapping-key ids that something stored needs; `null` = that cannot be told now. */
type Needed = () => Promise<ReadonlySet<string> | null>

interface Problem {
  /** Of a setting. */
  readonly name: string
  readonly message: string
}

/** Reads the secrets again. `config` null = nothing has changed, or nothing that can be taken; the problems are of what was not taken. */
export type Renew<C> = (needed: Needed) => Promise<{ readonly config: C | null; readonly problems: readonly Problem[] }>

/** What follows from the settings. */
export interface Live<C> {
  readonly config: C
  readonly authority: KeyringAuthority
  /** Gives back what it holds, once nothing of it is under way. */
  close(): Promise<void>
}

interface RenewedParts<C, L extends Live<C>> {
  readonly first: L
  /** `null` = nothing can change. */
  readonly renew: Renew<C> | null
  readonly open: (config: C) => L
  readonly clock: Clock
  /** Hears of each problem once. */
  readonly tell: (setting: string, problem: string) => void
}

interface Keyrings {
  readonly keyrings: readonly string[]
}

/** The least between two looks of one kind, in milliseconds: a scheduled one comes each minute for all keyrings, and callers meet what fails as often as they like. */
const PAUSE_MS = { scheduled: 50_000, failed: 5000 }
const SCHEDULED: ReadonlySet<Operation> = new Set(['syncIfDue', 'refreshIfDue', 'diagnose', 'examine'])
/** What another token, credential, certificate, header or wrapping key may mend. */
const MENDED = /^ERR_(?!.*_UNAVAILABLE)(WRAP|LOGIN|OAUTH2|AWS|CREDENTIAL|VAULT_(DENIED|LOGIN|TLS|REDIRECTED|ANSWER))/

/** The token is the caller's, and none of ours. */
const isOfCaller = (message: Message): boolean => message.call === 'sync' && message.options.token !== null

/** What failed may have been carried out: a rotation would write one version more. */
const isRepeatable = (message: Message): boolean =>
  isLook(message.call) || message.call === 'seek' || (message.call === 'sync' && isPlain(message.options))

export class RenewedAuthority<C extends Keyrings, L extends Live<C>> implements KeyringAuthority {
  readonly #parts: RenewedParts<C, L>
  readonly #underWay = new Map<L, number>()
  #live: L
  #looking: Promise<void> | null = null
  readonly #lookedAt = { scheduled: Number.NEGATIVE_INFINITY, failed: Number.NEGATIVE_INFINITY }
  #problems: readonly string[] = []

  constructor(parts: RenewedParts<C, L>) {
    this.#parts = parts
    this.#live = parts.first
  }

  get live(): L {
    return this.#live
  }

  async call<O extends Operation>(message: Message<O>): Promise<Result<AnswerTo<O>>> {
    if (SCHEDULED.has(message.call)) await this.#look('scheduled')
    const before = this.#live
    const result = await this.#carryOut(this.#withProblems(message))
    if (result.ok) return result
    const asked = message as Message
    if (isOfCaller(asked) || !MENDED.test(result.error.code)) return result
    await this.#look('failed')
    return this.#live !== before && isRepeatable(asked) ? this.#carryOut(message) : result
  }

  async #carryOut<O extends Operation>(message: Message<O>): Promise<Result<AnswerTo<O>>> {
    const live = this.#live
    this.#underWay.set(live, (this.#underWay.get(live) ?? 0) + 1)
    try {
      return await live.authority.call(message)
    } finally {
      this.#underWay.set(live, (this.#underWay.get(live) ?? 0) - 1)
      this.#closeLeft(live)
    }
  }

  #closeLeft(live: L): void {
    if (live === this.#live || (this.#underWay.get(live) ?? 0) > 0) return
    this.#underWay.delete(live)
    void live.close()
  }

  /** The schedule brings them into the status, since other instances answer for that. */
  #withProblems<O extends Operation>(message: Message<O>): Message<O> {
    return message.call === 'syncIfDue' ? { ...message, refused: this.#problems } : message
  }

  /** Who looks at the same time shares one look. */
  #look(kind: keyof typeof PAUSE_MS): Promise<void> {
    const { renew, clock } = this.#parts
    if (renew === null) return Promise.resolve()
    const sinceMs = clock.now() - this.#lookedAt[kind]
    if (this.#looking === null && sinceMs >= 0 && sinceMs < PAUSE_MS[kind]) return Promise.resolve()
    this.#lookedAt[kind] = clock.now()
    return (this.#looking ??= this.#renew(renew).finally(() => (this.#looking = null)))
  }

  async #renew(renew: Renew<C>): Promise<void> {
    const { config, problems } = await renew(() => neededIds(this.#live.authority, this.#live.config))
    this.#tell(problems)
    if (config === null) return
    const before = this.#live
    this.#live = this.#parts.open(config)
    this.#closeLeft(before)
  }

  /** What stays the same is told once. */
  #tell(problems: readonly Problem[]): void {
    const sentences = problems.map(({ name, message }) => `${name} ${message}`)
    const isNew = ({ name, message }: Problem) => !this.#problems.includes(`${name} ${message}`)
    for (const problem of problems.filter(isNew)) this.#parts.tell(problem.name, problem.message)
    this.#problems = sentences
  }
}

/** `null` = the store cannot tell, or nobody has looked at what is stored of the login yet. */
export async function neededIds(authority: KeyringAuthority, { keyrings }: Keyrings): ReturnType<Needed> {
  const needed = new Set<string>()
  for (const keyring of keyrings) {
    const status = await authority.call({ call: 'status', keyring })
    if (!status.ok || status.value.sealedUnder.items === null) return null
    const { record, status: ofStatus, items } = status.value.sealedUnder
    for (const id of [record, ofStatus, ...items.tokens, ...items.logins]) if (id !== null) needed.add(id)
  }
  return needed
}
