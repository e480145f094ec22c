/** What a setting is, and the one way to read it: from the environment to texts, from texts to values. */
import * as z from 'zod/mini'
import { isQuoted } from '../core/quoted.ts'
import { meansReference } from '../core/reference.ts'

/** What reads settings. On Lambda, one function answers HTTP and the other asks Vault. */
export type Runtime = 'node' | 'workers' | 'lambda-http' | 'lambda-sync'

export type Env = Readonly<Record<string, string | undefined>>

export interface Problem {
  readonly name: string
  readonly message: string
}

export interface Setting {
  /** Built when the setting is read: building at import would cost every cold start. It is given what is set, or the default. */
  readonly schema: () => z.ZodMiniType<unknown, string>
  /** The text that would be written for it. */
  readonly default?: string
  /** What is missed when it is not set, for people. A setting with neither this nor a default may be absent. */
  readonly required?: string
  /** The setting is Kong's own, and accepted with `KONG_` in front too. */
  readonly kong?: true
  /** Other names of the same setting. */
  readonly also?: readonly string[]
  /** Names of others, read in this order when the setting is not set. */
  readonly fallbacks?: readonly string[]
  /** What a text of such a name is as one of ours. Absent = the same. */
  readonly fromFallback?: (text: string) => string
  /** The setting is read there alone. Absent = everywhere. */
  readonly only?: readonly Runtime[]
  /** What Workers have in its place: it is refused there under all its names. */
  readonly onWorkers?: string
  /** It belongs in the platform's secret store, or comes with what does: it may be given by reference. */
  readonly secret?: true
}

/** Settings by the names that the code has for them. */
export type Table = Readonly<Record<string, Setting>>

type IsRead<S extends Setting, R extends Runtime> = S extends { only: readonly (infer Some)[] }
  ? [R] extends [Some]
    ? true
    : false
  : true
type IsSure<S extends Setting, R extends Runtime> = S extends { default: string }
  ? true
  : S extends { required: string }
    ? IsRead<S, R>
    : false

/** What has no default may be absent, also what is required where it is not read. */
export type Values<T extends Table, R extends Runtime = Runtime> = {
  readonly [Name in keyof T]:
    | z.output<ReturnType<T[Name]['schema']>>
    | (IsSure<T[Name], R> extends true ? never : undefined)
}

/** A setting under the name that operators write. `key` is that of its table. */
export type Row = readonly [name: string, setting: Setting, key: string]

/** @param spell from the table's names to those that operators write. */
export const rowsOf = (table: Table, spell = (key: string): string => key): readonly Row[] =>
  Object.entries(table).map(([key, setting]) => [
    spell(key),
    setting.also === undefined ? setting : { ...setting, also: setting.also.map(spell) },
    key,
  ])

export const withKong = (name: string): string[] => [name, `KONG_${name}`]

export const ownNames = (name: string, { kong, also = [] }: Setting): string[] =>
  [name, ...also].flatMap((each) => (kong ? withKong(each) : [each]))

/** Every name that a setting is read from, in order. */
export const namesOf = (name: string, setting: Setting): string[] => [
  ...ownNames(name, setting),
  ...(setting.fallbacks ?? []),
]

export const isRead = ({ only }: Setting, runtime: Runtime): boolean => only?.includes(runtime) ?? true

/** Empty counts as not set. */
export const isSet = (env: Env, name: string): boolean => (env[name] ?? '') !== ''

/** A text, and the name that it stands under. */
interface Given {
  readonly name: string
  readonly text: string
}

/** What is written of each setting, by its key in the table; nothing of a setting that is not set or not read here. */
export type Texts = ReadonlyMap<string, readonly Given[]>

export function textsOf(rows: readonly Row[], env: Env, runtime: Runtime): Texts {
  const read = (names: readonly string[]): Given[] =>
    names.filter((name) => isSet(env, name)).map((name) => ({ name, text: env[name] ?? '' }))
  return new Map(
    rows
      .filter(([, setting]) => isRead(setting, runtime))
      .map(([name, setting, key]): [string, readonly Given[]] => {
        const own = read(ownNames(name, setting))
        const { fallbacks = [], fromFallback } = setting
        const [theirs] = read(fallbacks)
        if (own.length > 0 || theirs === undefined) return [key, own]
        return [key, [{ ...theirs, text: fromFallback?.(theirs.text) ?? theirs.text }]]
      })
      .filter(([, given]) => given.length > 0),
  )
}

