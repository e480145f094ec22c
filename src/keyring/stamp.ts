/**
 * The stamp beside the record in a replica, specified in docs/formats.md: the authority's word that the record had this revision
 * at this time. A copy has none of its own: it may be an old one, so that without a young stamp nobody encrypts by it.
 */
import { parseJson } from '../core/body.ts'
import type { Bytes } from '../core/bytes.ts'
import { decodeUtf8, utf8 } from '../core/bytes.ts'
import { settle } from '../core/errors.ts'
import type { Clock, Replica } from '../core/ports.ts'
import { ageOf } from '../core/time.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { parseSigned } from '../crypto/seal.ts'

const FORMAT = 'ekst1'
/** From so many keyrings on they have one item together: each item is one write a period, and Workers KV has 1,000 a day on the free plan. */
const TOGETHER_FROM = 7
/** Between two looks of the schedule, in milliseconds. */
const LOOK_MS = 60_000

export interface Stamp {
  readonly revision: number
  /** When the record was read that had it, in milliseconds since 1970. */
  readonly time: number
}

/** Its name in a replica. @param count of the keyrings of the deployment. */
export const stampName = (keyring: string, count: number): string =>
  count < TOGETHER_FROM ? `stamp/${keyring}` : 'stamps'

/** The keyring's own of those in an item; `null` = it has none that can be believed. @param count of the keyrings: a stranger may write many more. */
export async function stampIn(item: Bytes | null, set: SealerSet, count: number): Promise<Stamp | null> {
  const lines = (item && decodeUtf8(item))?.split('\n', 2 * count) ?? []
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const stamp = await settle(() => verifyStamp(utf8(`${lines[at]}\n${lines[at + 1]}`), set))
    if (stamp.ok && stamp.value !== null) return stamp.value
  }
  return null
}

/** Who signed it is told by the MAC alone, because each keyring has a key of its own. */
async function verifyStamp(bytes: Bytes, set: SealerSet): Promise<Stamp | null> {
  const signed = parseSigned(bytes)
  if (signed.format !== FORMAT) return null
  const text = await set.byId(signed.wrappingKeyId).verify(signed)
  const { revision, time } = (parseJson(text ?? '') ?? {}) as Partial<Stamp>
  return Number.isSafeInteger(revision) && Number.isSafeInteger(time) ? ({ revision, time } as Stamp) : null
}

interface StampParts {
  readonly replica: Replica | null
  readonly clock: Clock
  readonly periodMs: number
  /** Of the keyrings of the deployment. */
  readonly count: number
}

/** Writes the stamps of an authority's keyrings, each item once a period. */
export class Stamps {
  readonly #parts: StampParts
  /** What a common item is to have: it is written when each keyring has been looked at. */
  readonly #noted = new Map<string, string | null>()

  constructor(parts: StampParts) {
    this.#parts = parts
  }

  /** Whether the next look would be late. */
  async isDue(keyring: string, set: SealerSet): Promise<boolean> {
    const { replica, clock, periodMs, count } = this.#parts
    if (replica === null) return false
    const stamp = await stampIn(await replica.get(stampName(keyring, count)), set, count)
    return stamp === null || ageOf(stamp.time, clock.now()) >= periodMs - LOOK_MS
  }

  /** @param stamp `null` = the record cannot be read, or there is none. */
  async note(keyring: string, set: SealerSet, stamp: Stamp | null): Promise<void> {
    const { replica, count } = this.#parts
    const signed = stamp && decodeUtf8(await set.first.sign(FORMAT, JSON.stringify(stamp)))
    if (count >= TOGETHER_FROM) this.#noted.set(keyring, signed)
    if (this.#noted.size > 0 && this.#noted.size < count) return
    const signatures = count < TOGETHER_FROM ? [signed] : [...this.#noted.values()]
    this.#noted.clear()
    const item = signatures.filter((text) => text !== null).join('\n')
    if (item !== '') await replica?.set(stampName(keyring, count), utf8(item))
  }
}
