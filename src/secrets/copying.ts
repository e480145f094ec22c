/**
 * The authority's side of the copies in a replica: with the schedule's look it writes one for each vault, once a period, Vault up or
 * down, and at the next look after somebody asked for everything anew. Each is one write, however many secrets there are.
 */
import type { Result } from '../core/errors.ts'
import { settle } from '../core/errors.ts'
import { MAX_RECORD_BYTES } from '../core/limits.ts'
import type { AnswerTo, Message, VaultOperation } from '../core/operations.ts'
import type { Clock, Replica } from '../core/ports.ts'
import type { ItemStore, VaultAuthority } from '../core/secrets.ts'
import { ageOf } from '../core/time.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import { copyName, entryOf, readCopy, signCopy } from './copy.ts'
import { descriptionNames } from './description.ts'
import { stateIn } from './state.ts'

export interface CopyingParts {
  readonly vaults: VaultAuthority
  readonly items: ItemStore
  readonly replica: Replica
  readonly clock: Clock
  readonly sealer: (vault: string) => Promise<ItemSealer>
  readonly periodMs: number
}

/** Between two looks of the schedule, in milliseconds. */
const LOOK_MS = 60_000
/** So many items are read at once. */
const PAGE = 100
/** So many are looked at for one copy: names that the vault does not have may be many. */
const MOST_LOOKED_AT = 10_000
/** A copy has the bound of a record. What stands around the entries fits into this. */
const MOST_BYTES = MAX_RECORD_BYTES - 1024

export class CopyingVaults implements VaultAuthority {
  readonly #parts: CopyingParts
  /** Vaults that were asked for everything anew since their last copy. */
  readonly #refreshed = new Set<string>()

  constructor(parts: CopyingParts) {
    this.#parts = parts
  }

  async call<O extends VaultOperation>(message: Message<O>): Promise<Result<AnswerTo<O>>> {
    const answer = await this.#parts.vaults.call(message)
    const asked = message as Message<VaultOperation>
    const { vault } = asked
    if (asked.call === 'resolve' && asked.refresh) this.#refreshed.add(vault)
    if (asked.call !== 'refreshIfDue') return answer
    const copied = await settle(() => this.#copy(vault))
    return answer.ok && !copied.ok ? copied : answer
  }

  /** What the replica holds says whether it is time: the word of a write counts for nothing. */
  async #copy(vault: string): Promise<void> {
    const { replica, clock, sealer: sealerOf, periodMs } = this.#parts
    const sealer = await sealerOf(vault)
    const bytes = await replica.get(copyName(vault))
    const held = bytes && (await settle(() => readCopy(sealer, bytes)))
    const time = clock.now()
    const isLate = !held?.ok || ageOf(held.value.time, time) >= periodMs - LOOK_MS
    if (!isLate && !this.#refreshed.has(vault)) return
    const entries = await this.#entries(vault, sealer)
    // Where nothing was copied and nothing is to be, nothing is written.
    if (entries.length === 0 && !(held?.ok && held.value.states.size > 0)) return
    if (await replica.set(copyName(vault), await signCopy(sealer, time, entries))) this.#refreshed.delete(vault)
  }

  /** Secrets alone, as many as fit, and what describes their vault: what the vault does not have would push them out. */
  async #entries(vault: string, sealer: ItemSealer) {
    const entries: (readonly [string, string])[] = []
    const [about = ''] = await descriptionNames(sealer)
    const described = await this.#parts.items.get(vault, about)
    const first = described === null ? [] : [entryOf(about, described.bytes)]
    let [after, left] = ['', MOST_BYTES - JSON.stringify(first).length]
    for (let looked = 0; looked < MOST_LOOKED_AT; looked += PAGE) {
      const names = await this.#parts.items.list(vault, after, PAGE)
      for (const entry of await Promise.all(names.map((name) => this.#entry(vault, name, sealer)))) {
        const length = entry === null ? 0 : JSON.stringify(entry).length
        if (entry === null || length > left) continue
        entries.push(entry)
        left -= length
      }
      if (names.length < PAGE) break
      after = names.at(-1) ?? ''
    }
    return entries.length === 0 ? entries : [...first, ...entries]
  }

  async #entry(vault: string, name: string, sealer: ItemSealer): Promise<readonly [string, string] | null> {
    const stored = await this.#parts.items.get(vault, name)
    const state = stored && (await stateIn(sealer, name, stored.bytes))
    return stored && state?.found?.kind === 'secret' ? entryOf(name, stored.bytes) : null
  }
}
