/** Records out of DynamoDB: one item for each. */
import { KeyringError } from '../../src/core/errors.ts'
import type { Clock, StoredRecord } from '../../src/core/ports.ts'
import { STEP_MS, ageOf } from '../../src/core/time.ts'
import type { Aws, AwsAnswer } from './aws.ts'
import { exceptionName, whyNone } from './aws.ts'

export interface DynamoParts {
  readonly aws: Aws
  readonly table: string
  readonly clock: Clock
  /** How long work that begins now may take, in milliseconds. */
  readonly leftMs: () => number
}

/** How long an instance goes by what it has read, in milliseconds: a read costs money and some ten milliseconds. */
export const DYNAMO_READERS_MS = 60_000
/** What one read or write may take with all its attempts, in milliseconds. */
const DEADLINE_MS = 5000
/** DynamoDB answers within some ten milliseconds, the largest record within some hundred. */
const ATTEMPT_MS = 2000
const ATTEMPTS = 8
/** The pause before the next attempt has full jitter, and doubles with each. */
const BACKOFF_MS = 50
const MOST_BACKOFF_MS = 1000

/** After one of these nothing was carried out, so that another attempt may be. */
const THROTTLED = new Set([
  'ThrottlingException',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'LimitExceededException',
])
const NEVER = new AbortController().signal

/** 'refused' = the condition does not hold. `ambiguous` = an earlier attempt may have been carried out. */
interface Settled {
  readonly body: unknown
  readonly refused: boolean
  readonly ambiguous: boolean
}

/** What was read, or written, last of each record. */
export type KnownItems = Map<string, { readonly base64: string; readonly stored: StoredRecord }>

/**
 * The key of its table is the string `name`. @param known of whoever writes too. The same object is given as long as nothing was
 * written: what was verified need not be verified again.
 */
export function dynamoReader(parts: DynamoParts, known: KnownItems = new Map()) {
  const get = async (name: string): Promise<StoredRecord | null> => {
    const input = { TableName: parts.table, Key: { name: { S: name } }, ConsistentRead: true }
    const { body } = await askDynamo(parts, 'GetItem', input)
    const item = itemOf(name, body)
    if (item === null) return null
    const { version, base64 } = item
    const held = known.get(name)
    if (held?.stored.version === version && held.base64 === base64) return held.stored
    const stored = { version, bytes: new Uint8Array(Buffer.from(base64, 'base64')) }
    known.set(name, { base64, stored })
    return stored
  }
  return { get }
}

interface Item {
  readonly version?: { readonly N?: unknown }
  readonly bytes?: { readonly B?: unknown }
}

/**
 * `null` = there is none. What `put` has not written has no bytes, and version 0 where it has none: it is overwritten as if it were
 * absent, but for what stands in place of a record. @throws `ERR_RECORD_INVALID` for that.
 */
function itemOf(name: string, body: unknown): { version: number; base64: string } | null {
  const item = (body as { Item?: Item } | null)?.Item
  if (item === undefined) return null
  const [version, base64] = [item.version?.N, item.bytes?.B]
  const isVersion = typeof version === 'string' && /^[1-9]\d{0,14}$/.test(version)
  if (isRecord(name) && !(isVersion && typeof base64 === 'string'))
    throw new KeyringError('ERR_RECORD_INVALID', `The item "${name}" is none of this store.`)
  return { version: isVersion ? Number(version) : 0, base64: typeof base64 === 'string' ? base64 : '' }
}

export const isRecord = (name: string): boolean => name.startsWith('keyring/')

/** Asks until it is settled. @throws `ERR_STORE_UNAVAILABLE`. */
export async function askDynamo(parts: DynamoParts, operation: string, input: object): Promise<Settled> {
  const { clock } = parts
  const [begun, mostMs] = [clock.now(), Math.min(DEADLINE_MS, parts.leftMs())]
  const leftMs = () => mostMs - ageOf(begun, clock.now(), STEP_MS)
  const body = JSON.stringify(input)
  let ambiguous = false
  for (let attempt = 1; ; attempt += 1) {
    const answer = await send(parts, operation, body, Math.min(ATTEMPT_MS, leftMs()))
    const name = typeof answer === 'string' ? answer : exceptionName(answer)
    if (typeof answer !== 'string' && answer.status === 200) return { body: answer.body, refused: false, ambiguous }
    if (name === 'ConditionalCheckFailedException') return { body: null, refused: true, ambiguous }
    const waitMs = Math.random() * Math.min(MOST_BACKOFF_MS, BACKOFF_MS * 2 ** attempt)
    if (!mayRetry(answer, name) || attempt === ATTEMPTS || waitMs >= leftMs()) throw unavailable(name)
    ambiguous ||= !THROTTLED.has(name)
    await clock.sleep(waitMs, NEVER)
  }
}

/** A text = there was no answer, and why. */
async function send(parts: DynamoParts, operation: string, body: string, timeoutMs: number) {
  const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `DynamoDB_20120810.${operation}` }
  try {
    return await parts.aws({ service: 'dynamodb', path: '/', headers, body, timeoutMs })
  } catch (error) {
    return whyNone(error)
  }
}

const mayRetry = (answer: AwsAnswer | string, name: string): boolean =>
  typeof answer === 'string' || answer.status >= 500 || THROTTLED.has(name)

const unavailable = (why: string): KeyringError =>
  new KeyringError('ERR_STORE_UNAVAILABLE', `DynamoDB cannot be used (${why}).`, {
    remedy:
      'Check KEYRING_TABLE, KEYRING_SECRETS_TABLE, the role of the function and the state of DynamoDB in this region.',
  })
