/** The settings that whoever uses keys in its own process needs, read without a library: rules and names are those of `config/answering.ts`. */
import { fromBase64 } from '../core/bytes.ts'
import { KeyringError } from '../core/errors.ts'
import { KEYRING_NAME, VAULT_PREFIX, WRAPPING_KEY_ID } from '../core/limits.ts'
import { isQuoted } from '../core/quoted.ts'
import { meansReference } from '../core/reference.ts'
import { Secret } from '../core/secret.ts'
import type { WrappingKey } from '../core/wrapping-key.ts'

export interface UsingConfig {
  readonly wrappingKeys: readonly WrappingKey[]
  /** Names, `default` first. */
  readonly keyrings: readonly string[]
  /** Milliseconds; `null` = never by itself. */
  readonly syncPeriodMs: number | null
  readonly maxRecordAgeMs: number
  /** `null` = nothing is too old. */
  readonly maxStalenessMs: number | null
}

/** Settings by their names. */
export type Given = Readonly<Record<string, unknown>>

/** Reads one setting at a time, and remembers what is wrong: by name and rule, never by value. */
export class SettingsReading {
  readonly #given: Given
  readonly #problems: string[] = []

  constructor(given: Given) {
    this.#given = given
  }

  /** Names that were read. */
  readonly #read = new Set<string>()

  /** Empty counts as not set. @param read its text as a value, or what it must be. */
  value<T>(name: string, read: (text: string) => T | Wrong, otherwise: T): T {
    this.#read.add(name)
    const text = this.#given[name]
    if (text === undefined || text === null || text === '') return otherwise
    const value =
      typeof text !== 'string'
        ? new Wrong('must be text')
        : isQuoted(text.trim())
          ? new Wrong('is still in its quotes')
          : meansReference(text)
            ? new Wrong('has a reference, which nothing resolves here')
            : read(text)
    if (!(value instanceof Wrong)) return value
    this.wrong(name, value.rule)
    return otherwise
  }

  /** It has to be there. @param why what is missed, for people. */
  needs(name: string, why: string): void {
    this.#read.add(name)
    if ((this.#given[name] ?? '') === '') this.wrong(name, `is required: ${why}`)
  }

  wrong(name: string, rule: string): void {
    this.#problems.push(`${name} ${rule}`)
  }

  /** @throws `ERR_CONFIG_INVALID` for all that was wrong, and for names that mean to be one that is read. */
  end(): void {
    for (const [name, text] of Object.entries(this.#given))
      if (typeof text === 'string' && text !== '' && name.startsWith('KEYRING_') && !this.#read.has(name))
        for (const read of this.#read)
          if (read !== 'KEYRINGS' && isNear(name, read)) this.wrong(name, `looks like ${read}, misspelt`)
    if (this.#problems.length > 0) throw new KeyringError('ERR_CONFIG_INVALID', `${this.#problems.join('; ')}.`)
  }
}

/** Whether one letter at most is lacking, and their numbers differ by one at most, in whatever order they stand. */
function isNear(one: string, other: string): boolean {
  const lacking = one.split('').reduce((rest, letter) => rest.replace(letter, ''), other)
  return lacking.length < 2 && Math.abs(one.length - other.length) < 2
}

/** What a text is not. */
export class Wrong {
  readonly rule: string

  constructor(rule: string) {
    this.rule = rule
  }
}

/** Of whoever needs no other. @throws nothing yet: `end` of the reading does. */
export function keysConfig(reading: SettingsReading): Pick<UsingConfig, 'wrappingKeys'> {
  const isMissing: readonly WrappingKey[] = []
  return { wrappingKeys: reading.value('KEYRING_WRAPPING_KEYS', wrappingKeysIn, isMissing) }
}

/** @throws nothing yet: `end` of the reading does. */
export function usingConfig(reading: SettingsReading): UsingConfig {
  const period = reading.value('KEYRING_SYNC_PERIOD', seconds(0, 86_400), 600)
  const staleness = reading.value<number | null>('KEYRING_MAX_STALENESS', seconds(60, 31_536_000), null)
  return {
    ...keysConfig(reading),
    keyrings: ['default', ...reading.value('KEYRINGS', namesIn, [])],
    syncPeriodMs: period === 0 ? null : period * 1000,
    maxRecordAgeMs: reading.value('KEYRING_MAX_RECORD_AGE', seconds(172_800, 31_536_000), 604_800) * 1000,
    maxStalenessMs: staleness === null ? null : staleness * 1000,
  }
}

const seconds =
  (least: number, most: number) =>
  (text: string): number | Wrong => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : -1
    return number >= least && number <= most ? number : new Wrong(`must be a whole number from ${least} to ${most}`)
  }

const ENTRY = /^([^:/]*)(?:\/(keyring|secrets)\/([^:/]*))?:([^:]*)$/

function wrappingKeysIn(list: string): readonly WrappingKey[] | Wrong {
  const keys = list.split(',').map((entry) => wrappingKeyIn(entry.trim()))
  const right = keys.filter((key) => key !== null)
  if (right.length < keys.length)
    return new Wrong(
      'must be <id>:<key>, or <id>/keyring/<name>:<key> or <id>/secrets/<prefix>:<key> for a derived key; each key 32 bytes in base64',
    )
  const names = new Set(right.map(({ id, purpose }) => `${id}/${purpose ?? ''}`))
  const whole = new Set(right.flatMap(({ id, purpose }) => (purpose === null ? [id] : [])))
  const isTwice = names.size < right.length || right.some(({ id, purpose }) => purpose !== null && whole.has(id))
  return isTwice ? new Wrong('must name each id once') : right
}

/** `null` = it is none. */
function wrappingKeyIn(entry: string): WrappingKey | null {
  const [, id = '', kind, name = '', key = ''] = ENTRY.exec(entry) ?? []
  const isName = kind === undefined || (kind === 'keyring' ? KEYRING_NAME : VAULT_PREFIX).test(name)
  if (!WRAPPING_KEY_ID.test(id) || !isName || fromBase64(key)?.length !== 32) return null
  return { id, purpose: kind === undefined ? null : `${kind}/${name}`, key: new Secret(key) }
}

function namesIn(list: string): readonly string[] | Wrong {
  const rule = new Wrong('must be a JSON list of objects, each with a name of its own')
  try {
    const names = (JSON.parse(list) as { readonly name?: unknown }[]).map(({ name }) => name)
    const isRight = names.every((name) => typeof name === 'string' && KEYRING_NAME.test(name) && name !== 'default')
    return isRight && new Set(names).size === names.length ? (names as string[]) : rule
  } catch {
    return rule
  }
}
