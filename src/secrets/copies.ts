/**
 * An instance's side of the copies in a replica: an authority that answers by the copy, and asks the one behind it for the rest.
 *
 * A replica is a stranger with a copy, which may be an old one: it would revive what the vault has deleted. So a copy counts while its
 * own time is younger than two periods, each state in it while it holds by the rules of its vault, and none that is older than what
 * this instance has seen of that secret. Everything else is the authority's to say. While that cannot be asked, the latest state that
 * this instance has, seen or copied, serves by the rules for an outage; a copy then counts as long as a record of a keyring would.
 */
import type { Bytes } from '../core/bytes.ts'
import type { ErrorData, Result } from '../core/errors.ts'
import type { AnswerTo, KeyringAuthority, Message, Operation } from '../core/operations.ts'
import type { SecretName } from '../core/vault-operations.ts'
import type { Audit } from '../core/ports.ts'
import type { SecretRules } from '../core/secrets.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import type { Copy } from './copy.ts'
import type { SecretState } from './life.ts'
import { NOTED_MS, nothingKnown, standing, withFailure } from './life.ts'
import type { ReplicaCopiesParts } from './replica-copies.ts'
import { ReplicaCopies } from './replica-copies.ts'
import { itemName, sealState, stateIn } from './state.ts'

/** A vault entity, as far as its copy goes. */
interface CopiedEntity {
  readonly prefix: string
  readonly identity: string
  readonly rules: SecretRules
}

export interface CopiesParts extends ReplicaCopiesParts {
  readonly authority: KeyringAuthority
  /** Hears of a copy that cannot be believed. */
  readonly audit: Pick<Audit, 'note'>
  readonly sealer: (vault: string) => Promise<ItemSealer>
  readonly entities: readonly CopiedEntity[]
}

type Resolve = Message<'resolve'>

/** A state as it travels, and opened. */
interface Known {
  readonly bytes: Bytes
  readonly state: SecretState
}

/** One secret of a question, and what is had of it here. */
interface Sought {
  readonly name: SecretName
  readonly item: string
  readonly seen: Known | null
  readonly copied: Known | null
}

/** What was seen of secrets takes no more memory than this, in bytes. */
const MOST_SEEN = 8 * 1024 * 1024

export class CopiedAuthority implements KeyringAuthority {
  readonly #parts: CopiesParts
  readonly #entities: ReadonlyMap<string, CopiedEntity>
  readonly #copies: ReplicaCopies
  /** What the authority has said, by the items' names; those said longest ago come first. */
  readonly #seen = new Map<string, Known>()
  #seenBytes = 0