interface Found extends Problem {
  readonly key: string
  /** Nothing is written that could be wrong. */
  readonly isMissing: boolean
}

/** What must hold between settings. It is looked at when each of them is right by itself. */
export interface Rule<V> {
  /** The first is the one to correct. */
  readonly keys: readonly [keyof V & string, ...(keyof V & string)[]]
  readonly holds: (values: V) => boolean
  readonly message: string
}

export interface Reading<V> {
  /** A value is right where there is no problem; what is wrong is absent, whatever the type says. */
  readonly values: V
  /** They are in the order of the table, under the names that were written. */
  readonly problems: readonly Found[]
}

/** `V` = the values of the rows. */
export function valuesOf<V>(
  rows: readonly Row[],
  texts: Texts,
  runtime: Runtime,
  rules: readonly Rule<V>[] = [],
): Reading<V> {
  const read = rows.map((row) => [row[2], ...valueOf(row, texts, runtime)] as const)
  const values = Object.fromEntries(read.map(([key, value]) => [key, value])) as V
  const wrong = new Set(
    read.filter(([, value, messages]) => value === undefined && messages.length > 0).map(([key]) => key),
  )
  const broken = rules.filter(({ keys, holds }) => !keys.some((key) => wrong.has(key)) && !holds(values))
  const problems = rows.flatMap(([name, , key], index) => {
    const first = texts.get(key)?.[0]
    const ofRules = broken.filter(({ keys }) => keys[0] === key).map(({ message }) => message)
    const messages = [...(read[index]?.[2] ?? []), ...ofRules]
    return messages.map((message) => ({ key, name: first?.name ?? name, message, isMissing: first === undefined }))
  })
  return { values, problems }
}

/** What is wrong; when the keyring is off nothing is missing. */
export const wrongOf = (problems: readonly Found[], isOff: boolean): Problem[] =>
  problems.filter(({ isMissing }) => !isOff || !isMissing).map(({ name, message }) => ({ name, message }))

/** The value of one row, and what is wrong with it. */
function valueOf([, setting, key]: Row, texts: Texts, runtime: Runtime): [unknown, readonly string[]] {
  const given = texts.get(key) ?? []
  const text = given[0]?.text ?? setting.default
  if (text === undefined) {
    const isMissed = setting.required !== undefined && isRead(setting, runtime)
    return [undefined, isMissed ? [`is required: ${setting.required}`] : []]
  }
  const [value, wrong] = parse(setting.schema(), text)
  return [value, [...differing(given), ...wrong]]
}

/** What a shell, a file or a template has left in a value may be right by the rule of its setting, and is named all the same. */
function parse(schema: z.ZodMiniType<unknown, string>, text: string): [unknown, readonly string[]] {
  if (isQuoted(text.trim())) return [undefined, ['is still in its quotes']]
  if (meansReference(text)) return [undefined, ['has a reference, which nothing resolves here']]
  const { data, error } = z.safeParse(schema, text)
  if (error === undefined) return [data, []]
  const isOneLine = z.safeParse(schema, text.replaceAll(/[\r\n]/g, '')).success
  return [undefined, isOneLine ? ['has a line end in it'] : error.issues.map(sentence)]
}

/** Equal texts may stand under all names. */
const differing = ([first, ...others]: readonly Given[]): string[] =>
  others.filter(({ text }) => text !== first?.text).map(({ name }) => `differs from ${name}: set one of the two`)

/** Paths have list positions and field names of ours, never what the operator wrote. */
function sentence({ path, message }: z.core.$ZodIssue): string {
  const where = path.map((step) => (typeof step === 'number' ? `entry ${step + 1}` : String(step)))
  return where.length === 0 ? message : `${where.join(', ')}: ${message}`
}
