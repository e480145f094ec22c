/** References in use: what the surfaces and an application in the same process call to resolve them. It knows neither HTTP nor Vault. */
import { KeyringError, refusal, settle, unwrap } from '../core/errors.ts'
import type { Result } from '../core/errors.ts'
import type { DiagnoseOptions, Diagnosis } from '../core/findings.ts'
import type { Message } from '../core/operations.ts'
import type { CachedSecret, Handed, HandedSecret, SecretName, VaultSummary } from '../core/vault-operations.ts'
import type { Clock } from '../core/ports.ts'
import type { SecretRules, VaultAuthority } from '../core/secrets.ts'
import { Steps } from '../core/time.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import type { Reference } from '../references/grammar.ts'
import { parseReference, printReference, readReference } from '../references/grammar.ts'
import type { SplitField } from '../references/split.ts'
import type { SecretState } from './life.ts'
import { endOf, standing } from './life.ts'
import { noVault } from './no-vault.ts'
import { itemName, openState } from './state.ts'
import { noSecret, fieldsReader, whyNot } from './value.ts'

/** A vault entity, as far as whoever resolves needs it. */
export interface Entity {
  readonly prefix: string
  /** All that says where secrets are read from. */
  readonly identity: string
  readonly rules: SecretRules
  readonly isBase64: boolean
  readonly split: SplitField
  /** `null` = such a secret can be asked for; else the rest of a sentence. */
  readonly trouble: (name: SecretName) => string | null
}

export interface Resolved {
  readonly value: string
  /** 'hit' = it was known here, 'miss' = the authority was asked, 'stale' = it serves in an outage: it has expired, or was wanted anew. */
  readonly cache: 'hit' | 'miss' | 'stale'
  /** When the vault was asked for it, in milliseconds since 1970, and how long ago that was. */
  readonly at: number
  readonly ageMs: number
}

export interface SecretsParts {
  readonly authority: VaultAuthority
  readonly clock: Clock
  /** A sealer is made at the first use of its vault. */
  readonly sealer: (prefix: string) => Promise<ItemSealer>
  /** By the name that references give: its prefix, or a type. */
  readonly entities: ReadonlyMap<string, Entity>
  /** Prefixes of vaults that are set and not used. Absent = there are none. */
  readonly leftOut?: ReadonlySet<string>
  /** What an instance has resolved it uses for so long, in milliseconds: then a refresh elsewhere reaches it. */
  readonly freshMs: number
}

/** A secret, whole: fields of it that are wanted together are of one version. */
interface Held {
  readonly value: ReturnType<typeof fieldsReader>
  readonly isStale: boolean
  readonly at: number
  readonly until: number
  /** In characters. */
  readonly size: number
}

interface Wanted {
  readonly entity: Entity
  readonly written: Reference
  /** What of it is the secret, and what a field, as the vault has it. */
  readonly reference: Reference
  /** Of the secret. */
  readonly secret: string
}

type Asking = Pick<Message<'resolve'>, 'refresh' | 'caller'>

interface OfVault<T> {
  /** Its prefix. */
  readonly vault: string
  readonly result: Result<T>
}

export interface CachedReferences {
  readonly secrets: readonly (CachedSecret & { readonly reference: string })[]
  /** `null` = this was the last page. */
  readonly next: string | null
}

const NOT_GRANTED = refusal('ERR_FORBIDDEN', 'No grant covers this reference.', {
  remedy: 'Ask for a grant resolve:<pattern> that covers it (KEYRING_API_TOKENS).',
})

/** Characters of the secrets that one instance holds; those had longest ago are dropped. */
const MOST_HELD = 8 * 1024 * 1024
/** What each of them takes beside its text counts as so many: also of the smallest there are not any number. */
const AROUND = 1024
/** What was read of so many references is kept, of texts of so many characters. */
const [MOST_READ, MOST_LENGTH] = [10_000, 256]

export class Secrets {
  readonly #parts: SecretsParts
  readonly #held = new Map<string, Held>()
  #heldSize = 0
  readonly #read = new Map<string, Wanted>()
  readonly #steps = new Steps()

  constructor(parts: SecretsParts) {
    this.#parts = parts
  }

