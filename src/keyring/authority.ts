/** The application behind the record store: the one implementation of `KeyringAuthority`. */
import { KeyringError, refusal, settle, teach } from '../core/errors.ts'
import type { Result } from '../core/errors.ts'
import type {
  AnswerTo,
  KeyringAuthority,
  KeyringOperation,
  Message,
  Operation,
  VaultOperation,
} from '../core/operations.ts'
import type { VaultAuthority } from '../core/secrets.ts'
import { SERVICE_REMEDIES } from '../core/service-remedies.ts'
import { sealers } from '../crypto/seal.ts'
import type { CustodianParts, Source } from './custodian.ts'
import { Custodian } from './custodian.ts'
import { countedPeriodMs } from './freshness.ts'
import type { Handlers } from './messages.ts'
import { Stamps } from './stamp.ts'

teach(SERVICE_REMEDIES)

export interface AuthorityParts extends Omit<CustodianParts, 'stamps'> {
  /** The source of each keyring, by its name. */
  readonly sources: ReadonlyMap<string, Source>
  /** `null` = there are no vaults behind references. */
  readonly vaults: VaultAuthority | null
}

export class Authority implements KeyringAuthority {
  readonly #parts: AuthorityParts & CustodianParts
  readonly #opened = new Map<string, Promise<Custodian>>()

  constructor(parts: AuthorityParts) {
    const { sources, syncPeriodMs } = parts
    const stamps = new Stamps({ ...parts, periodMs: countedPeriodMs(syncPeriodMs), count: sources.size })
    this.#parts = { ...parts, stamps }
  }

  call<O extends Operation>(message: Message<O>): Promise<Result<AnswerTo<O>>> {
    return this.#answer(message as Message)
  }

  #answer(message: Message) {
    return isOfVault(message) ? this.#ofVault(message) : this.#ofKeyring(message)
  }

  async #ofVault(message: Message<VaultOperation>) {
    const { vaults } = this.#parts
    return vaults === null
      ? refusal('ERR_REFERENCE_VAULT_UNKNOWN', 'There are no vaults for references here.')
      : vaults.call(message)
  }

  #ofKeyring<O extends KeyringOperation>(message: Message<O>) {
    return settle(async () => {
      const handlers: Handlers = await this.#custodian(message.keyring)
      return handlers[message.call](message)
    })
  }

  /** The promise is kept: calls of one process may wait for each other here. */
  #custodian(name: string): Promise<Custodian> {
    const source = this.#parts.sources.get(name)
    if (source === undefined) throw new KeyringError('ERR_KEYRING_NOT_FOUND', 'There is no keyring of that name.')
    const custodian = this.#opened.get(name) ?? this.#open(name, source)
    this.#opened.set(name, custodian)
    return custodian
  }

  async #open(name: string, source: Source): Promise<Custodian> {
    const { cipher, hash, wrappingKeys } = this.#parts
    return new Custodian(this.#parts, name, source, await sealers(cipher, hash, wrappingKeys, name))
  }
}

const isOfVault = (message: Message): message is Message<VaultOperation> => 'vault' in message
