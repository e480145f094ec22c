/**
 * What other programs of the same operator may ask without HTTP: values in, results out, as plain data. Who asks is told by
 * properties that whoever deployed the caller has written; without any, nothing is granted.
 */
import { isGranted, resolvable } from '../auth/grants.ts'
import type { Action } from '../core/api-token.ts'
import type { Awaitable } from '../core/awaitable.ts'
import { andThen } from '../core/awaitable.ts'
import type { Bytes } from '../core/bytes.ts'
import { utf8 } from '../core/bytes.ts'
import type { Result } from '../core/errors.ts'
import { KeyringError, refusal, settle } from '../core/errors.ts'
import { KEYRING_NAME, MAX_BATCH_ITEMS, MAX_RAW_BYTES } from '../core/limits.ts'
import type { Sealed, ValueKeyring } from '../keyring/batch.ts'
import { outcomesOf, rewrapped, settleEach } from '../keyring/batch.ts'
import type { Keyring } from '../keyring/keyring.ts'
import type { Decrypted, Encrypted } from '../keyring/sync-keyring.ts'
import type { Resolved } from '../secrets/secrets.ts'
import type { HttpParts } from './app.ts'
import { Trail } from './call.ts'
import { MOST_REFERENCES } from './rare-schema.ts'
import { resolutions, resolved } from './references.ts'
import { nextId } from './request-id.ts'
import { refuseLarge, refuseLongContext } from './room.ts'

export interface RpcParts extends Pick<HttpParts, 'keyring' | 'audit' | 'clock' | 'onDefect'> {
  /** Absent = there are no vaults behind references. */
  readonly vaults?: HttpParts['vaults']
}

/** Text stands for its UTF-8. A context that is absent is the empty one. */
type Data = string | Bytes
interface PlainValue {
  readonly plaintext: Data
  readonly context?: Data
}
interface SealedValue {
  readonly ciphertext: string
  readonly context?: Data
}

/** The keyring `default` unless named. */
interface Named {
  readonly keyring?: string
}
type One<Value> = Value & Named
type Many<Value> = Named & { readonly items: readonly Value[] }

/** Each answers a value or an error, and none throws: of an error that is thrown, callers with older settings would see the sentence alone. */
export interface Rpc {
  encrypt(asked: One<PlainValue>): Promise<Result<Encrypted>>
  decrypt(asked: One<SealedValue>): Promise<Result<Decrypted>>
  rewrap(asked: One<SealedValue>): Promise<Result<Encrypted>>
  encryptBatch(asked: Many<PlainValue>): Promise<Result<readonly Result<Encrypted>[]>>
  decryptBatch(asked: Many<SealedValue>): Promise<Result<readonly Result<Decrypted>[]>>
  rewrapBatch(asked: Many<SealedValue>): Promise<Result<readonly Result<Encrypted>[]>>
  /** Values of references, in their order; each needs a grant of its own. @param asked.refresh what is fresh is asked for too. */
  resolve(asked: References): Promise<Result<readonly Result<Resolved>[]>>
}

interface References {
  readonly references: readonly string[]
  readonly refresh?: boolean
}

type Work<Made> = (keyring: ValueKeyring, value: unknown) => Awaitable<Made>

const encrypting: Work<Encrypted> = (keyring, value) => {
  const { plaintext, context } = fieldsOf(value)
  const [data, bound] = [dataOf(plaintext, 'plaintext'), contextOf(context)]
  refuseLarge(data, MAX_RAW_BYTES)
  return keyring.encrypt(data, bound)
}

const decrypting: Work<Decrypted> = (keyring, value) => {
  const { ciphertext, context } = sealedOf(value)
  return keyring.decrypt(ciphertext, context)
}

const rewrapping: Work<Encrypted> = (keyring, value) => rewrapped(keyring, sealedOf(value))

/** @param props as the caller's deployment has them: `{name, grants}`. */
export function rpcOf(parts: RpcParts, props: unknown): Rpc {
  const one =
    <Made extends Encrypted | Decrypted>(action: Action, work: Work<Made>) =>
    (asked: unknown) =>
      answered(parts, props, action, asked, (keyring, trail) =>
        andThen(work(keyring, asked), (made) => {
          trail.keyId = made.keyId
          return made
        }),
      )
  const many =
    <Made extends Encrypted | Decrypted>(action: Action, work: Work<Made>) =>
    (asked: unknown) =>
      answered(parts, props, action, asked, async (keyring, trail) => {
        const results = await settleEach(keyring, itemsOf(asked), work)
        trail.outcomes = outcomesOf(results)
        return results
      })
  return {
    encrypt: one('encrypt', encrypting),
    decrypt: one('decrypt', decrypting),
    rewrap: one('rewrap', rewrapping),
    encryptBatch: many('encrypt', encrypting),
    decryptBatch: many('decrypt', decrypting),
    rewrapBatch: many('rewrap', rewrapping),
    resolve: (asked) => resolving(parts, props, asked),
  }
}