  /**
   * In the order of the references. Each secret is asked for once, so that two fields of it never come from two versions.
   * Errors of each: `ERR_REFERENCE_INVALID`, `ERR_REFERENCE_VAULT_UNKNOWN`, `ERR_SECRET_NOT_FOUND`, `ERR_SECRET_FORBIDDEN`,
   * `ERR_SECRET_UNUSABLE`, `ERR_FORBIDDEN`, and what the vault's outage or the authority's says.
   * @param refresh what is fresh is asked for too.
   * @param may whether this caller may have it: the rest is asked of nobody, and says nothing.
   * @param caller his name, where several have shares.
   */
  async resolve(
    texts: readonly string[],
    refresh = false,
    may: (reference: Reference) => boolean = () => true,
    caller?: string,
  ): Promise<readonly Result<Resolved>[]> {
    if (this.#steps.hasStepped(this.#parts.clock.now())) this.#forget([...this.#held.keys()])
    const wanted = await Promise.all(texts.map((text) => settle(() => this.#wanted(text, may))))
    const secrets = new Map(wanted.flatMap((one) => (one.ok ? [[one.value.secret, one.value] as const] : [])))
    const held = new Map(refresh ? [] : [...secrets.keys()].flatMap((secret) => this.#holding(secret)))
    const asked = await this.#states(
      [...secrets.values()].filter(({ secret }) => !held.has(secret)),
      { refresh, caller },
    )
    const had = new Map<string, Result<Held>>()
    for (const [one, state] of asked) had.set(one.secret, await settle(() => this.#hold(one, unwrap(state), refresh)))
    return Promise.all(
      wanted.map((one) =>
        one.ok
          ? settle(() => {
              const { secret } = one.value
              const known = held.get(secret)
              return this.#value(one.value, known ?? unwrap(had.get(secret) ?? NO_ANSWER), known !== undefined)
            })
          : one,
      ),
    )
  }

  #holding(secret: string): [string, Held][] {
    const held = this.#held.get(secret)
    return held !== undefined && this.#parts.clock.now() < held.until ? [[secret, held]] : []
  }

  /** The prefix of the configured vault that a reference names. `null` = there is none. */
  vaultOf(text: string): string | null {
    const read = this.#read.get(text)
    if (read !== undefined) return read.entity.prefix
    const parsed = parseReference(text)
    return (parsed.ok && this.#parts.entities.get(parsed.reference.vault)?.prefix) || null
  }

  /** What is kept of the secrets of all vaults, a page of it, empty only as the last one. @param after `next` of the page before; '' = from the beginning. */
  async cached(after: string): Promise<CachedReferences> {
    const [given = '', item = ''] = after.split(':')
    const vaults = this.#prefixes().filter((vault) => vault >= given)
    for (const [at, vault] of vaults.entries()) {
      const from = vault === given ? item : ''
      const page = unwrap(await this.#parts.authority.call({ call: 'cached', vault, after: from }))
      const following = vaults[at + 1]
      const next = page.next === null ? (following === undefined ? null : `${following}:`) : `${vault}:${page.next}`
      const secrets = page.secrets.map((secret) => ({
        ...secret,
        reference: printReference({ ...secret, vault, key: null, options: new Map() }),
      }))
      if (secrets.length > 0 || page.next !== null) return { secrets, next }
    }
    return { secrets: [], next: null }
  }

  /** Why there is no vault of a prefix, which nobody has checked. */
  none(prefix: string, nobody = 'There is no vault of that prefix.'): KeyringError {
    return noVault(prefix, this.#parts.leftOut ?? new Set(), nobody)
  }

  /** How each vault fares. */
  summaries(): Promise<readonly OfVault<VaultSummary>[]> {
    return this.#ofEach((vault) => this.#parts.authority.call({ call: 'summary', vault }))
  }

  /** The way to each. */
  examine({ login }: DiagnoseOptions): Promise<readonly OfVault<Diagnosis>[]> {
    return this.#ofEach((vault) => this.#parts.authority.call({ call: 'examine', vault, login }))
  }

  #ofEach<T>(ask: (vault: string) => Promise<Result<T>>): Promise<readonly OfVault<T>[]> {
    return Promise.all(this.#prefixes().map(async (vault) => ({ vault, result: await ask(vault) })))
  }

  #prefixes(): string[] {
    return [...new Set([...this.#parts.entities.values()].map(({ prefix }) => prefix))].sort()
  }

  /** Takes what somebody who reaches the vault has read there. @throws `ERR_REFERENCE_VAULT_UNKNOWN`, `ERR_REFERENCE_INVALID`. */
  async hand(vault: string, source: string, secrets: readonly HandedSecret[]): Promise<Handed> {
    const entity = this.#parts.entities.get(vault)
    if (entity === undefined) throw this.none(vault)
    const trouble = secrets.map((secret) => entity.trouble(secret)).find((each) => each !== null)
    if (trouble) throw new KeyringError('ERR_REFERENCE_INVALID', `A secret ${trouble}.`)
    return unwrap(await this.#parts.authority.call({ call: 'hand', vault: entity.prefix, source, secrets }))
  }

  #wanted(text: string, may: (reference: Reference) => boolean): Wanted {
    const read = this.#read.get(text)
    if (read !== undefined && may(read.written)) return read
    const written = readReference(text)
    const { vault } = written
    const entity = this.#parts.entities.get(vault)
    // As it is written: where a file ends and its field begins makes no other path of it.
    if (!may(written)) unwrap(NOT_GRANTED)
    if (entity === undefined) throw this.none(vault, `There is no vault "${vault}".`)
    const reference = { ...written, ...entity.split(written) }
    const trouble = entity.trouble(reference)
    if (trouble !== null) throw new KeyringError('ERR_REFERENCE_INVALID', `The reference ${trouble}.`)
    const wanted = { entity, written, reference, secret: keyOf(entity, reference) }
    if (this.#read.size >= MOST_READ) this.#read.clear()
    if (text.length <= MOST_LENGTH) this.#read.set(text, wanted)
    return wanted
  }

  /** One question for each vault. @param wanted each secret once. */
  async #states(wanted: readonly Wanted[], how: Asking) {
    const byVault = Map.groupBy(wanted, ({ entity }) => entity)
    const answers = await Promise.all(
      [...byVault].map(async ([entity, all]) => {
        const secrets = all.map(({ reference: { resource, version } }) => ({ resource, version }))
        const answer = await this.#parts.authority.call({ call: 'resolve', vault: entity.prefix, secrets, ...how })
        // An instance may lack the key of one vault and have that of another.
        const sealer = await settle(() => this.#parts.sealer(entity.prefix))
        const opened = ({ reference }: Wanted, bytes = new Uint8Array()) =>
          settle(async () =>
            openState(unwrap(sealer), await itemName(unwrap(sealer), entity.identity, reference), bytes),
          )
        const result = async (one: Wanted, at: number) => (answer.ok ? opened(one, answer.value[at]) : answer)
        return Promise.all(all.map(async (one, at) => [one, await result(one, at)] as const))
      }),
    )
    return answers.flat()
  }

  #value({ entity, reference }: Wanted, { value, isStale, at }: Held, isKnown: boolean): Resolved {
    return {
      value: value(reference.key, entity.isBase64),
      cache: isStale ? 'stale' : isKnown ? 'hit' : 'miss',
      at,
      ageMs: Math.max(0, this.#parts.clock.now() - at),
    }
  }

  /** What was wanted anew and is not is nothing to go by. @throws why there is none. */
  #hold({ entity, secret }: Wanted, state: SecretState, refresh: boolean): Held {
    const now = this.#parts.clock.now()
    const stands = standing(state, entity.rules, now)
    if (stands === 'over' || state.found === null) throw whyNot(state)
    if (state.found.kind !== 'secret') throw noSecret(state.found.kind)
    const { text } = state.found
    const isOld = refresh && state.failing !== null
    const until = isOld ? now : Math.min(now + this.#parts.freshMs, endOf(state, entity.rules, stands))
    const held = {
      value: fieldsReader(text),
      isStale: isOld || stands === 'stale',
      at: state.at,
      until,
      size: text.length + AROUND,
    }
    this.#forget([secret])
    if (until <= now) return held
    this.#held.set(secret, held)
    this.#heldSize += held.size
    for (const oldest of this.#held.keys()) {
      if (this.#heldSize <= MOST_HELD) break
      this.#forget([oldest])
    }
    return held
  }

  #forget(secrets: readonly string[]): void {
    for (const secret of secrets) {
      this.#heldSize -= this.#held.get(secret)?.size ?? 0
      this.#held.delete(secret)
    }
  }
}

const keyOf = ({ prefix }: Entity, { resource, version }: SecretName): string =>
  JSON.stringify([prefix, resource, version])

const NO_ANSWER = refusal('ERR_INTERNAL', 'A secret was not answered.')
