/**
 * Every call of every port waits here until somebody says whose turn it is and how the call goes. So an order of awaits is a list
 * of choices: an explorer makes them one by one, a seed makes them at random, and either can make them again.
 */
import { setImmediate as idle } from 'node:timers/promises'
import { KeyringError } from '../../src/core/errors.ts'
import type { Audit, KeySink, KeySource, PairSource, Replica, SharedStore, StoredRecord } from '../../src/core/ports.ts'

/** 'fail' = it is not carried out; 'lose' = it is, and its answer gets lost. Both look the same to who called. */
export type Fate = 'go' | 'fail' | 'lose'

export interface Call {
  readonly actor: string
  /** What it touches, such as `store keyring/default`. */
  readonly on: string
  readonly what: string
  readonly writes: boolean
  /** It cannot fail. */
  readonly isSure?: true
}

interface Waiting {
  readonly call: Call
  readonly carryOut: () => Promise<unknown>
  /** How it looks when nothing was answered: an error is thrown, anything else is the answer. */
  readonly unanswered: unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** What a dead instance meets at every port: nothing of what it still does has an effect. */
class Killed extends Error {}

const CONFLICT = 'conflict'

export class Crossing {
  readonly waiting: Waiting[] = []
  /** What happened, for people. */
  readonly trace: string[] = []
  /** What each actor has been answered, and what each thing holds, as texts that are equal when those are. */
  readonly histories = new Map<string, string>()
  readonly contents = new Map<string, string>()
  readonly #dead = new Set<string>()
  readonly #shorten: (text: string) => string
  #open = false

  /** What instances see of a clock when they go on, in milliseconds since 1970. */
  time: () => number = () => 0

  /** @param shorten gives equal texts for equal texts. */
  constructor(shorten: (text: string) => string = (text) => text) {
    this.#shorten = shorten
  }

  /** From now on nobody waits: the faults have stopped. */
  open(): void {
    this.#open = true
  }

  pass<T>(call: Call, carryOut: () => Promise<T>, unanswered: unknown): Promise<T> {
    if (this.#dead.has(call.actor)) return Promise.reject(new Killed(call.actor))
    if (this.#open) return carryOut()
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ call, carryOut, unanswered, resolve: resolve as Waiting['resolve'], reject })
    })
  }

  /** Everybody has come as far as it goes without an answer. */
  async settled(): Promise<void> {
    await idle()
  }

  /** The actors that wait, each once, in the order of their first call. */
  actors(): string[] {
    return [...new Set(this.waiting.map(({ call }) => call.actor))]
  }

  async take(next: Waiting, fate: Fate): Promise<void> {
    this.waiting.splice(this.waiting.indexOf(next), 1)
    const { call } = next
    this.trace.push(`${call.actor}: ${call.what} ${call.on}${fate === 'go' ? '' : ` (${fate})`}`)
    const done = fate === 'fail' ? null : await carried(next.carryOut)
    const isWritten = call.writes && done?.error === undefined && done?.value !== CONFLICT && done !== null
    this.#note(call, fate, isWritten, done)
    if (fate === 'go' && done !== null) {
      if (done.error === undefined) next.resolve(done.value)
      else next.reject(done.error)
    } else if (next.unanswered instanceof Error) next.reject(next.unanswered)
    else next.resolve(next.unanswered)
    await idle()
  }

  /** The instance dies where it stands. */
  async kill(actor: string): Promise<void> {
    this.#dead.add(actor)
    this.trace.push(`${actor}: killed`)
    this.histories.set(actor, 'dead')
    const mine = this.waiting.filter(({ call }) => call.actor === actor)
    for (const each of mine) {
      this.waiting.splice(this.waiting.indexOf(each), 1)
      each.reject(new Killed(actor))
    }
    await idle()
  }

  /** Equal when everybody goes on alike from here. */
  state(): string {
    const pairs = [...this.histories, ...this.contents].map(([name, text]) => `${name}=${text}`)
    return `${this.time()};${pairs.sort().join(';')}`
  }

  #note({ actor, on, what }: Call, fate: Fate, isWritten: boolean, done: Done | null): void {
    const answer = fate !== 'go' ? fate : isWritten ? 'done' : answerOf(done, this.contents.get(on))
    const before = this.histories.get(actor) ?? ''
    const history = this.#shorten(`${before}|${what} ${on}:${answer}@${this.time()}`)
    this.histories.set(actor, history)
    if (isWritten) this.contents.set(on, `${actor} ${history}`)
  }
}