function resolving(parts: RpcParts, props: unknown, asked: unknown): Promise<Result<readonly Result<Resolved>[]>> {
  const { caller, grants } = callerOf(props)
  const secrets = parts.vaults?.secrets ?? null
  return trailed(parts, 'resolve', null, caller, async (trail) => {
    if (resolvable(grants) === null) throw forbidden('resolve', 'resolve:<pattern>')
    const { references, refresh = false } = fieldsOf(asked)
    if (refresh === true) trail.facts = { refresh }
    const texts = referencesOf(references)
    const results = await resolved({ secrets, grants, caller }, texts, refresh === true)
    trail.outcomes = resolutions({ secrets }, texts, results)
    return results
  })
}

async function answered<T>(
  parts: RpcParts,
  props: unknown,
  action: Action,
  asked: unknown,
  work: (keyring: Keyring, trail: Trail) => Awaitable<T>,
): Promise<Result<T>> {
  const { keyring = 'default' } = fieldsOf(asked)
  const name = typeof keyring === 'string' && KEYRING_NAME.test(keyring) ? keyring : null
  const { caller, grants } = callerOf(props)
  return trailed(parts, action, name, caller, async (trail) => {
    if (!isGranted(grants, action, name)) throw forbidden(action, `${action}:default`)
    return work(await parts.keyring(name ?? ''), trail)
  })
}

async function trailed<T>(
  parts: RpcParts,
  action: string,
  keyring: string | null,
  caller: string,
  work: (trail: Trail) => Promise<T>,
): Promise<Result<T>> {
  const trail = new Trail(parts.audit, parts.clock, nextId(), action, keyring)
  trail.caller = caller
  const result = await settle(() => work(trail)).catch((error: unknown) => {
    parts.onDefect(error, trail.request)
    return refusal('ERR_INTERNAL', 'Something went wrong here.')
  })
  trail.end(result.ok ? null : result.error.code)
  return result
}

const forbidden = (action: string, grant: string): KeyringError =>
  new KeyringError('ERR_FORBIDDEN', 'The service binding may not do this.', {
    facts: { action },
    remedy: `Give the binding props with the grant, such as {"name": "orders", "grants": ["${grant}"]}.`,
  })

/** In the audit log no binding has the name of an API token. */
function callerOf(props: unknown): { readonly caller: string; readonly grants: ReadonlySet<string> } {
  const { name, grants } = fieldsOf(props)
  const isNamed = typeof name === 'string' && /^[\w.-]{1,64}$/.test(name)
  const given: readonly unknown[] = Array.isArray(grants) ? grants : []
  return { caller: isNamed ? `rpc:${name}` : 'rpc', grants: new Set(given.filter((each) => typeof each === 'string')) }
}

/** What is no object has none of the fields that are asked for; none are copied, because bytes and texts have as many as they are long. */
const fieldsOf = (value: unknown) => Object(value) as Readonly<Record<string, unknown>>

function itemsOf(asked: unknown): readonly unknown[] {
  const { items } = fieldsOf(asked)
  if (Array.isArray(items) && items.length > 0 && items.length <= MAX_BATCH_ITEMS) return items as readonly unknown[]
  throw new KeyringError('ERR_REQUEST_INVALID', `There is no list "items" of 1 to ${MAX_BATCH_ITEMS}.`)
}

function referencesOf(value: unknown): readonly string[] {
  const isList = Array.isArray(value) && value.length > 0 && value.length <= MOST_REFERENCES
  if (isList && value.every((each) => typeof each === 'string')) return value
  throw new KeyringError('ERR_REQUEST_INVALID', `There is no list "references" of 1 to ${MOST_REFERENCES} texts.`)
}

function sealedOf(value: unknown): Sealed {
  const { ciphertext, context } = fieldsOf(value)
  if (typeof ciphertext !== 'string') throw new KeyringError('ERR_REQUEST_INVALID', 'The ciphertext is no text.')
  return { ciphertext, context: contextOf(context) }
}

function contextOf(context: unknown = ''): Bytes {
  const data = dataOf(context, 'context')
  const bytes = typeof data === 'string' ? utf8(data) : data
  refuseLongContext(bytes)
  return bytes
}

function dataOf(value: unknown, name: string): Data {
  if (value instanceof Uint8Array || (typeof value === 'string' && value.isWellFormed())) return value as Data
  throw new KeyringError('ERR_REQUEST_INVALID', `The ${name} is neither well-formed text nor bytes.`)
}
