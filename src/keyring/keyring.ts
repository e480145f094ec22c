/** A keyring as the surfaces call it: beside its use, all that changes it or is told of it. */
import type { ApiToken } from '../core/api-token.ts'
import type { Bytes } from '../core/bytes.ts'
import type { End } from '../core/ends.ts'
import type { Result } from '../core/errors.ts'
import { unwrap } from '../core/errors.ts'
import type { Diagnosis, DiagnoseOptions } from '../core/findings.ts'
import type {
  ImportReport,
  KeyringAuthority,
  KeyringChange,
  Push,
  PushAnswer,
  RotationReport,
  SyncOptions,
  SyncReport,
} from '../core/operations.ts'
import type { PairRead } from '../core/ports.ts'
import type { Nearing } from '../core/warnings.ts'
import { nearing } from '../core/warnings.ts'
import type { SealerSet } from '../crypto/seal.ts'
import { endsOf, endsOfTokens } from './ends.ts'
import { noActiveKey } from './no-active-key.ts'
import { Snapshot } from './snapshot.ts'
import type { StatusView, WrappingKeyStatus } from './status-view.ts'
import { statusView, wrappingKeysView } from './status-view.ts'
import type { UsableParts } from './usable.ts'
import { UsableKeyring } from './usable.ts'

export interface KeyringParts extends UsableParts {
  readonly authority: KeyringAuthority
  /** They may end. Absent = there is none. */
  readonly apiTokens?: readonly ApiToken[]
}

export class Keyring extends UsableKeyring {
  readonly #parts: KeyringParts
  readonly #sealers: SealerSet
  readonly #snapshot: Snapshot
  readonly #tokens: readonly End[]
  #ends: readonly End[]

  constructor(name: string, parts: KeyringParts, set: SealerSet) {
    const snapshot = new Snapshot(parts, set, name)
    super(name, parts, set, snapshot)
    this.#parts = parts
    this.#sealers = set
    this.#snapshot = snapshot
    this.#tokens = endsOfTokens(parts.apiTokens ?? [])
    this.#ends = this.#tokens
  }

  /** What ends the soonest, as far as this instance has heard; `null` = nothing within 30 days. */
  get ending(): Nearing | null {
    return nearing(this.#ends, this.#parts.clock.now())[0] ?? null
  }

  /** The instance that asked uses the new state at once. */
  async sync(options: SyncOptions): Promise<SyncReport> {
    return this.#adopted(this.#parts.authority.call({ call: 'sync', keyring: this.name, options }))
  }

  /** Writes a new key to the source, as its next version. @param dryRun it only says what would be. */
  async rotate(dryRun: boolean): Promise<RotationReport> {
    return this.#adopted(this.#parts.authority.call({ call: 'rotate', keyring: this.name, dryRun }))
  }

  /** @param mountKeeps versions that the mount keeps, for whoever wants to rotate. */
  async offer(push: Push, mountKeeps: number | null): Promise<PushAnswer> {
    return unwrap(await this.#parts.authority.call({ call: 'offer', keyring: this.name, push, mountKeeps }))
  }

  async deliver(push: Push, pairs: readonly PairRead[]): Promise<SyncReport> {
    const reads = pairs.map((read) => (read.kind === 'key' ? { ...read, key: read.key.reveal() } : read))
    return this.#adopted(this.#parts.authority.call({ call: 'deliver', keyring: this.name, push, reads }))
  }

  async change(change: KeyringChange): Promise<void> {
    const known = this.#snapshot.revision
    const result = await this.#parts.authority.call({ call: 'change', keyring: this.name, change })
    await this.#snapshot.adopt(unwrap(result), known)
  }

  /** Seals what is stored under the first wrapping key, and says what needs which key then. */
  async reseal(): Promise<readonly WrappingKeyStatus[]> {
    const known = this.#snapshot.revision
    const { sealed, ...under } = unwrap(await this.#parts.authority.call({ call: 'reseal', keyring: this.name }))
    if (sealed !== null) await this.#snapshot.adopt(sealed, known)
    return wrappingKeysView(under, this.#sealers.ids)
  }

  /** The sealed record as it is stored. @throws `ERR_NO_ACTIVE_KEY`: there is none. */
  async export(): Promise<Bytes> {
    const sealed = unwrap(await this.#parts.authority.call({ call: 'read', keyring: this.name, known: 0 }))
    if (!(sealed instanceof Uint8Array)) throw noActiveKey(this.name, false)
    return sealed
  }

  /** @param record a sealed one. */
  async import(record: string, force: boolean): Promise<ImportReport> {
    const known = this.#snapshot.revision
    const report = unwrap(await this.#parts.authority.call({ call: 'import', keyring: this.name, record, force }))
    await this.#snapshot.adopt(report.sealed, known)
    return report
  }

  async diagnose({ login }: DiagnoseOptions): Promise<Diagnosis> {
    return unwrap(await this.#parts.authority.call({ call: 'diagnose', keyring: this.name, login }))
  }

  async status(): Promise<StatusView> {
    const record = await this.record()
    const status = unwrap(await this.#parts.authority.call({ call: 'status', keyring: this.name }))
    const ends = [...endsOf(status), ...this.#tokens]
    this.#ends = ends
    const own = { warning: this.warning, wrappingKeyIds: this.#sealers.ids, ends, now: this.#parts.clock.now() }
    return statusView(this.name, record, status, own)
  }

  async #adopted<T extends { readonly sealed: Bytes }>(asked: Promise<Result<T>>): Promise<T> {
    const known = this.#snapshot.revision
    const result = await asked
    if (result.ok) await this.#snapshot.adopt(result.value.sealed, known)
    else if (result.error.code !== 'ERR_AUTHORITY_UNAVAILABLE') await this.#snapshot.look()
    return unwrap(result)
  }
}