  constructor(parts: CopiesParts) {
    this.#parts = parts
    this.#copies = new ReplicaCopies(parts, (vault, { code }) =>
      parts.audit.note({
        time: parts.clock.now(),
        request: crypto.randomUUID(),
        caller: null,
        action: 'replica',
        keyring: null,
        vault,
        keyId: null,
        count: 1,
        outcome: 'refused',
        code: code === 'ERR_RECORD_INVALID' ? 'ERR_REPLICA_INVALID' : code,
      }),
    )
    this.#entities = new Map(parts.entities.map((entity) => [entity.prefix, entity]))
  }

  call<O extends Operation>(message: Message<O>): Promise<Result<AnswerTo<O>>> {
    const asked = message as Message
    const entity = asked.call === 'resolve' ? this.#entities.get(asked.vault) : undefined
    if (asked.call !== 'resolve' || entity === undefined) return this.#parts.authority.call(message)
    return this.#resolve(asked, entity)
  }

  async #resolve(message: Resolve, entity: CopiedEntity): Promise<Result<readonly Bytes[]>> {
    const { authority, sealer: sealerOf } = this.#parts
    const sealer = await sealerOf(entity.prefix)
    const copy = message.refresh ? null : await this.#copies.of(entity.prefix, sealer)
    const sought = await Promise.all(message.secrets.map((name) => this.#sought(name, entity, sealer, copy)))
    const here = sought.map((one) => this.#holding(one, entity, copy))
    const rest = sought.filter((_, at) => here[at] === null)
    if (rest.length === 0) return { ok: true, value: here.flatMap((one) => one ?? []) }
    const answer = await authority.call({ ...message, secrets: rest.map(({ name }) => name) })
    // Whoever wants it anew wants no other; and that a vault is gone is an answer.
    if (!answer.ok && (message.refresh || answer.error.code === 'ERR_REFERENCE_VAULT_UNKNOWN')) return answer
    const said = await Promise.all(
      rest.map(async (one, at): Promise<Bytes> => {
        const known = answer.ok ? await this.#note(one.item, answer.value[at], sealer) : null
        const error = answer.ok ? (message.refresh ? null : unstored(known)) : answer.error
        return error === null ? (answer.ok && answer.value[at]) || NOTHING : this.#serving(one, entity, sealer, error)
      }),
    )
    const following = said.values()
    return { ok: true, value: here.map((one) => one ?? following.next().value ?? NOTHING) }
  }

  async #sought(name: SecretName, { identity }: CopiedEntity, sealer: ItemSealer, copy: Copy | null): Promise<Sought> {
    const item = await itemName(sealer, identity, name)
    const bytes = copy?.states.get(item)
    const copied = bytes === undefined ? null : await opened(sealer, item, bytes)
    return { name, item, copied, seen: this.#seen.get(item) ?? null }
  }

  /** `null` = the authority is to be asked. */
  #holding({ seen, copied }: Sought, { rules }: CopiedEntity, copy: Copy | null): Bytes | null {
    const now = this.#parts.clock.now()
    if (copy === null || copied === null || !this.#copies.isYoung(copy)) return null
    if (seen !== null && seen.state.at > copied.state.at) return null
    // Once a day the authority hears that somebody wants it: else it would forget it.
    if (now - copied.state.asked >= NOTED_MS) return null
    return standing(copied.state, rules, now) === 'fresh' ? copied.bytes : null
  }

  /** The latest that there is, or why there is none. */
  #serving({ name, item, seen, copied }: Sought, { rules }: CopiedEntity, sealer: ItemSealer, error: ErrorData) {
    const now = this.#parts.clock.now()
    const latest = seen !== null && (copied === null || seen.state.at >= copied.state.at) ? seen : copied
    return latest !== null && standing(latest.state, rules, now) !== 'over'
      ? latest.bytes
      : sealState(sealer, item, withFailure(nothingKnown(name, now), error, now))
  }

  async #note(item: string, bytes: Bytes | undefined, sealer: ItemSealer): Promise<Known | null> {
    const known = bytes === undefined ? null : await opened(sealer, item, bytes)
    if (known === null || known.state.found === null) return known
    this.#forget(item)
    this.#seen.set(item, known)
    this.#seenBytes += known.bytes.length
    for (const oldest of this.#seen.keys()) {
      if (this.#seenBytes <= MOST_SEEN) break
      this.#forget(oldest)
    }
    return known
  }

  #forget(item: string): void {
    this.#seenBytes -= this.#seen.get(item)?.bytes.length ?? 0
    this.#seen.delete(item)
  }
}

/** It does not open, and is told as what it is. */
const NOTHING: Bytes = new Uint8Array()

/** `null` = it is none. */
async function opened(sealer: ItemSealer, item: string, bytes: Bytes): Promise<Known | null> {
  const state = await stateIn(sealer, item, bytes)
  return state && { bytes, state }
}

/** The authority is there, and its store is not. */
const unstored = (known: Known | null): ErrorData | null => {
  const { found, failing } = known?.state ?? {}
  return found === null && failing?.error.code === 'ERR_STORE_UNAVAILABLE' ? failing.error : null
}
