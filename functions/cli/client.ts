/** What the commands call: the keyring's HTTP operations, of a deployment or of the local store. */
import { toBase64 } from '../../src/core/bytes.ts'
import type { Bytes } from '../../src/core/bytes.ts'
import type { KeyringChange, Push, PushAnswer } from '../../src/core/operations.ts'
import type { HandedSecret } from '../../src/core/vault-operations.ts'
import type { PairRead } from '../../src/core/ports.ts'
import type { Answer } from './answer.ts'
import { ask, problemFailure, unknown } from './answer.ts'
import type { Failure } from './failure.ts'
import { inWords } from './remedies.ts'
import type {
  ChecksBody,
  DecryptedBody,
  DiagnosisBody,
  EncryptedBody,
  HandedBody,
  ImportBody,
  Note,
  ResealedBody,
  RotationBody,
  StatusBody,
} from './schema.ts'
import {
  decryptedBody,
  diagnosisBody,
  encryptedBody,
  handedBody,
  importBody,
  notesOf,
  parseAnswer,
  offeredBody,
  remainingBody,
  resealedBody,
  rewrappedBody,
  rotationBody,
  statusBody,
  syncOf,
} from './schema.ts'
import type { Target } from './target.ts'

export interface Synced {
  /** `null` = a proxy took the header away. */
  readonly changed: boolean | null
  readonly requests: number | null
  readonly remaining: number
  readonly notes: readonly Note[]
}

interface SealedValue {
  readonly ciphertext: string
  readonly context: Bytes
}

/** A terminal obeys nothing of it. */
const RECORD = /^ekr1 \P{Cc}+\n\P{Cc}+$/u

export class KeyringClient {
  readonly name: string
  readonly #target: Target
  readonly #path: string

  constructor(target: Target, name: string) {
    this.name = name
    this.#target = target
    this.#path = `/keyrings/${encodeURIComponent(name)}`
  }

  async status(): Promise<StatusBody> {
    const status = parseAnswer(this.#target, statusBody, await ask(this.#target, 'GET', this.#path))
    return { ...status, needed: status.needed.map((line) => inWords(line, this.name)) }
  }

  /** @param login a login that was refused is tried once more. */
  async doctor(login: boolean): Promise<DiagnosisBody> {
    const asked = login ? this.#post('doctor', { login }) : ask(this.#target, 'GET', `${this.#path}/doctor`)
    const diagnosis = parseAnswer(this.#target, diagnosisBody, await asked)
    const spoken = (checks: ChecksBody): ChecksBody =>
      checks.map((check) =>
        check.remedy === undefined ? check : { ...check, remedy: inWords(check.remedy, this.name) },
      )
    const vaults = diagnosis.vaults?.map((each) => ({ ...each, checks: spoken(each.checks) }))
    return { ...diagnosis, checks: spoken(diagnosis.checks), ...(vaults && { vaults }) }
  }

  /** Syncs one batch. */
  async sync(flags: { readonly force: boolean; readonly adopt: boolean }): Promise<Synced> {
    return this.#synced(await this.#do('sync', flags, [202, 204]))
  }

  /** @param mountKeeps versions that the mount keeps, for a rotation. */
  async offer(push: Push, mountKeeps: number | null): Promise<PushAnswer> {
    const body = { ...push, ...(mountKeeps !== null && { mount_keeps: mountKeeps }) }
    return parseAnswer(this.#target, offeredBody, await this.#post('push', body))
  }

  async deliver(push: Push, pairs: readonly PairRead[]): Promise<Synced> {
    const reads = pairs.map((read) => (read.kind === 'key' ? { ...read, key: read.key.reveal() } : read))
    return this.#synced(await this.#do('push', { ...push, reads }, [202, 204]))
  }

  /** They go to a vault of the deployment, not to a keyring. */
  async hand(vault: string, source: string, secrets: readonly HandedSecret[]): Promise<HandedBody> {
    const answer = await ask(this.#target, 'POST', '/secrets/push', { vault, source, secrets })
    return parseAnswer(this.#target, handedBody, answer)
  }

  #synced(answer: Answer): Synced {
    const remaining = answer.status === 202 ? parseAnswer(this.#target, remainingBody, answer).remaining : 0
    return { ...syncOf(answer.headers), remaining, notes: notesOf(answer.headers) }
  }

  async rotate(dryRun: boolean): Promise<RotationBody> {
    return parseAnswer(this.#target, rotationBody, await this.#post('rotate', { dry_run: dryRun }))
  }

  async reseal(): Promise<ResealedBody> {
    return parseAnswer(this.#target, resealedBody, await this.#post('reseal', {}))
  }

  async change({ op, id, force }: KeyringChange): Promise<void> {
    await this.#do(op, { id, force }, [204])
  }

  async export(): Promise<string> {
    const answer = await ask(this.#target, 'GET', `${this.#path}/export`)
    if (typeof answer.body !== 'string' || !RECORD.test(answer.body)) throw unknown(this.#target, 'no record')
    return answer.body
  }

  async import(record: Uint8Array, force: boolean): Promise<ImportBody> {
    return parseAnswer(this.#target, importBody, await this.#post(`import?force=${force}`, record))
  }

  async encrypt(plaintext: Bytes, context: string | Bytes): Promise<EncryptedBody> {
    const body = { plaintext: toBase64(plaintext), encoding: 'base64', ...contextField(context) }
    return parseAnswer(this.#target, encryptedBody, await this.#post('encrypt', body))
  }

  async decrypt(ciphertext: string, context: string | Bytes): Promise<DecryptedBody> {
    const body = { ciphertext, encoding: 'base64', ...contextField(context) }
    return parseAnswer(this.#target, decryptedBody, await this.#post('decrypt', body))
  }

  /** A value each, or why there is none. */
  async rewrap(
    values: readonly SealedValue[],
  ): Promise<readonly (Pick<EncryptedBody, 'ciphertext' | 'key_id'> | Failure)[]> {
    const asked = values.map(({ ciphertext, context }) => ({ ciphertext, ...contextField(context) }))
    const { items } = parseAnswer(this.#target, rewrappedBody, await this.#post('rewrap', { items: asked }))
    if (items.length !== values.length) throw unknown(this.#target, 'an answer with other items')
    return items.map((item) => ('error' in item ? this.#itemFailure(item.error) : item))
  }

  #itemFailure({ code, message: detail, remedy }: { code: string; message: string; remedy: string }): Failure {
    return problemFailure({ code, detail, remedy }, this.#target)
  }

  /** Another API's success does not count as ours. */
  async #do(operation: string, body: object, statuses: readonly number[]): Promise<Answer> {
    const answer = await this.#post(operation, body)
    if (!statuses.includes(answer.status)) throw unknown(this.#target, `${answer.status}`)
    return answer
  }

  #post(operation: string, body: object): Promise<Answer> {
    return ask(this.#target, 'POST', `${this.#path}/${operation}`, body)
  }
}

const contextField = (context: string | Bytes) =>
  typeof context === 'string' ? { context } : { context_base64: toBase64(context) }
