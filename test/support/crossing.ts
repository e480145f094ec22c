/**
 * Every call of every port waits here until somebody says whose turn it is and how the call goes. So an order of awaits is a list
 * of choices: an explorer makes them one by one, a seed makes them at random, and either can make them again.
 */
import { setImmediate as idle } from 'node:timers/promises'
import type { Awaitable } from '../../src/core/awaitable.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { KeyringError } from '../../src/core/errors.ts'
import type { ItemStore, SecretBackend } from '../../src/core/secrets.ts'
import type { Audit, KeySink, KeySource, PairSource, Replica, SharedStore, StoredRecord } from '../../src/core/ports.ts'

/**
 * 'fail' = it is not carried out; 'lose' = it is, and its answer gets lost; 'late' = it is given up, and carried out some time later. All
 * look the same to who called. 'old' and 'oldest' = the answer is what was held before the last write, or before any.
 */
export type Fate = 'go' | 'fail' | 'lose' | 'late' | 'old' | 'oldest'

export interface Call {
  readonly actor: string
  /** What it touches, such as `store keyring/default`. */
  readonly on: string
  readonly what: string
  readonly writes: boolean
  /** It cannot fail. */
  readonly isSure?: true
  /** Of a copy: what it may answer instead, and its writes may land late. */
  readonly copy?: { readonly old: () => Promise<unknown>; readonly oldest: () => Promise<unknown> }
}

/** What may become of a call. */
export function fatesOf({ isSure, writes, copy }: Call): readonly Fate[] {
  if (isSure) return []
  if (copy === undefined) return writes ? ['fail', 'lose'] : ['fail']
  return writes ? ['fail', 'lose', 'late'] : ['fail', 'old', 'oldest']
}

interface Waiting {
  readonly call: Call
  readonly carryOut: () => Promise<unknown>
  /** How it looks when nothing was answered: an error is thrown, anything else is the answer. */
  readonly unanswered: unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** A write that its caller gave up waits as of this actor. */
const LATE = 'late'

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
    const done = fate === 'fail' || fate === 'late' ? null : await carried(workOf(next, fate))
    if (fate === 'late')
      this.waiting.push({ ...next, call: { ...call, actor: LATE }, resolve: () => {}, reject: () => {} })
    this.#note(call, fate, call.writes && isDone(done), done)
    answer(next, fate === 'lose' ? null : done)
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

  #note({ actor, on, what, copy }: Call, fate: Fate, isWritten: boolean, done: Done | null): void {
    const held = this.contents.get(fate === 'old' ? `${on} before` : on)
    const isTold = fate === 'go' || fate === 'old'
    const answer = !isTold ? fate : isWritten ? 'done' : answerOf(done, held)
    const before = this.histories.get(actor) ?? ''
    const history = this.#shorten(`${before}|${what} ${on}:${answer}@${this.time()}`)
    this.histories.set(actor, history)
    if (!isWritten) return
    if (copy !== undefined) this.contents.set(`${on} before`, this.contents.get(on) ?? '')
    this.contents.set(on, `${actor} ${history}`)
  }
}

const workOf = ({ call: { copy }, carryOut }: Waiting, fate: Fate): (() => Promise<unknown>) =>
  (fate === 'old' || fate === 'oldest' ? copy?.[fate] : null) ?? carryOut

interface Done {
  readonly value?: unknown
  readonly error?: unknown
}

const isDone = (done: Done | null): boolean => done !== null && done.error === undefined && done.value !== CONFLICT

/** `null` = nothing was answered. */
function answer({ unanswered, resolve, reject }: Waiting, done: Done | null): void {
  const told: Done = done ?? (unanswered instanceof Error ? { error: unanswered } : { value: unanswered })
  if (told.error === undefined) resolve(told.value)
  else reject(told.error)
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

/** A replica that can still show all that it has held, the newest last. */
export interface Remembered extends Replica {
  before(name: string): readonly Bytes[]
}

export function remembering(replica: Replica): Remembered {
  const held = new Map<string, readonly Bytes[]>()
  return {
    get: (name) => replica.get(name),
    set(name, bytes) {
      held.set(name, [...(held.get(name) ?? []), bytes])
      return replica.set(name, bytes)
    },
    before: (name) => held.get(name) ?? [],
  }
}

/** The ports of one instance that resolves references. */
export function crossedSecrets(crossing: Crossing, actor: string) {
  const pass = <T>(on: string, what: string, carryOut: () => Promise<T>, unanswered: unknown, writes = false) =>
    crossing.pass({ actor, on, what, writes }, carryOut, unanswered)
  return {
    items: (items: ItemStore): ItemStore => ({
      get: (group, name) => pass(`item ${name}`, 'get', () => items.get(group, name), STORE_DOWN),
      put: (group, name, ...how) => pass(`item ${name}`, 'put', () => items.put(group, name, ...how), STORE_DOWN, true),
      delete: (group, name, expected) =>
        pass(`item ${name}`, 'delete', () => items.delete(group, name, expected), STORE_DOWN, true),
      due: (...how) => pass('items', 'due', () => items.due(...how), STORE_DOWN),
      list: (...how) => pass('items', 'list', () => items.list(...how), STORE_DOWN),
    }),
    backend: (backend: SecretBackend): SecretBackend => ({
      read: (name, how) => pass(VAULT, 'read', () => backend.read(name, how), VAULT_DOWN),
    }),
    /** Somebody asks the instance for something. */
    request: () =>
      crossing.pass({ actor, on: 'request', what: 'gets', writes: false, isSure: true }, async () => {}, null),
    /** The vault's own users change it. */
    change: (work: () => void) =>
      crossing.pass({ actor, on: VAULT, what: 'change', writes: true, isSure: true }, async () => work(), undefined),
    /** Time goes on, for everybody. */
    sleep: (work: () => void) =>
      crossing.pass({ actor, on: 'clock', what: 'sleep', writes: true, isSure: true }, async () => work(), undefined),
  }
}

const VAULT = 'vault'

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
        mayWrite: (signal) => pass('secret', 'mayWrite', () => sink.mayWrite(signal), VAULT_DOWN),
        write: (pair, expected, signal) =>
          pass('secret', 'write', () => sink.write(pair, expected, signal), VAULT_DOWN, true),
      }),
    },
    audit: {
      note: () => {},
      commit: (event) => pass('audit', 'commit', async () => void event, AUDIT_DOWN),
    } satisfies Audit,
    replica: (replica: Remembered, name = 'replica'): Replica => {
      const call = (item: string, what: string, writes: boolean): Call => ({
        actor,
        on: `${name} ${item}`,
        what,
        writes,
        copy: {
          old: async () => replica.before(item).at(-2) ?? null,
          oldest: async () => replica.before(item)[0] ?? null,
        },
      })
      return {
        get: (item) => crossing.pass(call(item, 'get', false), () => replica.get(item), null),
        set: (item, bytes) => crossing.pass(call(item, 'set', true), () => replica.set(item, bytes), false),
      }
    },
    /** Somebody asks the instance for something. */
    request: () =>
      crossing.pass({ actor, on: 'request', what: 'gets', writes: false, isSure: true }, async () => {}, null),
    /** Whatever else a test lets an instance do. */
    act: (on: string, what: string, work: () => Awaitable<void>) =>
      pass(on, what, async () => work(), VAULT_DOWN, true),
  }
}
