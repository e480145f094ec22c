/** What a push looks like, wherever it comes in: checked without zod, which Lambda's HTTP function does not have. */
import { KEY_ID, KV1_INCARNATION, MOST_TIME } from '../core/limits.ts'
import type { Push } from '../core/operations.ts'
import type { HandedSecret } from '../core/vault-operations.ts'
import type { PlainRead } from '../core/ports.ts'
import { isTimestamp } from '../core/time.ts'

type Check = (value: unknown) => boolean

const matching =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === 'string' && pattern.test(value)
const word =
  (...words: readonly string[]): Check =>
  (value) =>
    words.some((each) => each === value)
const list =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every((entry) => check(entry))
const nullable =
  (check: Check): Check =>
  (value) =>
    value === null || check(value)

/** All of these, and none beside them. They are counted last: a text or a list has as many as it is long. */
const fields =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) => {
    const given = Object(value) as Readonly<Record<string, unknown>>
    const names = Object.keys(checks)
    return (
      names.every((name) => Object.hasOwn(given, name) && checks[name]?.(given[name])) &&
      Object.keys(given).length === names.length
    )
  }

export const isWhole = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= MOST_TIME
const isText: Check = (value) => typeof value === 'string' && value.isWellFormed()
const isFlag: Check = (value) => typeof value === 'boolean'

const SOURCE = { kind: word('kv1', 'kv2'), namespace: isText, mount: isText, path: isText }
const VERSION = { version: isWhole, state: word('readable', 'deleted', 'destroyed'), createdMs: nullable(isWhole) }
const OBSERVATION = {
  incarnation: (value: unknown) => value === KV1_INCARNATION || (typeof value === 'string' && isTimestamp(value)),
  current: isWhole,
  versions: list(fields(VERSION)),
  unlisted: word('destroyed', 'unknown'),
  sourceMs: isWhole,
  keeps: isWhole,
}

export const isSource = fields(SOURCE) as (value: unknown) => value is Push['source']
export const isObservation = nullable(fields(OBSERVATION)) as (value: unknown) => value is Push['observation']
export const isPush = fields({
  source: isSource,
  observation: isObservation,
  force: isFlag,
  adopt: isFlag,
}) as (value: unknown) => value is Push

/** Secrets of one push of what references name. */
const MOST_HANDED = 1000
const HANDED = {
  resource: (value: unknown) => isText(value) && value !== '',
  version: (value: unknown) => value === null || (isWhole(value) && value > 0),
  at: isWhole,
}
const isSecret = fields({ ...HANDED, found: word('secret'), text: isText })
const isNone = fields({ ...HANDED, found: word('absent', 'forbidden'), text: word('') })
export const isHanded = (value: unknown): value is readonly HandedSecret[] =>
  list((each) => isSecret(each) || isNone(each))(value) && (value as readonly unknown[]).length <= MOST_HANDED

const ANY_READ = [
  fields({
    version: isWhole,
    kind: word('key'),
    id: matching(KEY_ID),
    createdMs: isWhole,
    key: (value) => isText(value) && value !== '',
  }),
  fields({ version: isWhole, kind: word('malformed'), why: word('no-id', 'bad-id', 'no-key', 'key-not-string') }),
  fields({ version: isWhole, kind: word('deleted', 'destroyed', 'gone') }),
]
export const isReads = list((value) => ANY_READ.some((check) => check(value))) as (
  value: unknown,
) => value is readonly PlainRead[]
