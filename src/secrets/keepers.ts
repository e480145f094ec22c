/** The application behind the store of secrets: one keeper for each vault, opened at its first use. */
import type { Awaitable } from '../core/awaitable.ts'
import { settle } from '../core/errors.ts'
import type { Result } from '../core/errors.ts'
import type { DiagnoseOptions, Diagnosis } from '../core/findings.ts'
import type { AnswerTo, Message, VaultOperation } from '../core/operations.ts'
import type { ItemSealer } from '../crypto/seal-item.ts'
import type { KeeperParts } from './keeper.ts'
import type { takeHanded } from './handed.ts'
import { Keeper } from './keeper.ts'
import { noVault } from './no-vault.ts'
import type { KeeperEntity } from './shelf.ts'
import type { summaryOf } from './summary.ts'

interface KeepersParts extends KeeperParts {
  readonly sealer: (prefix: string) => Promise<ItemSealer>
  /** By their prefix. */
  readonly entities: ReadonlyMap<string, KeeperEntity>
  /** Prefixes of vaults that are set and not used. Absent = there are none. */
  readonly leftOut?: ReadonlySet<string>
  /** What is asked for rarely. */
  readonly loadRare: () => Awaitable<{
    readonly summaryOf: typeof summaryOf
    readonly takeHanded: typeof takeHanded
  }>
  /** The doctor's look at the way to one, by its prefix. */
  readonly examine: (vault: string, options: DiagnoseOptions) => Promise<Diagnosis>
}

/** There is a method for each operation, of its name. */
type Handlers = {
  readonly [O in VaultOperation]: (keeper: Keeper, message: Message<O>, parts: KeepersParts) => Promise<AnswerTo<O>>
}

const HANDLERS: Handlers = {
  resolve: (keeper, { secrets, refresh, caller }) => keeper.resolve(secrets, refresh, caller),
  cached: (keeper, { after }) => keeper.cached(after),
  refreshIfDue: (keeper) => keeper.refreshDue(),
  summary: async ({ shelf, unrenewed }, _message, { clock, loadRare }) =>
    (await loadRare()).summaryOf(shelf, clock.now(), unrenewed),
  examine: (_keeper, { vault, login }, { examine }) => examine(vault, { login }),
  hand: async ({ shelf }, { source, secrets }, { clock, loadRare }) =>
    (await loadRare()).takeHanded(shelf, clock, source, secrets),
}

export class Keepers {
  readonly #parts: KeepersParts
  readonly #opened = new Map<string, Promise<Keeper>>()

  constructor(parts: KeepersParts) {
    this.#parts = parts
  }

  call<O extends VaultOperation>(message: Message<O>): Promise<Result<AnswerTo<O>>> {
    return settle(async () => HANDLERS[message.call](await this.#keeper(message.vault), message, this.#parts))
  }

  #keeper(prefix: string): Promise<Keeper> {
    const entity = this.#parts.entities.get(prefix)
    if (entity === undefined) throw noVault(prefix, this.#parts.leftOut ?? new Set(), `There is no vault "${prefix}".`)
    const keeper = this.#opened.get(prefix) ?? this.#open(entity)
    this.#opened.set(prefix, keeper)
    return keeper
  }

  async #open(entity: KeeperEntity): Promise<Keeper> {
    return new Keeper(this.#parts, entity, await this.#parts.sealer(entity.prefix))
  }
}
