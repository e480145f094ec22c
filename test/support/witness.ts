/** Sees every record that a store takes and every version that a source gets, and says which promise was broken. */
import { nodeCipher, nodeHash } from '../../functions/node-shared/cipher.ts'
import { decodeUtf8 } from '../../src/core/bytes.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import { settle } from '../../src/core/errors.ts'
import type { Cadence, KeySink, SharedStore } from '../../src/core/ports.ts'
import type { SealerSet, WrappingKey } from '../../src/crypto/seal.ts'
import { sealers } from '../../src/crypto/seal.ts'
import { openIntent } from '../../src/keyring/apply.ts'
import type { KeyEntry, KeyringRecord } from '../../src/keyring/record.ts'
import { recordName, verifyRecord } from '../../src/keyring/record.ts'
import type { World } from './authority.ts'
import { PLAIN_SYNC, authorityOn, fakePairs, fakeSink, wrappingKey } from './authority.ts'
import { observed } from './observed.ts'
import { pusherTo } from './pushing.ts'

export type Rule =
  | 'a key is lost'
  | 'an id has two materials'
  | 'an active key cannot be read'
  | 'a removed key is back'
  | 'two rotations win'
  | 'two versions for one slot'
  | 'the source pruned what is held nowhere'
  | 'a rotation is forgotten'
  | 'a removed key is used'
  | 'a key is used past its bound'
  | 'two logins under one lease'
  | 'a token is left behind'
  | 'an older secret is back'
  | 'a secret serves past its end'
  | 'two readings under one lease'
  | 'it does not converge'

export interface Broken {
  readonly rule: Rule
  readonly detail: string
}

/** Of a deployment: always the same object. */
export type Watched = Pick<World, 'versions' | 'incarnation' | 'clock'>

const DEFAULT_KEYS = [wrappingKey('w1', 1)]
const RECORD = recordName('default')
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/** Keys that decide over one store; they are also those that whoever reads it has. */
const openSets = new Map<string, Promise<SealerSet>>()
function setOf(keys: readonly WrappingKey[]): Promise<SealerSet> {
  const name = keys.map(({ id }) => id).join()
  const set = openSets.get(name) ?? sealers(nodeCipher, nodeHash, keys, 'default')
  openSets.set(name, set)
  return set
}

/** The content of a record, without a look at who signed it. */
const contentOf = (bytes: Bytes): KeyringRecord => {
  const text = decodeUtf8(bytes) ?? ''
  return JSON.parse(text.slice(text.indexOf('\n') + 1)) as KeyringRecord
}

export const activeIn = async (store: SharedStore): Promise<string | null> => {
  const stored = await store.get(RECORD)
  return stored && contentOf(stored.bytes).active
}

const holds = async (store: SharedStore, id: string): Promise<boolean> => {
  const stored = await store.get(RECORD)
  return stored !== null && contentOf(stored.bytes).keys.some((entry) => entry.id === id)
}

const sameKey = (a: { id: string; commit: string }) => (b: { id: string; commit: string }) =>
  a.id === b.id && a.commit === b.commit

/** What concerns those who encrypt: when each key stopped being active, and which ones were removed although nobody forced it. */
interface Uses {
  readonly stopped: Map<string, number>
  readonly removed: Set<string>
}

/** What a rotation was asked for. */
export interface Asked {
  /** The version that whoever asked knew as the current one; `null` = nobody has asked. */
  known: number | null
  /** Of the deployment; `null` = there is no schedule. */
  readonly cadence: Cadence | null
}

export class Witness {
  readonly broken: Broken[] = []
  readonly #commits = new Map<string, string>()
  readonly #uses = new Map<object, Uses>()

  say(rule: Rule, detail: string): void {
    this.broken.push({ rule, detail })
  }

  /** @param readers the wrapping keys of each kind of instance that reads this store. */
  store(store: SharedStore, on: Watched, readers: readonly (readonly WrappingKey[])[]) {
    const put: SharedStore['put'] = async (name, bytes, expected) => {
      const before = name === RECORD ? await store.get(name) : null
      const put = await store.put(name, bytes, expected)
      if (put !== 'conflict' && name === RECORD)
        await this.#committed(before && contentOf(before.bytes), bytes, on, readers)
      return put
    }
    return { ...store, put }
  }