interface Done {
  readonly value?: unknown
  readonly error?: unknown
}

async function carried(work: () => Promise<unknown>): Promise<Done> {
  try {
    return { value: await work() }
  } catch (error) {
    return { error }
  }
}

const answerOf = (done: Done | null, content = ''): string =>
  done?.value === CONFLICT ? CONFLICT : done?.error instanceof Error ? done.error.message : content

const STORE_DOWN = new KeyringError('ERR_STORE_UNAVAILABLE', 'The store did not answer.')
const VAULT_DOWN = new KeyringError('ERR_VAULT_TIMEOUT', 'Vault did not answer.')
const DEPLOYMENT_DOWN = new KeyringError('ERR_AUTHORITY_UNAVAILABLE', 'The deployment did not answer.')
const AUDIT_DOWN = new KeyringError('ERR_AUDIT_UNAVAILABLE', 'The audit log did not answer.')

/** The ports of one who pushes: a request to the deployment may fail on its way there, and its answer on the way back. */
export function crossedPusher(crossing: Crossing, actor: string) {
  const pass = <T>(on: string, what: string, carryOut: () => Promise<T>, unanswered: unknown) =>
    crossing.pass({ actor, on, what, writes: false }, carryOut, unanswered)
  const nothing = async () => {}
  return {
    pairs: (pairs: PairSource): PairSource => ({
      observe: (signal) => pass('secret', 'observe', () => pairs.observe(signal), VAULT_DOWN),
      read: (version, signal) => pass(`secret ${version}`, 'read', () => pairs.read(version, signal), VAULT_DOWN),
    }),
    hop: async <T>(what: string, carry: () => Promise<T>): Promise<T> => {
      await pass('deployment', what, nothing, DEPLOYMENT_DOWN)
      const answer = await carry()
      await pass('deployment', `answer ${what}`, nothing, DEPLOYMENT_DOWN)
      return answer
    },
  }
}

/** The ports of one instance, every call of which waits. */
export function crossed(crossing: Crossing, actor: string) {
  const pass = <T>(on: string, what: string, carryOut: () => Promise<T>, unanswered: unknown, writes = false) =>
    crossing.pass({ actor, on, what, writes }, carryOut, unanswered)
  return {
    store: (store: SharedStore, name = 'store'): SharedStore => ({
      readersMs: store.readersMs,
      get: (item) => pass<StoredRecord | null>(`${name} ${item}`, 'get', () => store.get(item), STORE_DOWN),
      put: (item, bytes, expected) =>
        pass(`${name} ${item}`, 'put', () => store.put(item, bytes, expected), STORE_DOWN, true),
    }),
    between: {
      source: (source: KeySource): KeySource => ({
        id: source.id,
        observe: (signal) => pass('secret', 'observe', () => source.observe(signal), VAULT_DOWN),
        read: (version, signal) => pass(`secret ${version}`, 'read', () => source.read(version, signal), VAULT_DOWN),
      }),
      sink: (sink: KeySink): KeySink => ({
        keeps: (signal) => pass('mount', 'keeps', () => sink.keeps(signal), VAULT_DOWN),
        write: (pair, expected, signal) =>
          pass('secret', 'write', () => sink.write(pair, expected, signal), VAULT_DOWN, true),
      }),
    },
    audit: {
      note: () => {},
      commit: (event) => pass('audit', 'commit', async () => void event, AUDIT_DOWN),
    } satisfies Audit,
    replica: (replica: Replica): Replica => ({
      get: (item) => pass(`replica ${item}`, 'get', () => replica.get(item), null),
      set: (item, bytes) => pass(`replica ${item}`, 'set', () => replica.set(item, bytes), false, true),
    }),
    /** Whatever else a test lets an instance do. */
    act: (on: string, what: string, work: () => void) => pass(on, what, async () => work(), VAULT_DOWN, true),
  }
}