  async #committed(
    before: KeyringRecord | null,
    bytes: Bytes,
    on: Watched,
    readers: readonly (readonly WrappingKey[])[],
  ): Promise<void> {
    const after = contentOf(bytes)
    this.#looksAtIds(after)
    if (before !== null) this.#compares(before, after, on)
    this.#stops(before?.active ?? null, after.active, on)
    for (const keys of readers) {
      const trouble = await unreadable(await setOf(keys), bytes, ({ id }) => id === after.active)
      if (trouble !== null) this.say('an active key cannot be read', trouble)
    }
  }

  #looksAtIds({ keys, tombstones }: KeyringRecord): void {
    for (const { id, commit } of keys) {
      const known = this.#commits.get(id) ?? commit
      this.#commits.set(id, known)
      if (known !== commit) this.say('an id has two materials', id)
      if (tombstones.some((stone) => stone.id === id || stone.commit === commit)) this.say('a removed key is back', id)
    }
  }

  #stops(before: string | null, after: string | null, on: Watched): void {
    const { stopped } = this.#usesOf(on)
    if (before !== null && before !== after) stopped.set(before, on.clock.time)
    if (after !== null) stopped.delete(after)
  }

  #usesOf(on: object): Uses {
    const uses = this.#uses.get(on) ?? { stopped: new Map(), removed: new Set() }
    this.#uses.set(on, uses)
    return uses
  }

  /** Somebody was told that the key is removed, and did not force it. */
  removed(on: Watched, id: string): void {
    this.#usesOf(on).removed.add(id)
  }

  /** The record of some time ago is back: what happened since counts for nothing. */
  restored(on: Watched): void {
    this.#uses.delete(on)
  }

  /** An instance has encrypted with a key. @param store as it is, whatever others are told of it. */
  async used(on: Watched, store: SharedStore, id: string): Promise<void> {
    const { stopped, removed } = this.#usesOf(on)
    const late = on.clock.time - (stopped.get(id) ?? on.clock.time) - store.readersMs
    if (late > 0) this.say('a key is used past its bound', `${id}, by ${late} ms`)
    if (removed.has(id) && !(await holds(store, id))) this.say('a removed key is used', id)
  }

  /** An instance has a value, and was told that there is no such key. */
  async missed(store: SharedStore, id: string): Promise<void> {
    if (await holds(store, id)) this.say('a key is lost', `${id} is not found`)
  }

  #compares(before: KeyringRecord, after: KeyringRecord, on: Watched): void {
    for (const stone of before.tombstones)
      if (!after.tombstones.some(sameKey(stone))) this.say('a removed key is back', `the tombstone of ${stone.id} went`)
    for (const key of before.keys)
      if (![...after.keys, ...after.tombstones].some(sameKey(key))) this.say('a key is lost', key.id)
    const current = Array.isArray(on.versions) ? observed(on.versions, on.incarnation) : null
    const open = current && openIntent(before, current)
    if (open && after.intent?.id !== open.id) this.say('a rotation is forgotten', open.id)
  }

  sink(sink: KeySink, on: World, base: SharedStore, asked: Asked): KeySink {
    const write: KeySink['write'] = async (pair, expected, signal) => {
      const [before, since] = [on.versions, on.written]
      const written = await sink.write(pair, expected, signal)
      if (written === 'conflict' || !Array.isArray(before)) return written
      if (asked.known !== null && expected > asked.known)
        this.say('two rotations win', `version ${expected + 1}, asked for at ${asked.known}`)
      if (before.length !== expected)
        this.say('two rotations win', `version ${before.length + 1} beside ${expected + 1}`)
      if ((asked.cadence?.after(since) ?? 0) > on.clock.time + on.aheadMs)
        this.say('two versions for one slot', `version ${expected + 1}`)
      await this.#pruned(before as readonly (string | null)[], on, base)
      return written
    }
    return { ...sink, write }
  }

  async #pruned(before: readonly (string | null)[], on: World, base: SharedStore): Promise<void> {
    const after = on.versions as readonly (string | null)[]
    const gone = before.filter((content, at) => after[at] === null && content?.includes(':'))
    const stored = await base.get(RECORD)
    const held = stored === null ? [] : contentOf(stored.bytes).keys.map(({ id }) => id)
    for (const content of gone) {
      const id = content?.split(':')[0] ?? ''
      if (!held.includes(id) || !on.rotation.prunesHeld) this.say('the source pruned what is held nowhere', id)
    }
  }

  /** After the faults: with everybody alone and every port well, all is as if nothing had happened. */
  async converges(on: World, keys: readonly WrappingKey[] = DEFAULT_KEYS): Promise<void> {
    if (on.pushed !== undefined) return this.#convergesByPush(on, keys)
    on.clock.time += 5 * MINUTE
    const authority = authorityOn(on, keys)
    const synced = await authority.sync('default', PLAIN_SYNC)
    // A current key that is compromised is for the rotation to replace.
    if (!synced.ok && synced.error.code !== 'ERR_ACTIVE_UNUSABLE')
      return this.say('it does not converge', `sync: ${synced.error.code}`)
    await this.#settled(on, keys)
    const rotated = await authority.call({ call: 'rotate', keyring: 'default', dryRun: false })
    if (!rotated.ok) return this.say('it does not converge', `rotate: ${rotated.error.message}`)
    if (!rotated.value.rotated) this.say('it does not converge', 'a rotation by hand wrote nothing')
    const record = await this.#settled(on, keys)
    if (record?.intent !== undefined) this.say('it does not converge', 'an intent is left')
  }

  /** By then a rotation is due, if the settings say when. */
  async #convergesByPush(on: World, keys: readonly WrappingKey[]): Promise<void> {
    on.clock.time += 8 * DAY
    const sink = on.between?.sink(fakeSink(on)) ?? fakeSink(on)
    const pusher = pusherTo(authorityOn(on, keys), { pairs: fakePairs(on), sink })
    const pushed = await settle(() => pusher.push(false))
    if (!pushed.ok && pushed.error.code !== 'ERR_ACTIVE_UNUSABLE')
      return this.say('it does not converge', `push: ${pushed.error.message}`)
    await this.#settled(on, keys)
    const rotated = await settle(() => pusher.push(true))
    if (!rotated.ok) return this.say('it does not converge', `push --rotate: ${rotated.error.message}`)
    if (rotated.value === null) this.say('it does not converge', 'a push that rotates wrote nothing')
    await this.#settled(on, keys)
  }

  async #settled(on: World, keys: readonly WrappingKey[]): Promise<KeyringRecord | null> {
    const stored = await on.store.get(RECORD)
    if (stored === null) return null
    const record = contentOf(stored.bytes)
    this.#follows(record, on.versions as readonly (string | null)[])
    const trouble = await unreadable(await setOf(keys), stored.bytes, () => true)
    if (trouble !== null) this.say('an active key cannot be read', trouble)
    return record
  }

  /** Every key of the source is held or was removed, and that of the current version is active if it may be. */
  #follows({ highest, active, keys, tombstones }: KeyringRecord, versions: readonly (string | null)[]): void {
    const ids = versions.map((content) => (content?.includes(':') ? (content.split(':')[0] ?? '') : null))
    const current = ids.at(-1) ?? null
    const isBarred = [...tombstones, ...keys.filter(({ compromised }) => compromised)].some(({ id }) => id === current)
    if (highest !== versions.length) this.say('it does not converge', `${highest} of ${versions.length}`)
    if (!isBarred && active !== current) this.say('it does not converge', `${active} is active, not ${current}`)
    const known = new Set<string | null>([...keys, ...tombstones].map(({ id }) => id))
    const lost = ids.find((id) => id !== null && !known.has(id))
    if (lost !== undefined) this.say('a key is lost', `${lost} is at the source and not in the record`)
  }
}

/** Why a key of a record does not open for these; `null` = they all do. */
async function unreadable(
  set: SealerSet,
  bytes: Bytes,
  isWanted: (entry: KeyEntry) => boolean,
): Promise<string | null> {
  try {
    const { record, wrappingKeyId } = await verifyRecord(set, 'default', bytes)
    const wanted = record.keys.filter(isWanted)
    if (record.active !== null && wanted.length === 0) return `${record.active} is not held`
    for (const { id, key, weak, commit, compromised } of wanted) {
      const material = await set.byId(wrappingKeyId).openMaterial(id, key, weak === true)
      if (material.commitment !== commit) return `${id} has another material`
      if (compromised && id === record.active) return `${id} is compromised`
    }
    return null
  } catch (error) {
    return error instanceof Error ? error.message : 'unknown'
  }
}
